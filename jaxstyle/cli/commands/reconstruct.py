"""``jaxstyle reconstruct``: what the layers of the network know of a picture."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Any

from jaxstyle.cli.options.checkpoint import add_deterministic_option, deterministic_note
from jaxstyle.cli.options.inputs import add_layer_sets, layer_sets_from
from jaxstyle.cli.options.outputs import add_sheet_options, check_folder, command_line, ready_folder
from jaxstyle.cli.options.overwrite_guard import Named, check_overwriting, inputs_of
from jaxstyle.cli.options.settings import add_settings, given_settings, network_note
from jaxstyle.cli.report.messages import tell
from jaxstyle.config.command_defaults import CONTENT_RECONSTRUCTION, LAYERS
from jaxstyle.errors import InputError
from jaxstyle.network.architecture import parse_layers
from jaxstyle.runtime.interrupts import EXIT_CODE, begun

if TYPE_CHECKING:
    from jaxstyle.images import Picture
    from jaxstyle.pipelines.paper import Panel


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "reconstruct",
        description="Figure 1 of Gatys et al. 2015: from white noise, find pictures that look "
        "like the content to one layer of the network, and pictures whose Gram matrices in "
        "growing sets of layers are the style's. Give either picture or both.",
        epilog="Example: jaxstyle reconstruct --content photo.jpg --style painting.jpg "
        "-o figure1.png",
    )
    parser.add_argument("--content", help="picture for the row of content reconstructions")
    parser.add_argument("--style", help="picture for the row of style reconstructions")
    parser.add_argument(
        "--layers",
        default=",".join(LAYERS),
        help="layers of the content, one panel each (default: %(default)s)",
    )
    add_layer_sets(parser)
    add_sheet_options(parser, "figure1.png")
    add_deterministic_option(parser)
    add_settings(parser, CONTENT_RECONSTRUCTION)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the rows and write the sheet."""
    if arguments.content is None and arguments.style is None:
        raise InputError("there is nothing to reconstruct: give --content, --style or both")
    settings = given_settings(arguments)
    layers = list(parse_layers(arguments.layers))
    layer_sets = layer_sets_from(arguments)
    from jaxstyle.cli.report.reporters import PanelReporter
    from jaxstyle.images import check_writable, load_image
    from jaxstyle.pipelines.paper import reconstruct_content, reconstruct_style
    from jaxstyle.runtime.compilation_cache import keep_compiled_programs

    check_writable(arguments.output)
    check_folder(arguments.cells)
    begun()
    _check_inputs(arguments, layers, layer_sets, settings.get("init", ""))
    pictures = {
        name: load_image(getattr(arguments, name), name=f"{name} image")
        for name in ("style", "content")
        if getattr(arguments, name) is not None
    }
    ready_folder(arguments.cells)
    keep_compiled_programs(tell)
    rows: dict[str, list[Panel]] = {}
    with PanelReporter(quiet=arguments.quiet) as reporter:
        reporter.say(deterministic_note(arguments))
        reporter.opening = network_note(settings)
        options: dict[str, Any] = {
            "callback": reporter.panel_step,
            "note": {"command": command_line(settings.get("record", "names"))},
            **settings,
        }
        if "style" in pictures:
            rows["style"] = reconstruct_style(pictures["style"], layer_sets, **options)
        if "content" in pictures and not _interrupted(rows):
            rows["content"] = reconstruct_content(pictures["content"], layers, **options)
    _write(arguments, rows, pictures, settings)
    for name, panels in rows.items():
        for panel in panels:
            reporter.say(f"{name} from {_label(panel)}: loss {panel.result.loss:.3g}")
    reporter.say(str(arguments.output))
    return EXIT_CODE if _interrupted(rows) else 0


def _check_inputs(
    arguments: argparse.Namespace, layers: list[str], layer_sets: list[str], init: str
) -> None:
    """Refuse to write over what is read."""
    from jaxstyle.pipelines.paper import set_label

    outputs: list[Named] = [("-o", arguments.output)]
    if arguments.cells is not None:
        labels = [("content", layer) for layer in layers]
        labels += [("style", set_label(layer_set)) for layer_set in layer_sets]
        outputs += [("--cells", arguments.cells / f"{row}-{label}.png") for row, label in labels]
    check_overwriting(inputs_of(arguments, init), outputs)


def _interrupted(rows: dict[str, list[Panel]]) -> bool:
    from jaxstyle.optimize.ending import Ending

    return any(p.result.reason is Ending.INTERRUPTED for panels in rows.values() for p in panels)


def _write(
    arguments: argparse.Namespace,
    rows: dict[str, list[Panel]],
    originals: dict[str, Picture],
    settings: dict[str, Any],
) -> None:
    """Write the sheet, a row for each original, and the panels as files of their own if asked."""
    from jaxstyle.cli.report.sheets import save_sheet
    from jaxstyle.display.figures import strip

    pictures: list[Any] = []
    labels: list[str] = []
    columns = 1 + max(map(len, rows.values()))
    for name, panels in rows.items():
        missing = columns - 1 - len(panels)
        pictures += [originals[name].rgb, *(panel.result.image for panel in panels)]
        pictures += [None] * missing
        labels += [name, *map(_label, panels), *[""] * missing]
        for panel in panels if arguments.cells else ():
            panel.result.save(arguments.cells / f"{name}-{panel.label}.png")
    command = command_line(settings.get("record", "names"))
    sheet = strip(
        pictures,
        labels,
        title="What the layers know: " + " and ".join(rows),
        caption=command,
        side=arguments.cell_size,
        columns=columns,
    )
    cells = [
        {"labels": [name, panel.label], "loss": panel.result.loss}
        for name, panels in rows.items()
        for panel in panels
    ]
    record = {"command": command, "settings": settings, "cells": cells}
    save_sheet(arguments.output, sheet, record)


def _label(panel: Panel) -> str:
    """A panel's label, with its distance from the original where that means something."""
    return panel.label if math.isnan(panel.psnr) else f"{panel.label} ({panel.psnr:.1f} dB)"
