"""What memory this process uses now."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jaxstyle.planner import format_bytes


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
    host, peak = _resident(statm)
    found = [device.memory_stats() for device in devices or jax.local_devices()]
    told = [statistics for statistics in found if statistics and "bytes_in_use" in statistics]
    if not told:
        return MemoryUse(host, peak)
    limits = [statistics.get("bytes_limit") for statistics in told]
    limit = sum(filter(None, limits)) if all(limits) else None
    return MemoryUse(host, peak, sum(statistics["bytes_in_use"] for statistics in told), limit)


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
