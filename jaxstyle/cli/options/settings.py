"""Command-line options made from the fields of ``StylizeConfig``, and ``--preset``."""

from __future__ import annotations

import argparse
from collections.abc import Container, Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

from jaxstyle.config.fields import kind_of
from jaxstyle.config.presets import PRESETS, with_preset
from jaxstyle.config.settings_file import read_settings
from jaxstyle.config.stylize_config import StylizeConfig, config_from


def add_settings(
    parser: argparse.ArgumentParser,
    defaults: Mapping[str, Any] = MappingProxyType({}),
    leave_out: Container[str] = (),
) -> None:
    """Add ``--config``, ``--preset`` and one option per field.

    Options for a field leave no attribute behind where they are not given.

    Args:
        defaults: the command's own, for the help; what it runs is up to it.
        leave_out: fields without an option.
    """
    group = parser.add_argument_group("settings")
    group.add_argument(
        "--config", metavar="FILE", help="settings from a .json or .toml file; options override it"
    )
    group.add_argument(
        "--preset",
        choices=tuple(PRESETS),
        help="published settings, more on which below; they override --config, and options "
        "override them: "
        + "; ".join(f"{name}: {preset.summary}" for name, preset in PRESETS.items()),
    )
    for entry in fields(StylizeConfig):
        if entry.name in leave_out:
            continue
        kind, optional = kind_of(entry)
        flag = "--" + entry.name.replace("_", "-")
        text = entry.metadata["help"].replace("%", "%%")
        if entry.name in defaults:
            text = text.partition(" (default: ")[0]
            text += f" (default: {defaults[entry.name] if defaults[entry.name] != '' else 'none'})"
        elif not optional:
            text += f" (default: {entry.default})"
        if kind is bool:
            group.add_argument(
                flag,
                action=argparse.BooleanOptionalAction,
                default=argparse.SUPPRESS,
                help=text,
            )
            continue
        group.add_argument(
            flag,
            type=kind,
            choices=entry.metadata["choices"],
            metavar=None if entry.metadata["choices"] else kind.__name__.upper(),
            default=argparse.SUPPRESS,
            help=text,
        )
    for name, preset in PRESETS.items():
        parser.add_argument_group(f"preset {name}", preset.details)


def settings_from(arguments: argparse.Namespace) -> StylizeConfig:
    """The settings in force, see ``given_settings``.

    Raises:
        InputError: a setting is unknown or unfit.
    """
    return config_from(given_settings(arguments), arguments.config or "the settings")


def given_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings that are given: options, over ``--preset``, over the ``--config`` file.

    A preset that the file names lies below the file's own settings.

    Raises:
        InputError: the file cannot be read.
    """
    where = arguments.config or "the settings"
    file = with_preset(read_settings(arguments.config), where) if arguments.config else {}
    given = vars(arguments)
    options = {
        entry.name: given[entry.name] for entry in fields(StylizeConfig) if entry.name in given
    }
    return {**file, **with_preset({"preset": arguments.preset}), **options}


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
