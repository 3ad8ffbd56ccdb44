"""How much memory there is, and how many cells of a sweep fit into it at once."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxstyle.errors import InputError

HEADROOM = 0.8
"""Fraction of the free memory that is planned for: the runtime and the host program need some."""

_AMOUNT = re.compile(
    r"\s*((?:\d+\.?\d*|\.\d+)(?:e\d+)?)\s*(?:([kmgt])(i?))?b?\s*", re.ASCII | re.IGNORECASE
)


def parse_bytes(text: str) -> int:
    """Read an amount of memory such as ``8GiB``, ``500MB`` or ``2e9``, which is in bytes.

    Raises:
        InputError: it is none.
    """
    amount = 0.0
    if match := _AMOUNT.fullmatch(text):
        number, prefix, binary = match.groups("")
        amount = float(number) * (1024 if binary else 1000) ** " kmgt".index(prefix.lower() or " ")
    if not 1 <= amount < math.inf:
        raise InputError(f"memory is given as {text!r}: write an amount such as 8GiB or 500MB")
    return int(amount)


def format_bytes(amount: float) -> str:
    """An amount of memory for people, in powers of 1024."""
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if amount >= size:
            number = amount / size
            return f"{number:.0f} {unit}" if number >= 100 else f"{number:.3g} {unit}"
    return f"{amount:.0f} bytes"


def free_bytes(devices: Sequence[Any]) -> int:
    """Free memory of each device in bytes, the smallest where they differ.

    CPU devices share the memory of the host: each gets its part of what the machine, or the
    container's limit, leaves.
    """
    free = []
    for device in devices:
        statistics = device.memory_stats() if device.platform != "cpu" else None
        if statistics and "bytes_limit" in statistics:
            free.append(statistics["bytes_limit"] - statistics.get("bytes_in_use", 0))
    return min(free) if len(free) == len(devices) else free_host_bytes() // len(devices)


def free_host_bytes(
    meminfo: Path = Path("/proc/meminfo"),
    cgroup: Path = Path("/sys/fs/cgroup"),
    own: Path = Path("/proc/self/cgroup"),
) -> int:
    """What this process may still take of the host's memory, in bytes.

    The least of what the kernel calls available and of what the limits of the container, of the
    batch job or of the service (cgroups, version 1 or 2, each within the one above) leave. 4 GiB
    where none can be read.

    Args:
        own: where the kernel says which groups the process is in.
    """
    available = re.findall(r"^MemAvailable:\s+(\d+) kB", _text(meminfo), re.MULTILINE)
    free = [int(amount) * 1024 for amount in available]
    groups = re.findall(r"^\d+:(|(?:.*,)?memory(?:,.*)?):/(.*)$", _text(own), re.MULTILINE)
    for controllers, limit, used in (
        ("", "memory.max", "memory.current"),
        ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        inside = next((path for named, path in groups if bool(named) == bool(controllers)), "")
        top = cgroup / controllers
        for group in (top / inside, *(top / inside).parents):
            if not group.is_relative_to(top):
                break
            most, now = _text(group / limit).strip(), _text(group / used).strip()
            if most.isdigit() and now.isdigit():
                # Pages of files count as used, yet give way at once.
                statistics = _text(group / "memory.stat")
                files = re.search(r"^(?:total_)?inactive_file (\d+)", statistics, re.MULTILINE)
                free.append(int(most) - int(now) + (int(files[1]) if files else 0))
    return max(0, min(free, default=4 * 2**30))


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


class MemoryUse(NamedTuple):
    """Bytes in use.

    Attributes:
        host: resident in the machine's memory; None where the system does not tell.
        peak: whether ``host`` is the most so far, for lack of what it is now.
        devices: on all accelerators of this process together; None where JAX does not tell, as on
            CPU, whose memory is the host's.
        limit: what JAX may take on them; None where unknown.
    """

    host: int | None
    peak: bool = False
    devices: int | None = None
    limit: int | None = None

    def __str__(self) -> str:
        """Such as ``1.2 GiB``, or ``1.2 GiB, on the device 9.5 GiB of 60 GiB``."""
        parts = []
        if self.host is not None:
            parts.append(f"{'at most ' if self.peak else ''}{format_bytes(self.host)}")
        if self.devices is not None:
            most = "" if self.limit is None else f" of {format_bytes(self.limit)}"
            parts.append(f"on the device {format_bytes(self.devices)}{most}")
        return ", ".join(parts) or "unknown"


def memory_in_use(
    devices: Sequence[Any] | None = None, statm: Path = Path("/proc/self/statm")
) -> MemoryUse:
    """Read it; takes some microseconds.

    Args:
        devices: by default all of this process.
        statm: where Linux says how many pages are resident.
    """
    import jax  # late: the command line reads amounts of memory, and its --help should be quick

    host, peak = _resident(statm)
    every = [device.memory_stats() or {} for device in devices or jax.local_devices()]
    used = [statistics["bytes_in_use"] for statistics in every if "bytes_in_use" in statistics]
    if not used:
        return MemoryUse(host, peak)
    limits = [statistics["bytes_limit"] for statistics in every if "bytes_limit" in statistics]
    return MemoryUse(host, peak, sum(used), sum(limits) if len(limits) == len(used) else None)


def _resident(statm: Path) -> tuple[int | None, bool]:
    try:
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"), False
    except (OSError, ValueError, IndexError, AttributeError):
        pass
    try:
        import resource
    except ImportError:  # on Windows
        return None, False
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return (most if sys.platform == "darwin" else most * 1024), True
