"""Plugins: finding them, checking them, and calling their hooks. One manager per pipeline, none per process."""

from sdkit.plugins.discovery import InstalledPlugin, installed_plugins, load_manager
from sdkit.plugins.manager import Manager, PluginInfo
from sdkit.plugins.registry import Entry, NoiseSourceEntry, Registry, SamplerEntry, ScheduleEntry

__all__ = [
    "Entry",
    "InstalledPlugin",
    "Manager",
    "NoiseSourceEntry",
    "PluginInfo",
    "Registry",
    "SamplerEntry",
    "ScheduleEntry",
    "installed_plugins",
    "load_manager",
]
