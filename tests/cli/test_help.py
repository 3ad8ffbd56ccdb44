"""``--help`` and ``--help-all`` of every command, however they are spelt."""

from __future__ import annotations

import pytest

from jaxstyle.cli.main import COMMANDS, main

KINDS = [[name] for name in COMMANDS] + [[], ["compare", "starts"], ["compare", "scales"]]


def help_of(capsys, *arguments: str) -> str:
    with pytest.raises(SystemExit) as stop:
        main([*arguments])
    assert stop.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("command", KINDS, ids=" ".join)
def test_every_command_shows_all_where_it_says_so(command, capsys):
    short, whole = (help_of(capsys, *command, option) for option in ("--help", "--help-all"))
    assert "--help-all" in short
    assert ("more options: jaxstyle" in short) == (short != whole)
    assert len(whole) >= len(short) - len("\n00 more options: jaxstyle --help-all\n")
    assert "more options: jaxstyle" not in whole


@pytest.mark.parametrize("word", ["--help-", "--help-a", "--help-al"])
def test_a_word_that_is_cut_short_means_the_same(word, capsys):
    assert help_of(capsys, "stylize", word) == help_of(capsys, "stylize", "--help-all")


def test_rare_options_of_replay_and_resume(capsys):
    for command in ("replay", "resume"):
        assert "--animation" not in help_of(capsys, command, "--help")
        assert "--animation" in help_of(capsys, command, "--help-all")


def test_the_help_of_convert_weights_names_no_file_of_the_repository(capsys):
    assert "weights/README" not in help_of(capsys, "convert-weights", "--help")
