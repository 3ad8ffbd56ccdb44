"""Ctrl-C in the first seconds: one line and exit code 130, whatever is being loaded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from conftest import ROOT
from samples import landscape

from jaxstyle.cli.main import main
from jaxstyle.images import save_image
from jaxstyle.runtime.interrupts import begun, deferred_interrupt, until_begun


@pytest.fixture(autouse=True)
def as_in_a_terminal() -> Iterator[None]:
    """Ctrl-C does what Python has it do, here and in processes started here.

    Shells have programs in the background ignore it, and what those start, too.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupted_at(module: str, folder) -> tuple[int, list[str]]:
    """Press Ctrl-C once a module has been loaded; the exit code, and what was said."""
    save_image(folder / "c.png", np.asarray(landscape(24, 32)))
    command = [sys.executable, "-X", "importtime", "-m", "jaxstyle.cli.main", "stylize", "c.png"]
    command += ["c.png", "-o", "out.png", "--size", "32", "--weights", "slim"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    environment["XDG_CACHE_HOME"] = str(folder)
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd=folder, env=environment
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.rpartition("|")[2].strip() == module:
                process.send_signal(signal.SIGINT)
                break
        rest = [line.strip() for line in process.stderr if not line.startswith("import time:")]
    return process.returncode, rest


@pytest.mark.parametrize("module", ["numpy", "jax._src.core", "flax.core"])
def test_while_it_loads(tmp_path, module):
    assert interrupted_at(module, tmp_path) == (130, ["interrupted"])
    assert [path.name for path in tmp_path.glob("*.*")] == ["c.png"]


def test_before_the_first_step_is_one_line_too(tmp_path, monkeypatch, capsys):
    save_image(tmp_path / "c.png", np.asarray(landscape(24, 32)))
    monkeypatch.chdir(tmp_path)

    def pressed(*_given, **_options):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("jaxstyle.run.level.Level.start", pressed)
    command = ["stylize", "c.png", "c.png", "-o", "out.png", "--size", "32", "--weights", "slim"]
    assert main([*command, "--quiet"]) == 130
    assert capsys.readouterr().err == "interrupted\n"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_the_host_stays():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with until_begun():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            begun()
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_it_ends_with_the_block_and_leaves_other_threads_alone():
    with until_begun():
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    seen = []

    def elsewhere() -> None:
        with until_begun():
            begun()
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


OTHERS = [signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("number", OTHERS)
def test_a_scheduler_and_a_lost_terminal_do_what_ctrl_c_does(number, tmp_path, monkeypatch, capsys):
    save_image(tmp_path / "c.png", np.asarray(landscape(24, 32)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "jaxstyle.run.level.Level.start", lambda *_given, **_options: signal.raise_signal(number)
    )
    command = ["stylize", "c.png", "c.png", "-o", "out.png", "--size", "32", "--weights", "slim"]
    assert main([*command, "--quiet"]) == 130
    assert capsys.readouterr().err == "interrupted\n"
    assert signal.getsignal(number) is signal.SIG_DFL


@pytest.mark.parametrize("number", OTHERS)
def test_a_step_is_finished_first_and_repetitions_change_nothing(number):
    with until_begun():
        begun()
        with deferred_interrupt() as interrupted:
            assert not interrupted.is_set()
            signal.raise_signal(number)
            signal.raise_signal(OTHERS[0])
            signal.raise_signal(OTHERS[1])
            assert interrupted.is_set()
        signal.raise_signal(number)  # while the picture is saved
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(number) is signal.SIG_DFL


@pytest.mark.parametrize("number", OTHERS)
def test_what_a_host_or_nohup_has_set_stays(number):
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with until_begun():
            begun()
            with deferred_interrupt() as interrupted:
                signal.raise_signal(number)
                assert not interrupted.is_set()
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_a_library_leaves_the_signals_of_its_host_alone():
    with deferred_interrupt():
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
