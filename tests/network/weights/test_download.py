"""Files that arrive whole or not at all, from a server that does not mean well."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from downloads import DATA, OTHER, QUICK, forget_proxies, left_behind, sha256, wanted
from local_server import (
    chunked,
    dropping,
    redirecting,
    refusing,
    sending,
    serve,
    served,
)

from jaxstyle.network.weights.download.download import DownloadError, download
from jaxstyle.network.weights.download.known_files import Checksum


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    forget_proxies(monkeypatch)


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "weights" / "vgg19.h5"


def test_a_file_arrives_whole_with_progress_and_nothing_beside_it(target):
    seen = []
    with served(DATA) as site:
        assert download(wanted(site), target, progress=lambda *now: seen.append(now)) == target
    assert target.read_bytes() == DATA
    assert left_behind(target) == {"vgg19.h5"}
    assert seen[0] == (0, len(DATA)) and seen[-1] == (len(DATA), len(DATA))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_what_is_there_and_right_is_not_downloaded_again(target):
    target.parent.mkdir()
    target.write_bytes(DATA)
    with served(OTHER) as site:
        download(wanted(site), target)
        download(wanted(site), target, offline=True)
        assert site.log == []
    assert target.read_bytes() == DATA


def test_what_is_there_and_wrong_is_replaced(target):
    target.parent.mkdir()
    target.write_bytes(OTHER)
    with served(DATA) as site:
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


@pytest.mark.parametrize("etag", ['"1"', ""])
@pytest.mark.parametrize("checksums", [(), (sha256(DATA),)])
def test_a_dropped_connection_is_taken_up_where_it_broke(target, etag, checksums):
    with served(DATA, etag=etag, script=[dropping(400_000), dropping(300_000)]) as site:
        download(wanted(site, checksums=checksums), target, patience=QUICK)
        assert [asked.range for asked in site.log] == [None, "bytes=400000-", "bytes=700000-"]
        assert [asked.if_range for asked in site.log] == [None, etag or None, etag or None]
        assert site.sent == len(DATA)  # no byte came twice
    assert target.read_bytes() == DATA


def test_another_run_takes_up_what_the_last_one_left(target):
    with served(DATA, script=[dropping(100_000), refusing(403)]) as site:
        with pytest.raises(DownloadError, match="answers 403"):
            download(wanted(site, checksums=()), target, patience=QUICK)
        assert left_behind(target) == {"vgg19.h5.part", "vgg19.h5.part.json"}
        download(wanted(site, checksums=()), target, patience=QUICK)
        assert site.sent == len(DATA)
    assert target.read_bytes() == DATA
    assert left_behind(target) == {"vgg19.h5"}


def test_steady_progress_is_never_too_many_tries(target):
    with served(DATA, always=dropping(100_000)) as site:
        download(wanted(site), target, patience=QUICK)
        assert len(site.log) == 11 > QUICK.tries
    assert target.read_bytes() == DATA


def test_a_server_without_ranges_starts_again(target):
    with served(DATA, ranges=False, script=[dropping(400_000)]) as site:
        download(wanted(site), target, patience=QUICK)
        assert site.sent == 400_000 + len(DATA)
    assert target.read_bytes() == DATA


@pytest.mark.parametrize("checksums", [(), (sha256(OTHER),)])
def test_a_file_that_changes_between_tries_is_never_joined(target, checksums):
    with served(DATA) as site:

        def drop_and_change(request):
            serve(request, stop_after=400_000)
            site.data, site.etag = OTHER, '"2"'

        site.script = [drop_and_change]
        download(wanted(site, checksums=checksums), target, patience=QUICK)
    assert target.read_bytes() == OTHER


def test_a_change_that_the_server_hides_is_seen_by_its_etag(target):
    """206 though If-Range named the former version: some servers ignore it."""
    with served(DATA) as site:

        def drop_and_change(request):
            serve(request, stop_after=400_000)
            site.data, site.etag = OTHER, '"2"'

        def careless(request):
            request.asked.if_range = None
            serve(request)

        site.script = [drop_and_change, careless]
        download(wanted(site, checksums=()), target, patience=QUICK)
        assert [asked.range for asked in site.log] == [None, "bytes=400000-", None]
    assert target.read_bytes() == OTHER


def test_a_change_without_an_etag_is_seen_by_the_checksum(target):
    with served(DATA, etag="") as site:

        def drop_and_change(request):
            serve(request, stop_after=400_000)
            site.data = OTHER

        site.script = [drop_and_change]
        download(wanted(site, checksums=(sha256(OTHER),)), target, patience=QUICK)
    assert target.read_bytes() == OTHER


def test_without_length_validator_or_checksum_nothing_is_joined(target):
    with served(DATA, script=[chunked(4, end=False)]) as site:
        download(wanted(site, size=None, checksums=()), target, patience=QUICK)
        assert [asked.range for asked in site.log] == [None, None]
    assert target.read_bytes() == DATA


def test_a_file_in_chunks_without_a_length_arrives(target):
    with served(DATA, always=chunked(7, end=True)) as site:
        download(wanted(site, size=None), target, patience=QUICK)
    assert target.read_bytes() == DATA


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (sending(OTHER), "gave a wrong file"),
        (sending(DATA[:-1]), "offers 1023999 bytes instead of 1024000"),
        (sending(DATA + b"x"), "offers 1024001 bytes instead of 1024000"),
        (lambda request: serve(request, length=len(DATA) + 5), "offers 1024005 bytes instead of"),
        (sending(b"<html>log in</html>", Content_Type="text/html; charset=utf-8"), "a web page"),
        (sending(DATA, Content_Encoding="gzip"), "packed"),
        (refusing(403), "answers 403 Forbidden"),
        (refusing(404), "answers 404 Not Found"),
        (refusing(206), "without saying which"),
        (redirecting("/again"), "redirects more than 10 times"),
        (redirecting("ftp://127.0.0.1/vgg19.h5"), "no web address"),
        (redirecting("file:///etc/passwd"), "no web address"),
    ],
)
def test_what_is_wrong_for_good_is_not_asked_again(target, answer, message):
    with served(DATA, always=answer) as site:
        with pytest.raises(DownloadError, match=message) as caught:
            download(wanted(site), target, patience=QUICK)
        assert len(site.log) == (11 if "redirects more" in message else 1)
    assert "\n" not in str(caught.value)
    assert left_behind(target) == set()


@pytest.mark.parametrize("page", [b" \n<!DOCTYPE html><p>Sorry", b"<?xml version='1.0'?><Error/>"])
def test_a_page_that_poses_as_a_file_is_recognised_without_any_checksum(target, page):
    with served(page) as site, pytest.raises(DownloadError, match="web page instead of the file"):
        download(wanted(site, size=None, checksums=()), target, patience=QUICK)
    assert left_behind(target) == set()


def test_a_server_that_promises_more_than_it_has_does_not_win(target):
    """The length is a lie, so the end never comes; what came is kept for another try."""
    with served(DATA[:500], always=lambda request: serve(request, length=900)) as site:
        with pytest.raises(DownloadError, match="broke off after 500 of 900 bytes"):
            download(wanted(site, size=None, checksums=()), target, patience=QUICK)
    assert "vgg19.h5" not in left_behind(target)


def test_a_server_that_promises_less_than_it_sends_is_cut(target):
    def flood(request):
        request.begin(200, None, Connection="close")
        for _ in range(1000):
            request.body(bytes(100_000))

    with served(always=flood) as site:
        with pytest.raises(DownloadError, match="sends more than 300000 bytes"):
            download(wanted(site, size=None, checksums=(), most=300_000), target, patience=QUICK)
    assert not target.exists()
    assert (target.parent / "vgg19.h5.part").stat().st_size <= 300_000


@pytest.mark.parametrize("size", [None, len(DATA)])
def test_the_size_limit_is_kept_before_anything_is_downloaded(target, size):
    with served(DATA) as site:
        with pytest.raises(DownloadError, match="more than --max-size 1000"):
            download(wanted(site, size=size, most=1000), target, patience=QUICK)
        assert site.sent <= 2**20
    assert left_behind(target) == set()


def test_a_full_disk_is_said_before_the_download(target, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 10})())
    with served(DATA) as site, pytest.raises(DownloadError, match="has 10 bytes free; 1,024,000"):
        download(wanted(site), target, patience=QUICK)


def test_mirrors_are_tried_in_order_and_share_what_came(target):
    with served(DATA, always=refusing(404)) as first, served(DATA) as second, served() as third:
        second.script = [dropping(400_000)] + 2 * [refusing(503)]
        download(wanted(first, second, third), target, patience=QUICK)
        assert (len(first.log), len(third.log)) == (1, 0)
    with (
        served(DATA, script=[dropping(400_000)]) as first,
        served(DATA, etag='"mirror"') as second,
    ):
        first.script += 3 * [refusing(404)]
        target.unlink()
        download(wanted(first, second), target, patience=QUICK)
        # A whole checksum will tell, so another server may go on. Its ETag says nothing here.
        assert [(asked.range, asked.if_range) for asked in second.log] == [("bytes=400000-", None)]
        assert first.sent + second.sent == len(DATA)
    assert target.read_bytes() == DATA


def test_mirrors_share_nothing_without_a_whole_checksum(target):
    prefix = Checksum("sha256", hashlib.sha256(DATA).hexdigest()[:8], "its name")
    with served(OTHER, script=[dropping(400_000), refusing(404)]) as first, served(DATA) as second:
        download(wanted(first, second, checksums=(prefix,)), target, patience=QUICK)
        assert second.log[0].range is None
    assert target.read_bytes() == DATA


def test_every_mirror_is_named_when_all_fail(target):
    with served(always=refusing(404)) as first, served(always=refusing(403)) as second:
        with pytest.raises(DownloadError, match=r"127\S+: answers 404.*127\S+: answers 403") as all:
            download(wanted(first, second), target, patience=QUICK)
    assert "--weights slim" in str(all.value) and "\n" not in str(all.value)


def test_a_mirror_with_a_poisoned_part_is_survived(target):
    """The first server gives the beginning of something else, the second must not build on it."""
    with served(OTHER, script=[dropping(400_000), refusing(404)]) as first, served(DATA) as second:
        download(wanted(first, second), target, patience=QUICK)
        assert [asked.range for asked in second.log] == ["bytes=400000-", None]
    assert target.read_bytes() == DATA


@pytest.mark.parametrize(
    "note", ["", "{", "[]", '{"url": 1}', '{"url":"","validator":"","total":"9"}']
)
def test_a_damaged_note_is_no_obstacle(target, note):
    target.parent.mkdir()
    (target.parent / "vgg19.h5.part").write_bytes(OTHER[:1000])
    (target.parent / "vgg19.h5.part.json").write_text(note)
    with served(DATA) as site:
        download(wanted(site, checksums=()), target, patience=QUICK)
        assert site.log[0].range is None
    assert target.read_bytes() == DATA


@pytest.mark.parametrize("data", [DATA, DATA + b"more", OTHER])
def test_a_part_that_is_already_as_long_as_the_file_is_checked_not_trusted(target, data):
    target.parent.mkdir()
    (target.parent / "vgg19.h5.part").write_bytes(data)
    with served(DATA) as site:
        download(wanted(site), target, patience=QUICK)
        assert site.sent == (0 if data == DATA else len(DATA))
    assert target.read_bytes() == DATA


def test_two_downloads_of_one_file_do_not_mix(target):
    def meanwhile(request):
        with pytest.raises(DownloadError, match="by another process"):
            download(wanted(request.site), target, patience=QUICK)
        serve(request)

    with served(DATA, script=[meanwhile]) as site:
        download(wanted(site), target, patience=QUICK)
        assert len(site.log) == 1
    assert target.read_bytes() == DATA


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "weights").write_text("a file")
    with served(DATA) as site, pytest.raises(DownloadError, match=r"cannot write .*weights"):
        download(wanted(site), tmp_path / "weights" / "vgg19.h5")
