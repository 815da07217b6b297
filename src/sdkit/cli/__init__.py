"""The command line: an app of the plugins' commands, where every error is one line and an exit code."""

from sdkit.cli.app import main

__all__ = ["main"]
