"""XLA's flags, which it reads once from the environment: when JAX first looks for devices."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

YNN_FUSION = "--xla_cpu_experimental_ynn_fusion_type"
_AFFECTED = "jaxlib-0.10.2.dist-info"


def flags() -> list[str]:
    """The flags that ``XLA_FLAGS`` gives, or the file that it names if it does not begin with -."""
    text = os.environ.get("XLA_FLAGS", "")
    if text and not text.lstrip().startswith("-"):
        with suppress(OSError, ValueError):
            return Path(text).read_text().split()
        return []
    return text.split()


def set_flag(name: str, value: str) -> None:
    """Set one flag, and leave all others as they are."""
    others = [flag for flag in flags() if flag.partition("=")[0] != name]
    os.environ["XLA_FLAGS"] = " ".join([*others, f"{name}={value}"])


def avoid_wrong_reductions() -> None:
    """Keep jaxlib 0.10.2 from a kind of program that sums up wrong on CPU; before JAX starts.

    There, sums over a short axis come out wrong where there are more than 32,768 of them
    (https://github.com/jax-ml/jax/issues/39103). Other versions are left alone, which may not know
    the flag, and would then end the process; so is a value that the user has chosen.
    """
    chosen = any(flag.partition("=")[0] == YNN_FUSION for flag in flags())
    # Not importlib.metadata, which would take half of the time of ``jaxstyle --help``.
    if not chosen and any(Path(folder, _AFFECTED).is_dir() for folder in sys.path):
        set_flag(YNN_FUSION, "-reduce")
