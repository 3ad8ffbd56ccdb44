"""Networks between the file and the user: proxies, redirects, silence, and none at all."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
import requests
from downloads import DATA, QUICK, forget_proxies, left_behind, sha256, wanted
from local_server import (
    dripping,
    dropping,
    falling_silent,
    redirecting,
    refusing,
    served,
)

from jaxstyle.network.weights.download.download import DownloadError, Wanted, download
from jaxstyle.network.weights.download.http import Failure, Patience, new_session, request_rest


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    forget_proxies(monkeypatch)


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "weights" / "vgg19.h5"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again(target, status):
    with served(DATA, script=[refusing(status), refusing(status)]) as site:
        download(wanted(site), target, patience=QUICK)
        assert len(site.log) == 3
    assert target.read_bytes() == DATA


def test_a_server_that_stays_busy_is_given_up(target):
    with served(always=refusing(503)) as site:
        with pytest.raises(DownloadError, match="answers 503 Service Unavailable"):
            download(wanted(site), target, patience=QUICK)
        assert len(site.log) == QUICK.tries


def test_waits_grow_and_the_server_may_ask_for_longer_ones(target, monkeypatch):
    waits = []
    monkeypatch.setattr("jaxstyle.network.weights.download.download.time.sleep", waits.append)
    script = [refusing(503), refusing(503), refusing(429, Retry_After="7"), refusing(503)]
    with served(DATA, script=script) as site:
        download(wanted(site), target, patience=Patience())
    assert waits == [1.0, 2.0, 7.0, 8.0]


def test_a_silent_server_is_left_and_taken_up(target):
    with served(DATA, script=[falling_silent(400_000, 1.5)]) as site:
        download(wanted(site), target, patience=QUICK)
        assert [asked.range for asked in site.log] == [None, "bytes=400000-"]
    assert target.read_bytes() == DATA


def test_a_slow_drip_does_not_hold_the_download_for_ever(target):
    with served(DATA, always=dripping(0.02)) as site:
        start = time.monotonic()
        with pytest.raises(DownloadError, match="sends too slowly"):
            download(wanted(site, checksums=()), target, patience=QUICK)
        assert time.monotonic() - start < 5
        assert len(site.log) == QUICK.tries


def test_a_download_ends_at_the_total_time_out(target):
    patience = Patience(silence=1, slow=60, whole=0.5, tries=50, first_wait=0.01)
    with served(DATA, always=dripping(0.02)) as site:
        start = time.monotonic()
        with pytest.raises(DownloadError, match="takes too long"):
            download(wanted(site, site), target, patience=patience)
        assert time.monotonic() - start < 5
        assert len(site.log) == 1


def test_redirects_are_followed_and_keep_the_range(target):
    with served(DATA) as far, served() as near:
        near.always = redirecting(far.url)
        far.script = [dropping(400_000)]
        download(wanted(near), target, patience=QUICK)
        assert [asked.range for asked in near.log] == [None, "bytes=400000-"]
        assert [asked.range for asked in far.log] == [None, "bytes=400000-"]
    assert target.read_bytes() == DATA


class Canned(requests.adapters.BaseAdapter):
    """Answers instead of a network."""

    def __init__(self, outcome: requests.Response | Exception) -> None:
        super().__init__()
        self.outcome = outcome

    def send(self, request, *args, **kwargs):
        if isinstance(self.outcome, Exception):
            raise self.outcome
        self.outcome.request, self.outcome.url = request, request.url
        return self.outcome

    def close(self) -> None:
        pass


def canned_session(outcome: requests.Response | Exception) -> requests.Session:
    session = new_session()
    session.mount("https://", Canned(outcome))
    return session


def test_https_is_never_left_for_http():
    response = requests.Response()
    response.status_code = 302
    response.headers["Location"] = "http://example.org/vgg19.h5"
    with pytest.raises(Failure, match="from https to http") as caught:
        request_rest(canned_session(response), "https://example.org/", 0, None, QUICK)
    assert not caught.value.passing


def test_an_untrusted_certificate_is_final_and_says_what_helps():
    session = canned_session(requests.exceptions.SSLError("certificate verify failed"))
    with pytest.raises(Failure, match="REQUESTS_CA_BUNDLE") as caught:
        request_rest(session, "https://example.org/", 0, None, QUICK)
    assert not caught.value.passing


def test_no_network_is_said_in_one_line_and_soon(target, monkeypatch):
    def nobody(*args, **kwargs):
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    start = time.monotonic()
    with pytest.raises(DownloadError, match="its host is not found: is there a network"):
        download(Wanted(("https://example.org/vgg19.h5",)), target)
    assert time.monotonic() - start < 5
    assert left_behind(target) == set()


def test_a_closed_port_is_no_network_too(target):
    with served(DATA) as site:
        pass
    with pytest.raises(DownloadError, match="its host cannot be reached"):
        download(wanted(site), target, patience=QUICK)


@pytest.mark.parametrize("url", ["ftp://example.org/x", "/etc/passwd", "file:///etc/passwd", "x"])
def test_only_web_addresses_are_asked(target, url):
    with pytest.raises(DownloadError, match="no address that begins with https://"):
        download(Wanted((url,)), target, patience=QUICK)


def test_a_proxy_is_used_and_exceptions_from_it_are_kept(target, monkeypatch):
    with served(DATA) as proxy, served(DATA) as site:
        monkeypatch.setenv("HTTP_PROXY", proxy.address)
        download(Wanted(("http://example.org/vgg19.h5",), len(DATA), (sha256(DATA),)), target)
        assert [asked.path for asked in proxy.log] == ["http://example.org/vgg19.h5"]
        target.unlink()
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        download(wanted(site), target)
        assert len(proxy.log) == 1 and len(site.log) == 1


def test_a_dead_proxy_is_named(target, monkeypatch):
    with served() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.address)
    with pytest.raises(DownloadError, match="HTTPS_PROXY and NO_PROXY"):
        download(Wanted(("http://example.org/vgg19.h5",)), target, patience=QUICK)


def test_secrets_in_an_address_are_neither_shown_nor_stored(target):
    with served(DATA, script=[dropping(400_000), *3 * [refusing(404)]]) as site:
        url = site.url.replace("//", "//me:secret@") + "?token=hidden"
        with pytest.raises(DownloadError) as caught:
            download(Wanted((url,), len(DATA)), target, patience=QUICK)
    stored = (target.parent / "vgg19.h5.part.json").read_text()
    assert "secret" not in stored + str(caught.value) and "hidden" not in stored + str(caught.value)
