"""Options that bound a run: memory, cells at once, processes."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from jaxstyle.cli.options.checkpoint import add_deterministic_option
from jaxstyle.errors import InputError
from jaxstyle.runtime.memory import HEADROOM, parse_bytes

if TYPE_CHECKING:
    from jaxstyle.pipelines.chunks import Limits


def add_memory_option(parser: argparse._ActionsContainer) -> None:
    """``--max-memory``, which ``memory_from`` reads."""
    parser.add_argument(
        "--max-memory",
        metavar="AMOUNT",
        help="memory of each device that a run may take, such as 8GiB (default: "
        f"{HEADROOM:.0%}% of what is free)",
    )


def memory_from(arguments: argparse.Namespace) -> int | None:
    """The amount given, in bytes.

    Raises:
        InputError: it is none.
    """
    return None if arguments.max_memory is None else parse_bytes(arguments.max_memory)


def add_process_options(parser: argparse._ArgumentGroup, words: str) -> None:
    """Options of a run that several processes share, which ``join_if_asked`` carries out."""
    parser.add_argument("--distributed", action="store_true", help=words)
    parser.add_argument(
        "--coordinator", metavar="HOST:PORT", help="of process 0, where JAX cannot find it itself"
    )
    parser.add_argument("--processes", type=int, metavar="N", help="how many processes there are")
    parser.add_argument("--process", type=int, metavar="I", help="which one this is, from 0")


def join_if_asked(arguments: argparse.Namespace) -> None:
    """Join the other processes if ``--distributed`` says so; before anything that uses devices.

    Raises:
        InputError: they do not find each other, or the run is to be watched.
    """
    if arguments.distributed:
        if getattr(arguments, "preview", None) is not None or getattr(arguments, "open", False):
            raise InputError("--preview shows the run of one process: leave out --distributed")
        from jaxstyle.runtime.processes import join

        join(arguments.coordinator, arguments.processes, arguments.process)


def add_limit_options(parser: argparse.ArgumentParser) -> None:
    """Options on how a grid uses memory, devices and processes, which ``limits_from`` reads."""
    group = parser.add_argument_group("machine")
    add_memory_option(group)
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

    memory = memory_from(arguments)
    if arguments.cells_at_once < 0 or arguments.devices < 0:
        raise InputError("--cells-at-once and --devices must be at least 0")
    join_if_asked(arguments)
    import jax

    devices = tuple(jax.local_devices())
    if arguments.devices > len(devices):
        raise InputError(f"--devices is {arguments.devices}; there are {len(devices)} here")
    return Limits(memory, arguments.cells_at_once, devices[: arguments.devices] or devices)
