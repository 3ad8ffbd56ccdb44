"""Compiled programs kept between runs, so that a second start is quick."""

from __future__ import annotations

import glob
import os
import re
import stat
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import jax

_UNREADABLE = re.compile("Error reading persistent compilation cache entry for '([^']+)'")


class UntrustedFolderError(OSError):
    """A folder of ours that others could write to; the message is one line."""


def cache_folder(*below: str) -> Path | None:
    """The user's folder for what can be made again, or None if there is nowhere to write to.

    Only this user can write to it, and to the folder ``below`` in it. What was there is left as it
    is: a folder that others can write to may hold their files already.

    Raises:
        UntrustedFolderError: it is a link, of another user, or others can write to it.
    """
    folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in ("jaxstyle", *below):
            folder /= name
            folder.mkdir(exist_ok=True, mode=0o700)
            _check_own(folder)
    except UntrustedFolderError:
        raise
    except OSError:
        return None
    return folder


def _check_own(folder: Path) -> None:
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        reason = "it is a link, not a folder"
    elif os.name == "posix" and status.st_uid != os.geteuid():
        reason = "it belongs to another user"
    elif os.name == "posix" and status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        reason = "others can write to it"
    else:
        return
    raise UntrustedFolderError(f"nothing is kept in {folder}: {reason}: remove it, or mend it")


def keep_compiled_programs(say: Callable[[str], None] = lambda line: None) -> Path | None:
    """Turn on JAX's persistent cache in a folder that only this user can write to.

    Whoever can write to it can run code in our process, hence never a shared temporary folder.
    A ``JAX_COMPILATION_CACHE_DIR`` of the user's own is left as it is.

    Args:
        say: told in one line why nothing is cached, where a folder cannot be trusted.

    Returns:
        The folder, or None if there is nowhere to write to; then nothing is cached.
    """
    if named := os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        return Path(named)
    try:
        folder = cache_folder("xla")
    except UntrustedFolderError as error:
        say(str(error))
        return None
    if folder is None:
        return None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    remove_damaged_entries(folder)
    return folder


def remove_damaged_entries(folder: Path) -> None:
    """From now on take an entry that cannot be read out of the cache, instead of a warning.

    A run that is killed may leave one, cut short. JAX then warns of it in every run, and never
    writes it anew. Its warning names the program, of which all entries go.
    """
    show = warnings.showwarning
    if not (isinstance(show, partial) and show.func is _show_or_remove):
        warnings.showwarning = partial(_show_or_remove, folder, show)


def _show_or_remove(folder: Path, show: Any, message: Any, *given: Any, **named: Any) -> None:
    """As ``warnings.showwarning``, but for an entry of the cache that cannot be read."""
    if (match := _UNREADABLE.match(str(message))) is None:
        show(message, *given, **named)
        return
    for entry in folder.glob(f"{glob.escape(match[1])}-*"):
        with suppress(OSError):
            entry.unlink()
