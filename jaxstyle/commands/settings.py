"""Command-line options made from the fields of ``StylizeConfig``."""

from __future__ import annotations

import argparse
from dataclasses import fields

from jaxstyle.config import StylizeConfig, config_from, kind_of, read_settings


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add ``--config`` and one option per field. Options not given leave no attribute behind."""
    group = parser.add_argument_group("settings")
    group.add_argument(
        "--config", metavar="FILE", help="settings from a .json or .toml file; options override it"
    )
    for entry in fields(StylizeConfig):
        kind, optional = kind_of(entry)
        flag = "--" + entry.name.replace("_", "-")
        text = entry.metadata["help"].replace("%", "%%")
        if not optional:
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


def settings_from(arguments: argparse.Namespace) -> StylizeConfig:
    """The settings given by ``--config`` and options.

    Raises:
        InputError: a setting is unknown or unfit.
    """
    values = read_settings(arguments.config) if arguments.config else {}
    given = vars(arguments)
    options = {
        entry.name: given[entry.name] for entry in fields(StylizeConfig) if entry.name in given
    }
    return config_from({**values, **options}, arguments.config or "the settings")
