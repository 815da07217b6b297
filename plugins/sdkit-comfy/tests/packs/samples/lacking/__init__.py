# ruff: noqa: F401

# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false
import a_package_that_nobody_has

NODE_CLASS_MAPPINGS = {}
