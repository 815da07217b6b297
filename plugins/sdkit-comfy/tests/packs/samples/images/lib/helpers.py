# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false
def brighten(image, by):
    return (image + by).clamp(0, 1)
