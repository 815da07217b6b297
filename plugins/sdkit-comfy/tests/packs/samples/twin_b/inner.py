# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false
def suffix():
    from .shared_name import WHO

    return WHO
