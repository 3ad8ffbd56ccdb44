"""What the experiments' commands share: options, the network in force, sheets and their records."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxstyle.commands.checkpointing import add_deterministic_option
from jaxstyle.commands.rescuing import save_or_rescue
from jaxstyle.errors import InputError

if TYPE_CHECKING:
    from jaxstyle.network.network import Network
    from jaxstyle.pipelines.chunks import Limits
    from jaxstyle.pipelines.sweep import Grid


FILE_ENDINGS = frozenset(
    ".apng .avi .avif .bmp .flv .gif .heic .jpeg .jpg .json .m4v .mkv .mov .mp4 .mpeg .mpg .npz "
    ".ogv .pdf .png .ppm .svg .tif .tiff .webm .webp .wmv".split()
)
"""What no folder is called."""


def add_sheet_options(parser: argparse.ArgumentParser, default: str) -> None:
    """Options of every command that makes one labelled picture."""
    parser.add_argument(
        "-o", "--output", type=Path, default=Path(default), help=f"the sheet (default: {default})"
    )
    parser.add_argument(
        "--cells", type=Path, metavar="FOLDER", help="keep every picture as a file of its own too"
    )
    parser.add_argument(
        "--cell-size",
        type=int,
        default=384,
        metavar="PX",
        help="longest side of a picture on the sheet (default: 384)",
    )
    parser.add_argument("--quiet", action="store_true", help="show nothing but errors")


def add_process_options(parser: argparse._ArgumentGroup, words: str) -> None:
    """Options of a run that several processes share."""
    parser.add_argument("--distributed", action="store_true", help=words)
    parser.add_argument(
        "--coordinator", metavar="HOST:PORT", help="of process 0, where JAX cannot find it itself"
    )
    parser.add_argument("--processes", type=int, metavar="N", help="how many processes there are")
    parser.add_argument("--process", type=int, metavar="I", help="which one this is, from 0")


def join_if_asked(arguments: argparse.Namespace) -> None:
    """Join the other processes if ``--distributed`` says so; before anything that uses devices.

    Raises:
        InputError: they do not find each other.
    """
    if arguments.distributed:
        from jaxstyle.runtime.processes import join

        join(arguments.coordinator, arguments.processes, arguments.process)


def add_limit_options(parser: argparse.ArgumentParser) -> None:
    """Options on how a grid uses memory, devices and processes."""
    group = parser.add_argument_group("machine")
    group.add_argument(
        "--max-memory",
        metavar="AMOUNT",
        help="most memory on each device, such as 8GiB (default: 80 %% of what is free)",
    )
    group.add_argument(
        "--cells-at-once",
        type=int,
        default=0,
        metavar="N",
        help="at most N cells in one program, so that finished ones are saved earlier (default: "
        "all that fit)",
    )
    group.add_argument(
        "--devices", type=int, default=0, metavar="N", help="use N devices (default: all)"
    )
    add_deterministic_option(group)
    add_process_options(
        group, "one of several processes that share the cells; process 0 writes the files"
    )


def limits_from(arguments: argparse.Namespace) -> Limits:
    """Join the other processes, if asked to, and read the limits.

    Raises:
        InputError: an amount that cannot be read, more devices than there are, or no such process.
    """
    from jaxstyle.pipelines.chunks import Limits
    from jaxstyle.runtime.memory import parse_bytes

    memory = None if arguments.max_memory is None else parse_bytes(arguments.max_memory)
    if arguments.cells_at_once < 0 or arguments.devices < 0:
        raise InputError("--cells-at-once and --devices must be at least 0")
    join_if_asked(arguments)
    import jax

    devices = tuple(jax.local_devices())
    if arguments.devices > len(devices):
        raise InputError(f"--devices is {arguments.devices}; there are {len(devices)} here")
    return Limits(memory, arguments.cells_at_once, devices[: arguments.devices] or devices)


def command_line() -> str:
    """The command that runs, for captions and records: without the program's folder."""
    import shlex

    name, *rest = sys.argv
    program = Path(name).stem
    if program in ("__main__", "cli"):
        program = "jaxstyle"
    return shlex.join([program if program == "jaxstyle" else f"{program}.py", *rest])


def preset_note(arguments: argparse.Namespace, network: Network) -> str:
    """A warning where a preset's weights are meant for another network; empty if all is well."""
    from jaxstyle.config.presets import PRESETS

    preset = PRESETS.get(getattr(arguments, "preset", None) or "")
    if preset is None:
        return ""
    meant = "normalised VGG-19" if preset.normalised else "original VGG-19"
    small = network.source.startswith("vgg19-slim")
    if not small and network.normalised == preset.normalised:
        return ""
    here = "vgg19-slim" if small else f"{'' if network.normalised else 'un'}normalised weights"
    return (
        f"preset {preset.name} is for the {meant}; with {here} its weights strike another balance"
    )


def check_output(path: Path) -> None:
    """Refuse, before anything runs, a sheet that cannot be written.

    Raises:
        InputError: an unknown ending, or a folder that is not there.
    """
    from jaxstyle.images import check_writable

    check_writable(path)


def check_folder(folder: Path | None) -> None:
    """Refuse, before anything runs, a folder with the name of a picture, a clip or the like.

    Raises:
        InputError: its ending says that a file is meant, or it is a file.
    """
    if folder is None or folder.is_dir():
        return
    if folder.exists():
        raise InputError(f"{folder} is a file: name a folder, for there will be several files")
    if folder.suffix.lower() in FILE_ENDINGS:
        raise InputError(
            f"{folder} would be a folder that is called as a file is: name a folder, for there "
            "will be several files"
        )


def ready_folder(folder: Path | None) -> None:
    """Make a folder for cells.

    Raises:
        InputError: it cannot be made.
    """
    if folder is None:
        return
    check_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error.strerror}") from None


def sheet_of(grid: Grid, *, title: str, caption: str, side: int) -> Any:
    """A grid as one labelled picture: the last axis across, the others down."""
    from jaxstyle.display.figures import contact_sheet, strip

    pictures = [[picture_of(cell) for cell in row] for row in grid.rows()]
    if len(grid.axes) == 1:
        labels = [f"{grid.axes[0].name} {label}" for label in grid.axes[0].labels]
        if " " in grid.axes[0].name:
            labels = list(grid.axes[0].labels)
        return strip(
            pictures[0],
            labels,
            title=title,
            caption=caption,
            side=side,
            columns=min(5, len(labels)),
        )
    down, across = grid.axes[:-1], grid.axes[-1]
    return contact_sheet(
        pictures,
        row_labels=[", ".join(row[0].labels[:-1]) for row in grid.rows()],
        column_labels=across.labels,
        row_title=", ".join(axis.name for axis in down),
        column_title=across.name,
        title=title,
        caption=caption,
        side=side,
    )


def picture_of(cell: Any) -> Any:
    """A cell's picture, or the message in its place."""
    return cell.message if cell.result is None else cell.result.image


def save_sheet(path: Path, sheet: Any, record: dict[str, Any], quality: int = 90) -> None:
    """Write a sheet with what made it; ``quality`` is for JPEG and WebP.

    Raises:
        InputError: as ``save_or_rescue``.
    """
    import json

    from jaxstyle.images import save_image
    from jaxstyle.run.record import SHEET_FORMAT, versions

    record = {"format": SHEET_FORMAT, "versions": versions(), **record}
    text = json.dumps(record, sort_keys=True, default=str)
    save_or_rescue(
        lambda path: save_image(path, sheet, quality=quality, record=text),
        path,
    )


def failures(grid: Grid) -> Sequence[str]:
    """A line for every cell that has no result, or none that was written."""
    return [
        f"{', '.join(cell.labels)}: {cell.message}" for cell in grid.cells if cell.message != ""
    ]
