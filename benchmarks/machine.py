"""What figures are taken on, and whether that is idle enough to believe them."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import time
from pathlib import Path
from typing import Any

BUSY = 0.5
"""Load from which on the ratios to PyTorch are not to be trusted."""
QUIET = 2.0
"""Seconds to look at for the load of others after work of our own."""
PACKAGES = ("jax", "jaxlib", "flax", "torch", "numpy")


def machine(load: float) -> dict[str, Any]:
    """Processor, cores, memory, the load of others, and versions."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return {
        "cpu": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "load": round(load, 2),
        **versions,
    }


def _processor() -> str:
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def today() -> str:
    """The date, universal time."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def load_of_others() -> float:
    """Cores kept busy while this process waits; the load average would count our own last work."""
    before = _busy_seconds()
    started = time.perf_counter()
    time.sleep(QUIET)
    if before is None or (after := _busy_seconds()) is None:
        return os.getloadavg()[0]
    return (after - before) / (time.perf_counter() - started)


def _busy_seconds() -> float | None:
    """Of all cores together since the machine's start; None where no kernel says so."""
    known = Path("/proc/stat")
    if not known.is_file():
        return None
    user, nice, system, *_ = map(int, known.read_text().split("\n")[0].split()[1:])
    return (user + nice + system) / os.sysconf("SC_CLK_TCK")
