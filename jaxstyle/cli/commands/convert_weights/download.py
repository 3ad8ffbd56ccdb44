"""Which file ``convert-weights`` downloads, and what the user sees of it."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bar

from jaxstyle.errors import InputError
from jaxstyle.network.weights import weights_directory
from jaxstyle.network.weights.download.download import DownloadError, Wanted, download, manual_steps
from jaxstyle.network.weights.download.http import Progress
from jaxstyle.network.weights.download.known_files import (
    DEFAULT,
    KNOWN_FILES,
    Checksum,
    KnownFile,
    known_file,
)

_PLAIN_EVERY = 10.0  # seconds between two plain lines


def chosen_source(name: str | None) -> KnownFile | None:
    """The known file of this name.

    Raises:
        InputError: there is none.
    """
    if name is None:
        return None
    if known := known_file(name):
        return known
    names = ", ".join(known.name for known in KNOWN_FILES)
    raise InputError(f"--source {name} is not known; known are {names}")


def own_checksum(arguments: argparse.Namespace) -> list[Checksum]:
    """What ``--sha256`` asks for, none or one."""
    return [Checksum("sha256", arguments.sha256, "--sha256")] if arguments.sha256 else []


def fetch(arguments: argparse.Namespace) -> Path:
    """Download what the arguments ask for, unless it is there; print the manual steps if it fails.

    Raises:
        DownloadError: nothing could be downloaded.
        InputError: the arguments contradict each other.
    """
    known = chosen_source(arguments.source)
    wanted, file = _wanted(arguments, known)
    # Apart from the converted files, with which they may share a name.
    target = weights_directory() / "downloads" / file
    try:
        with _shown(file, quiet=arguments.quiet) as progress:
            path = download(wanted, target, progress=progress, offline=arguments.offline)
    except DownloadError:
        command = ["jaxstyle", "convert-weights"]
        if known or not arguments.url:
            command += ["--source", known.name] if known else []
        else:
            command += [str(target)]
        print(manual_steps(wanted, target, shlex.join(command)), file=sys.stderr)
        raise
    if not (wanted.checksums or arguments.quiet):
        print(f"no checksum of {file} is known: --verify looks at what is in it", file=sys.stderr)
    return path


def _wanted(arguments: argparse.Namespace, known: KnownFile | None) -> tuple[Wanted, str]:
    extra = own_checksum(arguments)
    if arguments.url and not known:
        file = Path(unquote(urlsplit(arguments.url).path)).name
        if not file:
            raise InputError(f"--url {arguments.url} names no file")
        return Wanted((arguments.url,), None, extra, arguments.max_size), file
    known = known or DEFAULT
    urls = (arguments.url,) if arguments.url else known.urls
    checksums = [*known.checksums, *extra]
    return Wanted(urls, known.size, checksums, arguments.max_size), known.file


@contextmanager
def _shown(file: str, *, quiet: bool) -> Iterator[Progress]:
    """A callback that shows a download: a bar on a terminal, a line now and then elsewhere."""
    console = Console(stderr=True)
    if quiet:
        yield lambda done, total: None
    elif console.is_terminal:
        columns = (DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        with Bar("{task.description}", BarColumn(), *columns, console=console) as bar:
            task = bar.add_task(file, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
    else:
        yield _lines(file)


def _lines(file: str) -> Progress:
    last = [0.0]

    def show(done: int, total: int | None) -> None:
        now = time.monotonic()
        if now - last[0] >= _PLAIN_EVERY or done == total:
            last[0] = now
            of = f" of {total / 1e6:.1f}" if total else ""
            print(f"{file}: {done / 1e6:.1f}{of} MB", file=sys.stderr, flush=True)

    return show
