"""Compiled programs kept between runs, so that a second start is quick."""

from __future__ import annotations

import os
from pathlib import Path

import jax


def cache_folder(*below: str) -> Path | None:
    """The user's folder for what can be made again, or None if there is nowhere to write to.

    Only this user can write to it, and to the folder ``below`` in it.
    """
    folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    try:
        for name in ("jaxstyle", *below):
            folder /= name
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.chmod(0o700)
    except OSError:
        return None
    return folder


def keep_compiled_programs() -> Path | None:
    """Turn on JAX's persistent cache in a folder that only this user can write to.

    Whoever can write to it can run code in our process, hence never a shared temporary folder.
    A ``JAX_COMPILATION_CACHE_DIR`` of the user's own is left as it is.

    Returns:
        The folder, or None if there is nowhere to write to; then nothing is cached.
    """
    if named := os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        return Path(named)
    folder = cache_folder("xla")
    if folder is None:
        return None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    return folder
