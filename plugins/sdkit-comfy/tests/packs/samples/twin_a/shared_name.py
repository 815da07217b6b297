# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false
WHO = "a"
