"""The resident size of a process, as the Linux kernel has it, in bytes."""

from __future__ import annotations

import re
from pathlib import Path


def resident() -> int:
    """What this one holds now."""
    return _field("VmRSS")


def peak_resident(process: int | str = "self") -> int:
    """The most that it, or another process, has held.

    Unlike ``getrusage`` this knows nothing of the process that started it, whose size that counts
    in.

    Raises:
        OSError: that process has ended, or the system has no such figures.
    """
    return _field("VmHWM", process)


def _field(name: str, process: int | str = "self") -> int:
    told = Path(f"/proc/{process}/status").read_text()
    found = re.search(rf"^{name}:\s+(\d+) kB", told, re.MULTILINE)
    if found is None:
        raise OSError(f"process {process} has no {name}")
    return int(found[1]) * 1024
