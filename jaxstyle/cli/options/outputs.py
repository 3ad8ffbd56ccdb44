"""Where commands write: options of sheets, the command line to record, folders."""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from jaxstyle.errors import InputError

if TYPE_CHECKING:
    from jaxstyle.network.network import Network


_SEPARATORS = os.sep + (os.altsep or "")
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


def command_line(record: str = "names") -> str:
    """The command that runs, for captions and records: without the program's folder.

    Args:
        record: the setting: ``full`` tells whole paths, ``names`` those of files alone, ``none``
            nothing.
    """
    import shlex

    if record == "none":
        return ""
    name, *rest = sys.argv
    if record == "names":
        rest = [_without_folders(word) for word in rest]
    program = Path(name).stem
    if program in ("__main__", "main"):  # python -m jaxstyle, or jaxstyle.cli.main
        program = "jaxstyle"
    return shlex.join([program if program == "jaxstyle" else f"{program}.py", *rest])


def _without_folders(word: str) -> str:
    """A word of a command with names for paths, also for those in ``style=a/b.jpg,c/d.jpg``."""
    if os.path.exists(word):
        return os.path.basename(os.path.abspath(word))
    return re.sub(rf"[^,:=|+]*[{re.escape(_SEPARATORS)}]", "", word.rstrip(_SEPARATORS))


def preset_note(arguments: argparse.Namespace, network: Network) -> str:
    """A warning where a preset's weights are meant for another network; empty if all is well."""
    from jaxstyle.config.presets import PRESETS

    preset = PRESETS.get(getattr(arguments, "preset", None) or "")
    small = network.source.startswith("vgg19-slim")
    if preset is None or (network.normalised == preset.normalised and not small):
        return ""
    meant = "normalised VGG-19" if preset.normalised else "original VGG-19"
    given = "vgg19-slim" if small else f"{'' if network.normalised else 'un'}normalised weights"
    return (
        f"preset {preset.name} is for the {meant}; with {given} its weights strike another balance"
    )


def check_current_folder() -> None:
    """Refuse to run where paths lead nowhere.

    Raises:
        InputError: the current folder has been removed.
    """
    try:
        os.getcwd()
    except OSError:
        raise InputError("the current folder is not there any more: go to another one") from None


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
    """Make a folder, if there is to be one.

    Raises:
        InputError: as ``check_folder``, or it cannot be made.
    """
    from jaxstyle.pipelines.cell_files import make_folder

    check_folder(folder)
    if folder is not None:
        make_folder(folder)
