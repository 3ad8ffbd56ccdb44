"""Downloads that go on where they broke off, and that nobody opens before they are checked.

A file arrives as ``NAME.part`` beside its place, with ``NAME.part.json`` saying which version of
which file it is a part of. It gets its name only when its size and checksums are right.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import requests

from jaxstyle.network.network import WeightFileError
from jaxstyle.network.weights.download.checksums import mismatch
from jaxstyle.network.weights.download.http import (
    Failure,
    Patience,
    Progress,
    Source,
    bare,
    begins_at,
    looks_like_page,
    new_session,
    receive,
    refuse_pages,
    request_rest,
    source_of,
)
from jaxstyle.network.weights.download.known_files import Checksum
from jaxstyle.network.weights.safe_parsers.refusals import shown

MOST_BYTES = 2 * 2**30
"""Default limit on the size of a file; the largest that is known has 575 MB."""

_ENOUGH_PROGRESS = 2**16  # bytes after which failed tries are forgiven


class DownloadError(WeightFileError):
    """A file could not be downloaded. The message is one line for the user."""


@dataclass(frozen=True)
class Wanted:
    """A file to be downloaded.

    Attributes:
        urls: where it is, best first.
        size: in bytes; None if unknown.
        checksums: what it must hash to; without any, whatever comes is taken.
        most: refuse to download more bytes than this.
    """

    urls: tuple[str, ...]
    size: int | None = None
    checksums: Sequence[Checksum] = ()
    most: int = MOST_BYTES

    @property
    def sure(self) -> bool:
        """Whether a whole checksum will tell if parts of different files were joined."""
        return any(checksum.whole for checksum in self.checksums)


def manual_steps(wanted: Wanted, target: Path, command: str) -> str:
    """How to get a file by hand, several lines for the user.

    Args:
        command: what to run afterwards.
    """
    facts = [f"{wanted.size:,} bytes"] if wanted.size else []
    facts += [str(checksum) for checksum in wanted.checksums]
    first, *others = wanted.urls
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


def download(
    wanted: Wanted,
    target: Path,
    *,
    progress: Progress = lambda done, total: None,
    patience: Patience | None = None,
    offline: bool = False,
) -> Path:
    """Put a file at ``target``, unless it is there already.

    What a former download left behind is taken up. A file at ``target`` that fails its checks is
    replaced; one of which nothing is known is taken as it is.

    Raises:
        DownloadError: no address gave a file that passes its checks, or it cannot be written.
    """
    patience = patience or Patience()
    if target.is_file() and _fault(target, wanted) is None:
        return target
    if offline:
        there = "a damaged copy" if target.is_file() else "nothing"
        raise DownloadError(f"there is {there} at {target}, and --offline forbids to download it")
    if wanted.size is not None and wanted.size > wanted.most:
        raise DownloadError(
            f"{target.name} has {wanted.size} bytes, more than --max-size {wanted.most}"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(Path(f"{target}.part")) as part, new_session() as session:
            state = _State(target, part, wanted, patience, progress)
            _from_any(session, state)
    except OSError as error:
        raise DownloadError(f"cannot write {target}: {error.strerror or error}") from None
    return target


@dataclass
class _State:
    """A download under way: where it goes, what it may take, what is there of it."""

    target: Path
    part: IO[bytes]
    wanted: Wanted
    patience: Patience
    progress: Progress

    def __post_init__(self) -> None:
        self.deadline = time.monotonic() + self.patience.whole
        self.note = Path(f"{self.target}.part.json")
        self.came_from = self._recall()
        self.joined = self.length() > 0  # whether the bytes came by more than one request

    def length(self) -> int:
        return self.part.seek(0, os.SEEK_END)

    def restart(self) -> None:
        """Throw away what is there."""
        self.part.truncate(0)
        self.came_from, self.joined = None, False

    def remember(self, source: Source) -> None:
        self.came_from = source
        self.note.write_text(json.dumps(asdict(source)), encoding="utf-8")

    def _recall(self) -> Source | None:
        try:
            noted = json.loads(self.note.read_text(encoding="utf-8"))
            source = Source(str(noted["url"]), str(noted["validator"]), noted["total"])
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return source if source.total is None or type(source.total) is int else None


def _from_any(session: requests.Session, state: _State) -> None:
    """Try each address in turn."""
    reasons = []
    for url in state.wanted.urls:
        try:
            _from_one(session, url, state)
            return
        except Failure as failure:
            reasons.append(f"{shown(urlsplit(bare(url)).netloc, 80)}: {failure}")
        if time.monotonic() > state.deadline:
            break
    raise DownloadError(
        f"cannot download {state.target.name} ({'; '.join(reasons)}): fetch it by hand, or use "
        "--weights slim, which needs no download"
    )


def _from_one(session: requests.Session, url: str, state: _State) -> None:
    """Try one address until it gives the whole, checked file.

    Raises:
        Failure: it does not.
    """
    patience = state.patience
    tries, wait = 0, patience.first_wait
    while True:
        before = state.length()
        try:
            _request(session, url, state)
            _accept(state)
            return
        except Failure as failure:
            progressed = state.length() >= before + _ENOUGH_PROGRESS
            tries, wait = (0, patience.first_wait) if progressed else (tries + 1, wait)
            most = min(2, patience.tries) if failure.unreachable and not before else patience.tries
            pause = min(max(wait, failure.wait or 0.0), patience.longest_wait)
            late = time.monotonic() + pause > state.deadline
            if not failure.passing or tries >= most or late:
                raise
        time.sleep(pause)
        wait *= 2


def _request(session: requests.Session, url: str, state: _State) -> None:
    """Ask once for what is missing, and append it."""
    wanted = state.wanted
    if not _may_resume(url, state):
        state.restart()
    offset = state.length()
    response = request_rest(session, url, offset, state.came_from, state.patience)
    try:
        if response.status_code == 416:  # nothing behind the offset: all is there, or too much
            if offset and offset == (wanted.size or _total_known(state)):
                return
            state.restart()
            raise Failure("does not send the rest of the file", passing=True)
        refuse_pages(response)
        start, source = begins_at(response), source_of(response, url)
        state.joined = offset > 0
        if start != offset or (offset and _changed(source, state)):
            state.restart()
            if start:
                raise Failure("changed the file in the meantime", passing=True)
        total = wanted.size if source.total is None else source.total
        _check_total(total, state)
        state.remember(source)
        receive(
            response,
            state.part,
            most=wanted.most if total is None else total,
            total=total,
            deadline=state.deadline,
            patience=state.patience,
            progress=state.progress,
        )
    finally:
        response.close()


def _may_resume(url: str, state: _State) -> bool:
    """Whether the bytes that are there may be the beginning of what ``url`` has."""
    if state.wanted.sure:
        return True
    came_from = state.came_from
    return came_from is not None and came_from.url == bare(url) and came_from.total is not None


def _changed(source: Source, state: _State) -> bool:
    """Whether the rest that a server offers belongs to another file than the beginning."""
    came_from = state.came_from
    if came_from is None:
        return False
    if came_from.total != source.total and None not in (came_from.total, source.total):
        return True
    same_place = came_from.url == source.url
    return same_place and came_from.validator != source.validator


def _total_known(state: _State) -> int | None:
    return state.came_from.total if state.came_from else None


def _check_total(total: int | None, state: _State) -> None:
    wanted = state.wanted
    if total is None:
        return
    if wanted.size is not None and total != wanted.size:
        raise Failure(f"offers {total} bytes instead of {wanted.size}", passing=False)
    if total > wanted.most:
        raise Failure(f"offers {total} bytes, more than --max-size {wanted.most}", passing=False)
    missing = total - state.length()
    free = shutil.disk_usage(state.target.parent).free
    if missing > free:
        raise DownloadError(
            f"{state.target.parent} has {free:,} bytes free; {missing:,} are needed for "
            f"{state.target.name}"
        )


def _accept(state: _State) -> None:
    """Check the whole file and give it its name.

    Raises:
        Failure: it is wrong; passing if it was joined from parts that may not belong together.
    """
    state.part.flush()
    path = Path(f"{state.target}.part")
    fault = _fault(path, state.wanted)
    state.part.seek(0)
    if fault is None and looks_like_page(state.part.read(64)):
        fault = "it is a web page instead of the file"
    if fault is not None:
        joined = state.joined
        state.restart()
        raise Failure(f"gave a wrong file ({fault})", passing=joined)
    os.fsync(state.part.fileno())
    if os.name == "nt":  # Windows renames no open file
        state.part.close()
    os.replace(path, state.target)
    state.note.unlink(missing_ok=True)


def _fault(path: Path, wanted: Wanted) -> str | None:
    """What is wrong with a file, None if nothing is. Reads its bytes, and no format."""
    size = path.stat().st_size
    if wanted.size is not None and size != wanted.size:
        return f"it has {size} bytes instead of {wanted.size}"
    return mismatch(path, wanted.checksums)


@contextmanager
def _locked(path: Path) -> Iterator[IO[bytes]]:
    """Open a part for reading and appending, for this process alone. An empty one is removed.

    Raises:
        DownloadError: another process downloads the same file.
    """
    with path.open("a+b") as part:
        if not _lock(part, path):
            raise DownloadError(
                f"{path} is being downloaded by another process: wait for it, or stop it"
            )
        try:
            yield part
        finally:
            part.close()
            if path.exists() and path.stat().st_size == 0:
                path.unlink()
                Path(f"{path}.json").unlink(missing_ok=True)


def _lock(part: IO[bytes], path: Path) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows: without a lock, wrong joins are left to the checksum
        return True
    try:
        fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever held the lock before may have given the file its final name.
        return os.fstat(part.fileno()).st_ino == path.stat().st_ino
    except OSError:
        return False
