"""Damaged copies of valid files, and the promise that every reader keeps on them.

A reader either reads a damaged file or refuses it with one line of ``WeightFileError``; nothing
else may come out, in bounded time and memory. ``JAXSTYLE_FUZZ_CASES`` sets the number of cases.
"""

from __future__ import annotations

import copy
import os
import random
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jaxstyle.network.network import WeightFileError

CASES = int(os.environ.get("JAXSTYLE_FUZZ_CASES", "300"))
SECONDS = 5
MEMORY = 2**30
_EDGES = 600  # headers and directories lie within so many bytes of either end
_NUMBERS = [
    value.to_bytes(size, "little")
    for size in (1, 2, 4, 8)
    for value in (0, 1, 2 ** (8 * size - 1) - 1, 2 ** (8 * size - 1), 2 ** (8 * size) - 1)
]


def mutations(data: bytes, seed: int, count: int) -> Iterator[bytes]:
    """``count`` damaged copies of ``data``: flips, cuts, holes, repetitions, absurd numbers.

    The same seed gives the same copies.
    """
    chance = random.Random(seed)
    for _ in range(count):
        damaged = bytearray(data)
        for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
            _damage(damaged, chance)
        yield bytes(damaged)


def _damage(data: bytearray, chance: random.Random) -> None:
    if not data:
        return
    where = _position(len(data), chance)
    length = min(chance.choice((1, 2, 4, 8, 64, 512)), len(data) - where)
    match chance.choice(
        ("bit", "bit", "byte", "number", "number", "cut", "hole", "repeat", "swap")
    ):
        case "bit":
            data[where] ^= 1 << chance.randrange(8)
        case "byte":
            data[where] = chance.randrange(256)
        case "number":
            number = chance.choice(_NUMBERS)
            data[where : where + len(number)] = number
        case "cut":
            del data[where:]
        case "hole":
            del data[where : where + length]
        case "repeat":
            data[where:where] = data[where : where + length]
        case "swap":
            other = _position(len(data) - length + 1, chance)
            data[where : where + length] = data[other : other + length]


def _position(size: int, chance: random.Random) -> int:
    edge = min(size, _EDGES)
    return chance.choice(
        (chance.randrange(size), chance.randrange(edge), size - 1 - chance.randrange(edge))
    )


def assert_only_refusals(
    read: Callable[[Path], object], data: bytes, path: Path, *, seed: int = 0, count: int = CASES
) -> int:
    """Feed ``count`` damaged copies of ``data`` to ``read``, each written to ``path``.

    Returns:
        How many of them were refused, so that a test can check that some were.
    """
    refused = 0
    for number, damaged in enumerate(mutations(data, seed, count)):
        path.write_bytes(damaged)
        try:
            with bounded():
                read(path)
        except WeightFileError as error:
            message = str(error)
            assert message and "\n" not in message, f"case {number}: {message!r}"
            assert len(message) < 400, f"case {number}: {message!r}"
            assert "memory" not in message, f"case {number}: {message!r}"
            refused += 1
        except BaseException as error:
            error.add_note(f"fuzz case {number} of seed {seed}")
            raise
    return refused


class TooLong(BaseException):
    """No TimeoutError: readers would take that for the disk's, and refuse the file."""


@contextmanager
def bounded(seconds: float = SECONDS, memory: int = MEMORY) -> Iterator[None]:
    """Raise TooLong or MemoryError in the block if it takes longer, or allocates more.

    Seconds are of the processor's time, so that a busy machine does not matter. Memory, in bytes,
    counts from what the process has mapped on entry; only Linux can say that.
    """

    def too_long(*_: object) -> None:
        raise TooLong(f"took longer than {seconds} s")

    statm = Path("/proc/self/statm")
    before = resource.getrlimit(resource.RLIMIT_AS)
    previous = signal.signal(signal.SIGPROF, too_long)
    try:
        if statm.is_file():
            mapped = int(statm.read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (mapped + memory, before[1]))
        signal.setitimer(signal.ITIMER_PROF, seconds)
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, before)
        signal.signal(signal.SIGPROF, previous)


STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**31, -(2**63), 10**400, 0.5, float("nan"), float("inf"), 1e308, "",
    "x", "\0", "\ud800", "../../x", "/dev/zero", "/proc/self/pagemap", "a" * 300, "9" * 400, "1,2",
    [], [[]], {}, {"path": "x", "sha256": ""}, [None], ["x"], {"x": {}}, [1, 2], "content+x:0.5",
)  # fmt: skip


def json_mutations(value: Any, seed: int, count: int) -> Iterator[Any]:
    """``count`` copies of a JSON value with one to three parts replaced, removed or repeated."""
    chance = random.Random(seed)
    for _ in range(count):
        changed = copy.deepcopy(value)
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            _change(changed, chance)
        yield changed


def _change(value: Any, chance: random.Random) -> None:
    """Change a part of a list or an object, at any depth."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    if not keys:
        return
    key = chance.choice(keys)
    inner = value[key]
    if isinstance(inner, list | dict) and inner and chance.random() < 0.75:
        _change(inner, chance)
        return
    match chance.choice(("replace", "replace", "replace", "remove", "repeat")):
        case "replace":
            value[key] = copy.deepcopy(chance.choice(STRANGE))
        case "remove":
            del value[key]
        case "repeat" if isinstance(value, list):
            value.append(copy.deepcopy(inner))
        case "repeat":
            value[f"{key}2"] = copy.deepcopy(inner)
