"""The folder of compiled programs: whoever can write to it can run code in our process."""

from __future__ import annotations

import os
from pathlib import Path

import jax
import pytest

from jaxstyle.runtime.compilation_cache import (
    UntrustedFolderError,
    cache_folder,
    keep_compiled_programs,
)


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    return tmp_path


def refusal() -> str:
    """What is said, once: nothing is cached."""
    before, said = jax.config.jax_compilation_cache_dir, []
    assert keep_compiled_programs(said.append) is None
    assert jax.config.jax_compilation_cache_dir == before
    assert len(said) == 1 and "\n" not in said[0]
    return said[0]


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o720])
@pytest.mark.parametrize("which", ["jaxstyle", "jaxstyle/xla"])
def test_a_folder_that_others_write_to_is_not_used_nor_changed(home, which, mode):
    assert cache_folder("xla") == home / "cache" / "jaxstyle" / "xla"
    folder = home / "cache" / which
    folder.chmod(mode)
    assert f"{folder}: others can write to it" in refusal()
    assert folder.stat().st_mode & 0o7777 == mode


def test_a_link_is_not_followed(home):
    (home / "elsewhere").mkdir(mode=0o755)
    (home / "cache").mkdir()
    (home / "cache" / "jaxstyle").symlink_to(home / "elsewhere")
    assert "it is a link" in refusal()
    assert list((home / "elsewhere").iterdir()) == []
    assert (home / "elsewhere").stat().st_mode & 0o777 == 0o755


def test_a_folder_of_another_user_is_not_used(home, monkeypatch):
    assert cache_folder() is not None
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert "belongs to another user" in refusal()


def test_what_others_only_read_will_do(home):
    folder = cache_folder()
    assert folder is not None
    folder.chmod(0o755)
    assert cache_folder() == folder
    assert folder.stat().st_mode & 0o777 == 0o755


def test_measured_times_are_not_kept_there_either(home):
    from jaxstyle.run import step_timing

    folder = cache_folder()
    assert folder is not None
    folder.chmod(0o777)
    with pytest.raises(UntrustedFolderError):
        cache_folder()
    assert step_timing._file() is None
