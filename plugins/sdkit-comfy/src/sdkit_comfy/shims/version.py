"""`comfyui_version`: the version whose interfaces these modules follow, for packs that compare."""

__version__ = "0.3.75"
