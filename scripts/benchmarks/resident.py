"""The resident size of this process, as the Linux kernel has it, in bytes."""

from __future__ import annotations

import re
from pathlib import Path


def resident() -> int:
    """What it holds now."""
    return _field("VmRSS")


def peak_resident() -> int:
    """The most that it has held.

    Unlike ``getrusage`` this knows nothing of the process that started it, whose size that counts
    in.
    """
    return _field("VmHWM")


def _field(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024
