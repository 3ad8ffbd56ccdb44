"""Options of runs that can be cut off and gone on with, and that give the same each time."""

from __future__ import annotations

import argparse
import math
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxstyle.cli.options.recorded_paths import seen_from
from jaxstyle.errors import InputError

if TYPE_CHECKING:
    from jaxstyle.run.checkpoint import Checkpoint

DEFAULT_EVERY = "60s"
_EVERY = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(s?)", re.ASCII)


def add_checkpoint_options(parser: argparse.ArgumentParser, *, named: bool = True) -> None:
    """``--checkpoint``, ``--checkpoint-every`` and ``--deterministic``.

    Args:
        named: False where the file is an argument of its own, called ``checkpoint``.
    """
    group = parser.add_argument_group("long runs")
    if named:
        group.add_argument(
            "--checkpoint",
            type=Path,
            metavar="FILE",
            help="keep the run in this file as it goes; where the file is there already, go on "
            "from it, so that the same command, given again after whatever ended it, gives the "
            "picture that an unbroken run gives. Removed when the result is saved. `jaxstyle "
            "resume FILE` needs no other options. With --optimizer scipy the start of each level "
            "is kept, and nothing within it",
        )
    group.add_argument(
        "--checkpoint-every",
        metavar="N",
        help="write it after N steps, or after so many seconds, such as 30s; by seconds, never "
        f"more than a tenth of the time goes into it (default: {DEFAULT_EVERY})",
    )
    add_deterministic_option(group)


def add_deterministic_option(parser: argparse._ActionsContainer) -> None:
    """``--deterministic`` and ``--profile``, which ``cli.main`` carries out."""
    parser.add_argument(
        "--deterministic",
        action="store_true",
        help="the same pixels each time on the same machine and versions. On CPU and TPU they are "
        "anyway; on a GPU this sets XLA's flag for it, and is slower",
    )
    parser.add_argument(
        "--profile",
        type=Path,
        metavar="DIR",
        help="trace three steps of each size with JAX's profiler, for xprof or Perfetto",
    )


def parse_every(text: str) -> tuple[int | None, float]:
    """Read ``20`` (steps) or ``30s`` (seconds), as ``Checkpoint.every_steps, every_seconds``.

    Raises:
        InputError: it is neither.
    """
    match = _EVERY.fullmatch(text.strip().lower())
    if match is not None and match[2]:
        return None, float(match[1])
    if match is None or "." in match[1] or int(match[1]) < 1:
        raise InputError(
            f"--checkpoint-every is {text!r}: give a number of steps such as 20, or of seconds "
            "such as 30s"
        )
    return int(match[1]), math.inf


def checkpoint_from(
    arguments: argparse.Namespace,
    output: Path,
    say: Callable[[str], None],
    note: Mapping[str, Any] | None = None,
    files: Mapping[str, bytes] | None = None,
) -> Checkpoint | None:
    """Where the run is kept; None where that is not asked for, or the command has no such option.

    Args:
        output: where the result will be, for ``jaxstyle resume``.
        say: told where a run goes on, and when the file cannot be written.
        note, files: JSON values and bytes to keep in it as they are when it is written.

    Raises:
        InputError: an option makes no sense.
    """
    path = getattr(arguments, "checkpoint", None)
    every = getattr(arguments, "checkpoint_every", None)
    if path is None:
        if every is not None:
            raise InputError("--checkpoint-every says how often: give --checkpoint FILE too")
        return None
    from jaxstyle.run.checkpoint import Checkpoint

    steps, seconds = parse_every(DEFAULT_EVERY if every is None else every)
    note = {"output": seen_from(path, output), **(note or {})}
    return Checkpoint(path, steps, seconds, note, say, {} if files is None else files)


def recorded_in(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, bytes], int]:
    """What ``Recorder.go_on`` takes from a checkpoint: note, files and the steps made by then.

    Raises:
        InputError: it is damaged.
    """
    from jaxstyle.run.checkpoint import files_in, read_run

    found = read_run(path)
    if found is None:
        return {}, {}, 0
    about, arrays = found
    return recording_of(about, path), files_in(arrays), sum(map(len, about["losses"]))


def recording_of(about: Mapping[str, Any], path: str | os.PathLike[str]) -> dict[str, Any]:
    """The ``Recorder.note`` that a checkpoint holds; empty if it holds none.

    Raises:
        InputError: it is damaged.
    """
    from jaxstyle.cli.report.recorder import NOTE
    from jaxstyle.run.checkpoint_file import damaged
    from jaxstyle.runtime.json_schema import misfit

    recording = about["note"].get("recording", {})
    if wrong := misfit(recording, NOTE):
        raise damaged(path, f"{wrong} of what it recorded is not as it should be")
    return recording


def set_deterministic(arguments: argparse.Namespace) -> None:
    """Do as ``--deterministic`` says; before anything that uses devices, else an InputError."""
    if getattr(arguments, "deterministic", False):
        from jaxstyle.runtime.deterministic import set_flags

        set_flags()


def deterministic_note(arguments: argparse.Namespace) -> str:
    """What ``--deterministic`` did, in one line; empty if it was not given. Starts JAX."""
    if not getattr(arguments, "deterministic", False):
        return ""
    from jaxstyle.runtime.deterministic import told

    return told()
