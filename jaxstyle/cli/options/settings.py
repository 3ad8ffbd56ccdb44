"""Command-line options made from the fields of ``StylizeConfig``, and ``--preset``."""

from __future__ import annotations

import argparse
from collections.abc import Container, Mapping
from dataclasses import Field, fields
from types import MappingProxyType
from typing import Any

from jaxstyle.cli.options.parser import Parser
from jaxstyle.config.fields import kind_of
from jaxstyle.config.presets import PRESETS, with_preset
from jaxstyle.config.settings_file import read_settings
from jaxstyle.config.stylize_config import StylizeConfig, config_from


def add_settings(
    parser: Parser,
    defaults: Mapping[str, Any] = MappingProxyType({}),
    leave_out: Container[str] = (),
) -> None:
    """Add ``--config``, ``--preset``, one option per field.

    Options for a field leave no attribute behind where they are not given.

    Args:
        defaults: the command's own, for the help; what it runs is up to it.
        leave_out: fields without an option.
    """
    group = parser.add_argument_group("settings")
    group.add_argument(
        "--config", metavar="FILE", help="settings from a .json or .toml file; options override it"
    )
    below = ", more on which below" if parser.shows_all else ""
    group.add_argument(
        "--preset",
        choices=tuple(PRESETS),
        help=f"published settings{below}; they override --config, and options override them: "
        + "; ".join(f"{name}: {preset.summary}" for name, preset in PRESETS.items()),
    )
    for entry in fields(StylizeConfig):
        if entry.name in leave_out:
            continue
        kind, _ = kind_of(entry)
        choices, of_value = entry.metadata["choices"], {}
        if kind is bool:
            of_value["action"] = argparse.BooleanOptionalAction
        else:
            metavar = None if choices else kind.__name__.upper()
            of_value |= {"type": kind, "choices": choices, "metavar": metavar}
        shown = parser.shows_all or "common" in entry.metadata["kinds"]
        group.add_argument(
            "--" + entry.name.replace("_", "-"),
            default=argparse.SUPPRESS,
            help=_help_of(entry, defaults) if shown else argparse.SUPPRESS,
            **of_value,
        )
    if parser.shows_all:
        for name, preset in PRESETS.items():
            parser.add_argument_group(f"preset {name}", preset.details)


def _help_of(entry: Field[Any], defaults: Mapping[str, Any]) -> str:
    text = entry.metadata["help"]
    text = (text if isinstance(text, str) else text()).replace("%", "%%")
    if entry.name in defaults:
        text, default = text.partition(" (default: ")[0], defaults[entry.name]
        default = "none" if default == "" else default
    elif "convention" in entry.metadata["kinds"]:
        default = "the convention's own"
    else:
        default = entry.default
    return text if default is None else f"{text} (default: {default})"


def settings_from(arguments: argparse.Namespace) -> StylizeConfig:
    """The settings in force, see ``given_settings``."""
    return StylizeConfig(**given_settings(arguments))


def given_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings that are given: options, over ``--preset``, over the ``--config`` file.

    A preset that the file names lies below the file's own settings.

    Raises:
        InputError: the file cannot be read; a setting is unknown or unfit.
    """
    where = arguments.config or "the settings"
    file = with_preset(read_settings(arguments.config), where) if arguments.config else {}
    given = vars(arguments)
    options = {
        entry.name: given[entry.name] for entry in fields(StylizeConfig) if entry.name in given
    }
    settings = {**file, **with_preset({"preset": arguments.preset}), **options}
    config_from(settings, where)  # a wrong setting is refused at once
    return settings


def network_note(settings: Mapping[str, Any]) -> str:
    """Which network is used, for commands that run many jobs."""
    from jaxstyle.network.weights import default_weights, weights_directory

    name = settings.get("weights") or default_weights()
    file = f" ({weights_directory() / 'vgg19.h5'})" if name == "vgg19" else ""
    return f"network: {name}{file}"


def idle_settings(config: StylizeConfig, masked: bool) -> list[str]:
    """A line for each setting that is not its default's, and that the others leave without effect.

    Args:
        masked: whether there are masks or transparent parts.
    """
    lines = []
    for entry in fields(StylizeConfig):
        value, needs = getattr(config, entry.name), entry.metadata["needs"]
        if needs is None or value == entry.default or needs[1](config, masked):
            continue
        text = value if isinstance(value, str) else f"{value:g}"
        option = entry.name.replace("_", "-")
        lines.append(f"--{option} {text} changes nothing without {needs[0]}")
    return lines
