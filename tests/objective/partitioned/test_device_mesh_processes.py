"""Two processes share one picture: the same result as one, written once."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

PATIENCE = 150


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start(port: int, count: int, index: int, folder: Path) -> subprocess.Popen:
    """One of ``count`` processes that have eight devices together."""
    folder.mkdir()
    environment = {name: v for name, v in os.environ.items() if not name.startswith("JAX_")}
    environment |= {"JAX_NUM_CPU_DEVICES": str(8 // count), "JAX_PLATFORMS": "cpu"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    program = str(ROOT / "tests" / "sharded_run.py")
    return subprocess.Popen(
        [sys.executable, program, f"127.0.0.1:{port}", str(count), str(index), str(folder)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> list[Path]:
    """What the first and the second of two processes have written, and one alone."""
    folder = tmp_path_factory.mktemp("sharded")
    found = [folder / name for name in ("first", "second", "alone")]
    port, end = free_port(), time.monotonic() + PATIENCE
    running = [start(port, 2, 0, found[0]), start(port, 2, 1, found[1])]
    try:
        running.append(start(port, 1, 0, found[2]))
        said = [one.communicate(timeout=max(1, end - time.monotonic()))[0] for one in running]
    finally:
        for one in running:
            one.kill()
            one.wait()
    assert [one.returncode for one in running] == [0, 0, 0], said
    return found


def test_process_0_alone_writes(folders):
    first, second, alone = ({path.name for path in folder.iterdir()} for folder in folders)
    assert first == alone == {"pictures.npz", "figures.json"}
    assert second == set()


def test_the_picture_is_that_of_one_process(folders):
    shared, alone = (np.load(folder / "pictures.npz") for folder in (folders[0], folders[2]))
    assert shared["result"].shape == (37, 50, 3)
    np.testing.assert_allclose(shared["result"], alone["result"], atol=1e-4)
    np.testing.assert_allclose(shared["snapshots"], alone["snapshots"], atol=1e-4)
    assert shared["snapshots"].shape == (6, 37, 50, 3)
    assert np.ptp(shared["result"]) > 0.5
    figures = [json.loads((folder / "figures.json").read_text()) for folder in folders[::2]]
    np.testing.assert_allclose(figures[0]["values"], figures[1]["values"], rtol=1e-4)
    np.testing.assert_allclose(figures[0]["value"], figures[1]["value"], rtol=1e-4)


def test_tiles_dealt_out_give_the_same_picture(folders):
    shared, alone = (np.load(folder / "pictures.npz") for folder in (folders[0], folders[2]))
    np.testing.assert_allclose(shared["dealt"], alone["dealt"], atol=1e-4)
    np.testing.assert_allclose(shared["dealt"], alone["result"], atol=1e-3)
    figures = json.loads((folders[0] / "figures.json").read_text())
    np.testing.assert_allclose(figures["dealt"], figures["values"], rtol=1e-4)


def test_all_end_when_one_has_had_enough(folders):
    figures = json.loads((folders[0] / "figures.json").read_text())
    assert figures["short"] == figures["short_dealt"] == [1, "max_seconds"]
