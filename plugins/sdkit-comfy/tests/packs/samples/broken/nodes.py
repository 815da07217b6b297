# ruff: noqa: PTH120

# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
raise RuntimeError("no licence found")
