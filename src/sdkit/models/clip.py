"""CLIP's way of looking at pictures and comparing them with texts (arXiv:2103.00020)."""

from __future__ import annotations

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
"""Mean of CLIP's training pictures by channel, in 0…1; whoever trains an image tower for sdkit uses the same."""

CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
"""Standard deviation of CLIP's training pictures by channel, in 0…1."""
