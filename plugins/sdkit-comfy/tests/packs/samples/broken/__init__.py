# ruff: noqa: F401

# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false
from .nodes import NODE_CLASS_MAPPINGS
