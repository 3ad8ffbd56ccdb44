"""Files that are replaced: who may read them stays, and what killed processes left goes."""

from __future__ import annotations

import os
import stat
import time

import pytest

from jaxstyle.runtime import atomic_files
from jaxstyle.runtime.atomic_files import remove_leftovers, write_bytes


def mode_of(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o666])
def test_a_replaced_file_is_read_by_whom_it_was(tmp_path, mode):
    path = tmp_path / "kept.json"
    path.write_text("old")
    path.chmod(mode)
    write_bytes(path, b"new")
    assert path.read_text() == "new"
    assert mode_of(path) == mode


def test_it_is_never_open_to_others_meanwhile(tmp_path):
    path = tmp_path / "kept.json"
    path.write_text("old")
    path.chmod(0o600)
    with atomic_files.replacing(path) as file:
        assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == 0o600


def test_a_new_file_is_as_the_umask_has_it(tmp_path):
    before = os.umask(0o027)
    try:
        write_bytes(tmp_path / "new.json", b"new")
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "new.json") == 0o640


def test_old_leftovers_are_removed_and_nothing_else(tmp_path):
    old, outside = time.time() - 2 * 86400, tmp_path / "outside"
    outside.write_text("kept")
    leftover, young = (tmp_path / f".jaxstyle-{letter * 16}.tmp" for letter in "ab")
    others = [tmp_path / name for name in (".jaxstyle-x.tmp", f".jaxstyle-{'c' * 16}.tmp.png")]
    for path in (leftover, young, *others):
        path.touch()
    for path in (leftover, *others):
        os.utime(path, (old, old))
    link = tmp_path / f".jaxstyle-{'d' * 16}.tmp"
    link.symlink_to(outside)
    write_bytes(tmp_path / "new.json", b"new")
    assert not leftover.exists()
    assert all(path.exists() for path in (young, *others, link, outside))


def test_leftovers_of_others_stay(tmp_path, monkeypatch):
    leftover = tmp_path / f".jaxstyle-{'a' * 16}.tmp"
    leftover.touch()
    monkeypatch.setattr(os, "geteuid", lambda: leftover.stat().st_uid + 1)
    remove_leftovers(tmp_path, ".jaxstyle-")
    assert leftover.exists()
    monkeypatch.undo()
    remove_leftovers(tmp_path, ".jaxstyle-")
    assert not leftover.exists()
