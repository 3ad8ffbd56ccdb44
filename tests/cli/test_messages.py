"""Messages: text of strangers moves no cursor, and nothing that a file says is recommended."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import ROOT

from jaxstyle.cli.main import main
from jaxstyle.cli.report.messages import LONGEST, tell
from jaxstyle.cli.report.terminal import Display

STRANGE = "a\x1b]0;owned\x07\r\x9b2Jb\u202e.png"
ESCAPED = r"a\x1b]0;owned\x07\r\x9b2Jb\u202e.png"


def test_one_place_prints_messages():
    others = [
        path
        for path in (ROOT / "jaxstyle").rglob("*.py")
        if re.search(r"sys\.stderr|print\([^)]*file=", path.read_text())
    ]
    package = ROOT / "jaxstyle"
    assert {path.relative_to(package).as_posix() for path in others} == {
        "cli/report/messages.py",
        "runtime/streams.py",
    }  # the latter stands in for streams that are missing


def test_control_characters_are_escaped(capsys):
    tell(STRANGE)
    Display(quiet=False).say(STRANGE)
    assert capsys.readouterr().err == f"{ESCAPED}\n" * 2


def test_on_a_terminal_too(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    Display(quiet=False).say(STRANGE)
    assert capsys.readouterr().err == f"{ESCAPED}\n"


def test_long_ones_are_cut(capsys):
    tell("x" * 10**6)
    assert capsys.readouterr().err == f"{'x' * LONGEST} ...\n"


def test_refusals_of_the_parser(capsys):
    with pytest.raises(SystemExit):
        main(["stylize", "a.png", "b.png", f"--{STRANGE}"])
    said = capsys.readouterr().err
    assert ESCAPED in said and said[:-1].isprintable()


def test_refusals_of_a_command(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(STRANGE).write_text("{")
    assert main(["replay", STRANGE, "-o", "out.png"]) == 2
    said = capsys.readouterr().err
    assert ESCAPED in said and said[:-1].isprintable()
