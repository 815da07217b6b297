"""What a file's metadata say of its training: kohya's `ss_…` keys and ModelSpec's, summarised for people.

Metadata are what somebody wrote; nothing is computed from them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import cast

_KOHYA: tuple[tuple[str, str], ...] = (
    ("ss_base_model_version", "base model"),
    ("ss_sd_model_name", "trained on"),
    ("ss_network_module", "network"),
    ("ss_network_dim", "network dim"),
    ("ss_network_alpha", "network alpha"),
    ("ss_steps", "steps"),
    ("ss_num_epochs", "epochs"),
    ("ss_num_train_images", "pictures"),
    ("ss_resolution", "resolution"),
    ("ss_learning_rate", "learning rate"),
    ("ss_optimizer", "optimizer"),
    ("ss_clip_skip", "clip skip"),
    ("ss_v2", "SD2"),
    ("ss_v_parameterization", "v-prediction"),
)
"""Key → label, in the order in which they are shown."""

_MODELSPEC = "modelspec."
_LONG = ("modelspec.thumbnail", "modelspec.hash_sha256")
_TOP = 10


def training_notes(metadata: Mapping[str, str]) -> dict[str, str]:
    """Label → value, ready to be shown; empty where the metadata say nothing of training."""
    notes = {
        label: metadata[key]
        for key, label in _KOHYA
        if metadata.get(key) not in (None, "", "None")
        and not (label in ("SD2", "v-prediction") and metadata[key] != "True")
    }
    words = trigger_words(metadata)
    if words:
        notes["trigger words"] = ", ".join(words)
    tags = _tags(metadata)
    if tags:
        notes["top tags"] = ", ".join(f"{tag} ({count})" for tag, count in tags.most_common(_TOP))
    notes |= {
        key.removeprefix(_MODELSPEC).replace("_", " "): value
        for key, value in metadata.items()
        if key.startswith(_MODELSPEC) and key not in _LONG and value
    }
    return notes


def trigger_words(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """The words that call what was trained: ModelSpec's trigger phrase, else the class words of kohya's folders
    (`10_zyx cat` → `zyx cat`)."""
    phrase = metadata.get("modelspec.trigger_phrase", "").strip()
    if phrase:
        return (phrase,)
    names = (name.partition("_") for name in _json(metadata.get("ss_tag_frequency", "")))
    return tuple(dict.fromkeys(word for repeats, _, word in names if repeats.isdecimal() and word))


def _tags(metadata: Mapping[str, str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for folder in _json(metadata.get("ss_tag_frequency", "")).values():
        if isinstance(folder, dict):
            for tag, count in cast("dict[str, object]", folder).items():
                if isinstance(count, int):
                    counts[tag.strip()] += count
    return counts


def _json(text: str) -> dict[str, object]:
    """A JSON object; empty for anything else: it is somebody's metadata, and no reason to fail."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}
