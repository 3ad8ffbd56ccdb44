"""The cache of programs: whoever can write to it can run code in our process.

An entry that is cut off goes once.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import jax
import pytest

from jaxstyle.runtime.compilation_cache import (
    UntrustedFolderError,
    cache_folder,
    keep_compiled_programs,
    remove_damaged_entries,
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


@pytest.fixture
def shown(monkeypatch):
    """The warnings that come through."""
    lines: list[str] = []
    monkeypatch.setattr(warnings, "showwarning", lambda message, *_: lines.append(str(message)))
    return lines


def read_of(name: str) -> str:
    return (
        f"Error reading persistent compilation cache entry for '{name}': JaxRuntimeError: cut off"
    )


def test_an_entry_that_cannot_be_read_is_taken_out_quietly(tmp_path, shown):
    entries = [
        "jit__advance-1-cache",
        "jit__advance-2-cache",
        "jit_[x]-3-cache",
        "jit_start-4-cache",
    ]
    for name in entries:
        (tmp_path / name).write_bytes(b"cut")
    remove_damaged_entries(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(read_of("jit__advance"), stacklevel=1)
        warnings.warn(read_of("jit_[x]"), stacklevel=1)
        warnings.warn(read_of("jit_gone"), stacklevel=1)
        warnings.warn("something else", stacklevel=1)
    assert [path.name for path in tmp_path.iterdir()] == ["jit_start-4-cache"]
    assert shown == ["something else"]


def test_the_warning_is_still_the_one_of_jax():
    """Its words are all that is known of an entry: another JAX may choose others."""
    import inspect

    from jax._src import compiler

    source = inspect.getsource(compiler._cache_read)
    assert "Error reading persistent compilation cache entry for " in source
    assert "'{module_name}'" in source
