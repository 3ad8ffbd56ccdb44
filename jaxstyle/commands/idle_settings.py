"""Settings that are given and change nothing."""

from __future__ import annotations

from dataclasses import fields

from jaxstyle.config.stylize_config import StylizeConfig

_DEFAULTS = {entry.name: entry.default for entry in fields(StylizeConfig)}


def idle_settings(config: StylizeConfig, masked: bool) -> list[str]:
    """A line for each setting that is not its default's, and that the others leave without effect.

    Args:
        masked: whether there are masks or transparent parts.
    """
    matched = config.color in ("match-before", "match-after")
    by_luminance = config.color in ("keep", "luminance") or config.saturation != 1
    while_used = {
        "range_weight": (not config.clamp, "--no-clamp: no value leaves the range"),
        "tv_power": (config.tv == "power", "--tv power"),
        "style_shift": ("shifted-gram" in config.statistics, "--statistic shifted-gram"),
        "guide": (masked, "masks or transparency"),
        "color_method": (matched, "--color match-before or match-after"),
        "color_space": (by_luminance, "--color keep or luminance, or --saturation"),
    }
    return [
        f"--{name.replace('_', '-')} {_told(getattr(config, name))} changes nothing without {needs}"
        for name, (used, needs) in while_used.items()
        if not used and getattr(config, name) != _DEFAULTS[name]
    ]


def _told(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"
