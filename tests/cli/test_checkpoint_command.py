"""``--checkpoint`` and ``jaxstyle resume``: a command that is killed can be gone on with."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from conftest import ROOT

from jaxstyle import images
from jaxstyle.cli.main import main
from jaxstyle.cli.options.checkpoint import parse_every
from jaxstyle.errors import InputError
from jaxstyle.run.checkpoint_file import read_checkpoint

FAST = [
    "--size", "48", "--steps", "40", "--levels", "1", "--weights", "slim",
    "--content-layers", "relu1_1", "--style-layers", "relu1_1",
]  # fmt: skip
LONG = "200"
"""Steps: more than are made until the command is killed."""
PATIENCE = 120


def stylize(*options: str) -> int:
    return main(["stylize", "content.png", "style.png", *FAST, "--quiet", *options])


def environment() -> dict[str, str]:
    """Of processes that make the same programs: as many devices as here, and XLA's own settings."""
    return os.environ | {
        "PYTHONPATH": str(ROOT),
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_CPU_DEVICES": str(jax.device_count()),
        "XLA_FLAGS": "",
    }


COMMAND = [sys.executable, "-m", "jaxstyle"]


def killed(*options: str, after: float, every: str = "1") -> None:
    """Start the command, and kill it a while after it has written its first checkpoint."""
    command = [
        *COMMAND, "stylize", "content.png", "style.png", *FAST,
        "--checkpoint", "run.ckpt", "--checkpoint-every", every, *options,
    ]  # fmt: skip
    before = Path("run.ckpt").stat().st_ino if Path("run.ckpt").exists() else None
    end = time.monotonic() + PATIENCE
    with subprocess.Popen(command, env=environment(), stderr=subprocess.DEVNULL) as process:
        while time.monotonic() < end and process.poll() is None:
            if Path("run.ckpt").exists() and Path("run.ckpt").stat().st_ino != before:
                break
            time.sleep(0.01)
        time.sleep(after)
        process.kill()


def completed(*words: str) -> dict[str, Any]:
    """The figures of a command that runs to its end in a process of its own."""
    command = [*COMMAND, *words, "--quiet", "--json"]
    done = subprocess.run(command, env=environment(), check=True, capture_output=True)
    return json.loads(done.stdout)


def test_killed_it_goes_on_and_ends_in_the_same_bits(pictures):
    options = ["-o", "out.png", "--init", "noise", "--steps", LONG]
    for after in (0.05, 0.15):
        killed(*options, after=after)
    assert not Path("out.png").exists()
    resumed = completed("resume", "run.ckpt")
    assert not Path("run.ckpt").exists()
    unbroken = completed("stylize", "content.png", "style.png", *FAST, *options, "-o", "whole.png")
    for what in ("losses", "terms", "steps", "reason"):
        assert resumed[what] == unbroken[what]
    found, expected = images.load_image("out.png"), images.load_image("whole.png")
    np.testing.assert_array_equal(found.rgb, expected.rgb)
    assert "--checkpoint run.ckpt" in resumed["record"]["extra"]["command"]


def test_the_same_command_goes_on_and_says_so(pictures, capsys):
    killed("-o", "out.png", "--steps", LONG, after=0)
    found = read_checkpoint("run.ckpt")
    assert found is not None
    done = len(found[0]["losses"][-1])
    options = ["--steps", LONG, "--checkpoint", "run.ckpt", "-o", "out.png"]
    assert main(["stylize", "content.png", "style.png", *FAST, *options]) == 0
    assert f"run.ckpt: goes on at level 1 of 1 after step {done}" in capsys.readouterr().err
    assert not Path("run.ckpt").exists()


def test_what_cannot_be_gone_on_with_is_one_line(pictures, capsys):
    killed("-o", "out.png", "--steps", LONG, after=0)
    before = Path("run.ckpt").read_bytes()
    cases = [
        (
            ["stylize", "content.png", "style.png", *FAST, "--checkpoint", "run.ckpt"],
            f"steps {LONG}",
        ),
        (["stylize", "style.png", "content.png", *FAST, "--checkpoint", "run.ckpt"], "content.png"),
        (["resume", "none.ckpt"], "there is no checkpoint none.ckpt"),
        (["resume", "style.png"], "style.png is not a checkpoint"),
    ]
    for command, words in cases:
        assert main([*command, "--quiet", "-o", "other.png"]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert words in said
    Path("moved").mkdir()  # beside the checkpoint it would be found, under whatever name
    moved = str(Path("content.png").rename("moved/moved.png"))
    assert main(["resume", "run.ckpt", "--quiet", "-o", "other.png"]) == 2
    assert "content.png" in capsys.readouterr().err
    assert not Path("other.png").exists()
    assert Path("run.ckpt").read_bytes() == before
    assert main(["resume", "run.ckpt", "--quiet", "--content", moved]) == 0
    assert Path("out.png").is_file()


def test_checkpoint_and_result_are_two_files(pictures, capsys):
    assert stylize("-o", "out.png", "--checkpoint", "./out.png") == 2
    assert "are one file" in capsys.readouterr().err


def test_deterministic_says_what_it_does(pictures, capsys, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_gpu_deterministic_ops=true")  # JAX runs already here
    options = ["-o", "out.png", "--steps", "2", "--deterministic"]
    assert main(["stylize", "content.png", "style.png", *FAST, *options]) == 0
    assert "so is XLA on cpu by itself" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "every"),
    [("20", (20, float("inf"))), ("30s", (None, 30.0)), ("0.5 S", (None, 0.5)), ("0s", (None, 0))],
)
def test_intervals(text, every):
    assert parse_every(text) == every


@pytest.mark.parametrize("text", ["0", "1.5", "-3", "30m", "s", "", "\u0663", "1e3"])
def test_intervals_that_make_no_sense(text):
    with pytest.raises(InputError, match="--checkpoint-every is"):
        parse_every(text)


def test_commands_without_the_option_keep_nothing():
    from jaxstyle.cli.options.checkpoint import checkpoint_from, deterministic_note

    assert checkpoint_from(argparse.Namespace(), Path("out.png"), print, {}) is None
    assert deterministic_note(argparse.Namespace()) == ""
