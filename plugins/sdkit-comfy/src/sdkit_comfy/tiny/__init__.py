"""Trying a workflow's wiring in seconds: small random stand-ins for its models and pictures, and smaller sizes.

Every node runs, by the same loaders and the same code as with real models; only what it computes means nothing.
"""

from sdkit_comfy.tiny.shrinking import Change, Tiny, shrink, tiny_workspace, with_changes

__all__ = ["Change", "Tiny", "shrink", "tiny_workspace", "with_changes"]
