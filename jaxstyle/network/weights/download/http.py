"""One HTTP request that brings the rest of a file, and what may go wrong with it.

On ``requests``: what fails on a user's machine is rarely HTTP and mostly its surroundings, and that
library knows them all (proxies and their exceptions from the environment, a company's own
certificates by ``REQUESTS_CA_BUNDLE``, ``.netrc``, a set of certificates where the system has
none). ``pooch`` sits on it too, but cannot resume; ``httpx`` would bring more packages and no more
of this; ``urllib`` fails on Python builds without certificates and reads slow bodies without end.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import closing, contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import IO, Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from jaxstyle._version import __version__
from jaxstyle.network.weights.safe_parsers.refusals import shown

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are here and the bytes there will be, None if unknown."""

_BLOCK = 2**17
_MOST_REDIRECTS = 10
_PASSING = (408, 425, 429, 500, 502, 503, 504)
"""Statuses that may be gone on a second try. 403 and 404 are not: a mirror may do better."""

_SCHEMES = ("https://", "http://")
_PAGES = (b"<!doctype", b"<html", b"<?xml", b"version https://git-lfs")


class Failure(Exception):
    """A request did not bring the file.

    Attributes:
        passing: whether the same request may succeed later.
        wait: how long the server asks to wait before, in seconds.
        unreachable: whether there was no server at all.
    """

    def __init__(
        self, reason: str, *, passing: bool, wait: float | None = None, unreachable: bool = False
    ) -> None:
        super().__init__(reason)
        self.passing, self.wait, self.unreachable = passing, wait, unreachable


@dataclass(frozen=True)
class Patience:
    """How long a download waits for what. All in seconds, but ``tries`` and ``slowest``.

    Attributes:
        connect: for a connection.
        silence: for the next byte.
        slow: over how long the speed must stay above ``slowest`` bytes a second.
        whole: for the whole download, all tries and mirrors together.
        tries: attempts in a row without progress, for each address.
        first_wait: before the second try; doubled each time, up to ``longest_wait``.
    """

    connect: float = 20.0
    silence: float = 30.0
    slow: float = 60.0
    slowest: float = 1024.0
    whole: float = 6 * 3600.0
    tries: int = 5
    first_wait: float = 1.0
    longest_wait: float = 60.0


@dataclass(frozen=True)
class Source:
    """What a part of a file came from: enough to go on with the same file, and no other.

    Attributes:
        url: without user name and query, which may hold secrets.
        validator: the server's name for this version, an ETag or a date; "" if it gave none.
        total: bytes of the whole file; None if the server did not say.
    """

    url: str
    validator: str = ""
    total: int | None = None


def new_session() -> requests.Session:
    """A session with everything as the environment says."""
    session = requests.Session()
    session.headers["User-Agent"] = f"jaxstyle/{__version__}"
    session.headers["Accept-Encoding"] = "identity"  # bytes on the wire are bytes of the file
    return session


def bare(url: str) -> str:
    """An address fit to be shown and stored: without user name, password and query."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=host, query="", fragment="").geturl()


def request_rest(
    session: requests.Session, url: str, offset: int, known: Source | None, patience: Patience
) -> requests.Response:
    """Ask for a file from byte ``offset`` on, following redirects.

    Args:
        known: what the bytes before ``offset`` came from; the server is asked to send the rest only
            if its file is still that.

    Raises:
        Failure: no answer, or one with neither 200 nor 206.
    """
    headers = {}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if known and known.url == bare(url) and known.validator:
            headers["If-Range"] = known.validator
    if not url.startswith(_SCHEMES):
        raise Failure("is no address that begins with https://", passing=False)
    for _ in range(_MOST_REDIRECTS + 1):
        with _failures():
            response = session.get(
                url,
                headers=headers,
                stream=True,
                allow_redirects=False,  # requests would read the body of a redirect, however long
                timeout=(patience.connect, patience.silence),
            )
        target = session.get_redirect_target(response)
        if target is None:
            _check_status(response)
            return response
        response.close()
        following = urljoin(url, target)
        if not following.startswith(_SCHEMES):
            raise Failure("redirects to something that is no web address", passing=False)
        if url.startswith("https://") and not following.startswith("https://"):
            raise Failure(
                "redirects from https to http, where anybody could change the file", passing=False
            )
        url = following
    raise Failure(f"redirects more than {_MOST_REDIRECTS} times", passing=False)


def _check_status(response: requests.Response) -> None:
    status = response.status_code
    if status in (200, 206, 416):
        return
    response.close()
    reason = shown(response.reason or "", 40)
    raise Failure(
        f"answers {status} {reason}".rstrip(),
        passing=status in _PASSING,
        wait=_retry_after(response.headers.get("Retry-After", "")),
    )


def _retry_after(value: str) -> float | None:
    if value.isdecimal():
        return float(value[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None


def source_of(response: requests.Response, url: str) -> Source:
    """What an answer says it is."""
    etag = response.headers.get("ETag", "")
    strong = "" if etag.startswith("W/") else etag
    return Source(bare(url), strong or response.headers.get("Last-Modified", ""), _total(response))


def begins_at(response: requests.Response) -> int:
    """Which byte of the file an answer begins at.

    Raises:
        Failure: it says 206 but not of which part.
    """
    if response.status_code == 200:
        return 0
    first, _, _ = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")
    if not first.isdecimal():
        raise Failure("sends a part without saying which", passing=False)
    return int(first)


def _total(response: requests.Response) -> int | None:
    if response.status_code == 200:
        length = response.headers.get("Content-Length", "")
    else:
        length = response.headers.get("Content-Range", "").rpartition("/")[2]
    return int(length) if length.isdecimal() and len(length) < 16 else None


def refuse_pages(response: requests.Response) -> None:
    """Raise a Failure if the answer is a web page or packed, and so no file of weights."""
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml"):
        raise Failure(
            "answers with a web page instead of the file (a log-in page, or a dead link)",
            passing=False,
        )
    if response.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
        raise Failure("sends the file packed, though asked not to", passing=False)


def looks_like_page(beginning: bytes) -> bool:
    """Whether a file begins as web pages, XML errors and Git LFS pointers do."""
    return beginning.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_PAGES)


def receive(
    response: requests.Response,
    part: IO[bytes],
    *,
    most: int,
    total: int | None,
    deadline: float,
    patience: Patience,
    progress: Progress,
) -> None:
    """Append the body of an answer to ``part``.

    Args:
        most: how long ``part`` may become, in bytes.
        total: how long it must become; None if unknown.
        deadline: when to stop, by ``time.monotonic``.

    Raises:
        Failure: it ends early, falls silent, is too slow or too long.
        OSError: ``part`` cannot be written.
    """
    length = part.seek(0, os.SEEK_END)
    window_start, window_length = time.monotonic(), length
    progress(length, total)
    with closing(response):
        while block := _read(response, length, total):
            if length + len(block) > most:
                raise Failure(f"sends more than {most} bytes", passing=False)
            part.write(block)
            length += len(block)
            progress(length, total)
            now = time.monotonic()
            if now > deadline:
                raise Failure("takes too long", passing=False)
            if now - window_start > patience.slow:
                if length - window_length < patience.slowest * (now - window_start):
                    raise Failure("sends too slowly", passing=True)
                window_start, window_length = now, length
    if total is not None and length != total:
        raise Failure(f"ended after {length} of {total} bytes", passing=True)


def _read(response: requests.Response, length: int, total: int | None) -> bytes:
    try:
        with _failures():
            # read would wait for a whole block, from a slow server for ever.
            return response.raw.read1(_BLOCK, decode_content=False)
    except Failure as failure:
        of = "" if total is None else f" of {total}"
        raise Failure(f"{failure} after {length}{of} bytes", passing=failure.passing) from None


@contextmanager
def _failures() -> Any:
    """Turn what ``requests`` and ``urllib3`` raise into a Failure."""
    try:
        yield
    except (requests.RequestException, urllib3.exceptions.HTTPError, UnicodeError) as error:
        raise _failure(error) from None


def _failure(error: Exception) -> Failure:
    causes = _causes(error)

    def caused_by(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    if caused_by(urllib3.exceptions.ProxyError, requests.exceptions.InvalidProxyURL):
        return _unreachable("the proxy does not answer: see HTTPS_PROXY and NO_PROXY")
    if caused_by(urllib3.exceptions.SSLError, requests.exceptions.SSLError):
        return Failure(
            "its certificate is not trusted (behind a company's proxy, set REQUESTS_CA_BUNDLE)",
            passing=False,
        )
    if caused_by(urllib3.exceptions.NameResolutionError):
        return _unreachable("its host is not found: is there a network?")
    if caused_by(urllib3.exceptions.NewConnectionError):
        return _unreachable("its host cannot be reached: is there a network?")
    if caused_by(urllib3.exceptions.TimeoutError, requests.Timeout):
        return Failure("fell silent", passing=True)
    if caused_by(urllib3.exceptions.ProtocolError, requests.ConnectionError):
        return Failure("broke off", passing=True)
    return Failure(f"cannot be asked ({shown(error, 100)})", passing=False)


def _unreachable(reason: str) -> Failure:
    return Failure(reason, passing=True, unreachable=True)


def _causes(error: BaseException) -> list[BaseException]:
    """An exception, and what the libraries wrapped in it."""
    found: list[BaseException] = []
    waiting: list[Any] = [error]
    while waiting and len(found) < 20:
        cause = waiting.pop()
        if isinstance(cause, BaseException) and cause not in found:
            found.append(cause)
            waiting += [cause.__cause__, cause.__context__, getattr(cause, "reason", None)]
            waiting += cause.args
    return found
