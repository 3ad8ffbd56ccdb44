"""What a video sets, where it differs from a single picture; loads nothing that takes long."""

from __future__ import annotations

from types import MappingProxyType

VIDEO = MappingProxyType({"temporal_weight": 100.0})
"""Over the defaults of ``StylizeConfig``."""

STEPS_NEXT, LEVELS_NEXT = 30, 1
"""Of all frames but the first, which have the last one to start from."""

CLIPS = (".mp4", ".gif", ".webp")
"""What can be written, besides a folder of pictures."""
