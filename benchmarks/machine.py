"""What figures are taken on, and whether that is idle enough to believe them."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

BUSY = 0.5
"""Load from which on the ratios to PyTorch are not to be trusted."""
PACKAGES = ("jax", "jaxlib", "flax", "torch", "numpy")


def machine() -> dict[str, Any]:
    """Processor, cores, memory, load, and versions."""
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
        "load": round(os.getloadavg()[0], 2),
        **versions,
    }


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def today() -> str:
    """The date, universal time."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()
