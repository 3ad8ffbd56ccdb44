"""Which file ``convert-weights`` downloads, and what the user sees of it."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bar

from jaxstyle.cli.report.messages import tell
from jaxstyle.errors import InputError
from jaxstyle.network.weights import weights_directory
from jaxstyle.network.weights.download import known_files
from jaxstyle.network.weights.download.download import (
    DownloadError,
    Progress,
    Wanted,
    download,
    without_secrets,
)
from jaxstyle.network.weights.download.known_files import Checksum, KnownFile


def possible_sources(arguments: argparse.Namespace) -> Sequence[KnownFile]:
    """The known files that will do, best first; none if ``--url`` may give anything.

    Raises:
        InputError: ``--source`` is none of them.
    """
    if arguments.source is None:
        return () if arguments.url else known_files.DEFAULTS
    if known := known_files.known_file(arguments.source):
        return (known,)
    names = ", ".join(known.name for known in known_files.KNOWN_FILES)
    raise InputError(f"--source {arguments.source} is not known; known are {names}")


def own_checksum(arguments: argparse.Namespace) -> list[Checksum]:
    """What ``--sha256`` asks for, none or one."""
    return [Checksum("sha256", arguments.sha256, "--sha256")] if arguments.sha256 else []


def fetch(arguments: argparse.Namespace) -> Path:
    """Download what the arguments ask for, unless it is there; print the manual steps if it fails.

    Raises:
        DownloadError: nothing could be downloaded.
        InputError: the arguments contradict each other.
    """
    errors: list[str] = []
    folder = weights_directory() / "downloads"  # apart from the converted, which may share a name
    possible = _wanted(arguments)
    for file, wanted in possible.items():
        if not ((folder / file).exists() or arguments.offline or arguments.quiet):
            tell(f"downloading {file}")
        try:
            with _shown(file, quiet=arguments.quiet) as progress:
                path = download(wanted, folder / file, progress=progress, offline=arguments.offline)
            if not (wanted.checksums or arguments.quiet):
                tell(f"no checksum of {file} is known: --verify looks into it")
            return path
        except DownloadError as error:
            errors.append(str(error))
            if len(errors) < len(possible) and not arguments.quiet:
                tell(f"{error}: trying another source")
    file, wanted = next(iter(possible.items()))
    command = ["jaxstyle", "convert-weights"]
    if arguments.source:
        command += ["--source", arguments.source]
    elif arguments.url:
        command += [str(folder / file)]
    for line in manual_steps(wanted, folder / file, shlex.join(command)).split("\n"):
        tell(line)
    raise DownloadError(
        f"{'; '.join(errors)}: fetch it by hand, or use --weights slim, which needs no download"
    )


def manual_steps(wanted: Wanted, target: Path, command: str) -> str:
    """How to get a file by hand, several lines for the user.

    Args:
        command: what to run afterwards.
    """
    facts = [f"{wanted.size:,} bytes"] if wanted.size else []
    facts += [str(checksum) for checksum in wanted.checksums]
    first, *others = map(without_secrets, wanted.urls)
    lines = [
        "To fetch the weights by hand:",
        "  1. on a computer with a network, download",
        f"       {first}",
        *(f"     or {url}" for url in others),
        f"  2. put the file at {target}",
        *([f"     ({', '.join(facts)})"] if facts else []),
        f"  3. run {command}",
    ]
    return "\n".join(lines)


def _wanted(arguments: argparse.Namespace) -> dict[str, Wanted]:
    """Name -> each file that will do, best first."""
    extra = own_checksum(arguments)
    possible = possible_sources(arguments)
    if not possible:
        file = Path(unquote(urlsplit(arguments.url).path)).name
        if not file:
            raise InputError(f"--url {without_secrets(arguments.url)} names no file")
        return {file: Wanted((arguments.url,), None, extra, arguments.max_size)}
    return {
        known.file: Wanted(
            (arguments.url,) if arguments.url else known.urls,
            known.size,
            [*known.checksums, *extra],
            arguments.max_size,
            "" if arguments.url else known.package,
        )
        for known in possible
    }


@contextmanager
def _shown(file: str, *, quiet: bool) -> Iterator[Progress]:
    """A callback that shows a download as a bar."""
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    hidden = quiet or not console.is_terminal
    with Bar("{task.description}", *columns, console=console, disable=hidden) as bar:
        task = bar.add_task(file, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
