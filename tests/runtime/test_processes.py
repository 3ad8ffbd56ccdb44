"""Two processes on one machine share a grid: the same cells, written once."""

from __future__ import annotations

import json
import os
import pickle
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from jaxstyle.config.stylize_config import StylizeConfig
from jaxstyle.errors import InputError
from jaxstyle.images import save_image
from jaxstyle.optimize.ending import Ending
from jaxstyle.run.result import Stylized
from jaxstyle.runtime import processes

PATIENCE = 120
SWEEP = (
    "--axis=style_weight=0.1,1,10", "--axis=seed=0,1", "--axis=optimizer=adam,scipy",
    "--init=content+noise:0.2", "--size=32", "--levels=1", "--steps=3", "--quiet",
    "--content-layers=relu1_2", "--style-layers=relu1_1,relu2_1", "--weights=slim",
)  # fmt: skip


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start(arguments: list[str], devices: int = 4) -> subprocess.Popen:
    """One process of ``jaxstyle``, which must not see the devices that this one has."""
    environment = {name: v for name, v in os.environ.items() if not name.startswith("JAX_")}
    environment |= {"JAX_NUM_CPU_DEVICES": str(devices), "JAX_PLATFORMS": "cpu"}
    environment["PYTHONPATH"] = str(ROOT)
    return subprocess.Popen(
        [sys.executable, "-m", "jaxstyle.cli.main", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(*running: subprocess.Popen) -> list[tuple[int, str]]:
    """Exit codes and what was said; a hang ends all of them."""
    end = time.monotonic() + PATIENCE
    try:
        said = [one.communicate(timeout=max(1, end - time.monotonic())) for one in running]
    finally:
        for one in running:
            one.kill()
            one.wait()
    return [(one.returncode, out + error) for one, (out, error) in zip(running, said, strict=True)]


class Runs:
    """A grid by one process, and by two that write to folders of their own."""

    def __init__(self, folder: Path) -> None:
        random = np.random.default_rng(0)
        for name in ("content", "style"):
            save_image(folder / f"{name}.png", random.random((24, 32, 3)).astype(np.float32))
        self.alone, self.first, self.second = (folder / name for name in "abc")
        inputs = ["sweep", str(folder / "content.png"), str(folder / "style.png"), *SWEEP]
        several = ["--distributed", f"--coordinator=127.0.0.1:{free_port()}", "--processes=2"]
        folders = self.first, self.second
        pair = [
            start([*inputs, *several, f"--process={i}", "-o", str(where)])
            for i, where in enumerate(folders)
        ]
        self.ends = finish(*pair) + finish(start([*inputs, "-o", str(self.alone)]))


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Runs:
    return Runs(tmp_path_factory.mktemp("grid"))


def test_all_end_well(runs):
    assert [code for code, _ in runs.ends] == [0, 0, 0], runs.ends


def test_process_0_alone_writes_files(runs):
    names = {path.name for path in runs.alone.iterdir()}
    assert len([name for name in names if name.endswith(".png")]) == 12 + 1
    assert {path.name for path in runs.first.iterdir()} == names
    assert list(runs.second.glob("*")) == []


def test_the_cells_are_those_of_one_process(runs):
    cells = [path for path in sorted(runs.alone.glob("0*.json"))]
    assert len(cells) == 12
    for path in cells:
        alone = json.loads(path.read_text())
        shared = json.loads((runs.first / path.name).read_text())
        assert alone["record"]["config"] == shared["record"]["config"]
        assert alone["record"]["inputs"] == shared["record"]["inputs"]
        np.testing.assert_allclose(shared["losses"], alone["losses"], rtol=1e-4)
        assert len(alone["losses"][0]) == alone["steps"] == 3
    rows = [json.loads((folder / "sweep.json").read_text()) for folder in (runs.alone, runs.first)]
    assert rows[0]["axes"] == rows[1]["axes"]
    assert [cell["message"] for cell in rows[1]["cells"]] == [""] * 12
    assert len({cell["loss"] for cell in rows[1]["cells"]}) == 12


def test_a_coordinator_that_is_none_ends_it_with_one_line(tmp_path):
    arguments = ["sweep", "a.png", "b.png", *SWEEP, "-o", str(tmp_path / "out"), "--distributed"]
    wrong = ["--coordinator=nobody.invalid:1234", "--processes=2", "--process=1"]
    ((code, said),) = finish(start([*arguments, *wrong]))
    assert code == 2
    assert said.count("\n") == 1
    assert "no coordinator answers at nobody.invalid:1234" in said


def test_a_coordinator_that_does_not_come_is_waited_for_and_given_up():
    port = free_port()
    before = time.monotonic()
    with pytest.raises(InputError, match=f"no coordinator answers at 127.0.0.1:{port}"):
        processes.join(f"127.0.0.1:{port}", 2, 1, patience=1)
    assert 1 <= time.monotonic() - before < 10


@pytest.mark.parametrize("coordinator", ["nonsense", "host:", ":1234", "host:port", "host:99999"])
def test_a_coordinator_needs_host_and_port(coordinator):
    with pytest.raises(InputError, match="write HOST:PORT"):
        processes.join(coordinator, 2, 1)


def test_a_port_in_use_is_an_error_and_no_crash():
    with socket.create_server(("", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(InputError, match=f"cannot listen at port {port}"):
            processes.join(f"127.0.0.1:{port}", 2, 0, patience=1)


@pytest.mark.parametrize(("count", "index"), [(2, 2), (0, 0), (None, None)])
def test_processes_that_make_no_sense_are_an_error(count, index):
    with pytest.raises(InputError, match="the processes do not find each other"):
        processes.join(f"127.0.0.1:{free_port()}", count, index, patience=1)


def test_one_process_has_all_items_and_hears_itself():
    assert processes.is_first()
    assert list(processes.mine([1, 2, 3])) == [1, 2, 3]
    assert processes.gather({"a": 1}) == [{"a": 1}]


@pytest.mark.parametrize(("items", "processes_"), [(7, 3), (2, 4), (8, 2), (0, 3)])
def test_the_parts_of_all_processes_are_the_whole(monkeypatch, items, processes_):
    parts = []
    monkeypatch.setattr("jax.process_count", lambda: processes_)
    for index in range(processes_):
        monkeypatch.setattr("jax.process_index", lambda index=index: index)
        parts.append(list(processes.mine(range(items))))
    assert [item for part in parts for item in part] == list(range(items))
    assert max(map(len, parts)) <= -(-items // processes_)


@pytest.fixture
def both(monkeypatch) -> None:
    """Two processes that send the same."""
    monkeypatch.setattr("jax.process_count", lambda: 2)
    allgather = "jaxstyle.runtime.processes.multihost_utils.process_allgather"
    monkeypatch.setattr(allgather, lambda x: np.stack([x, x]))


def test_values_and_arrays_travel(both):
    array = np.arange(6, dtype=np.float32).reshape(2, 3).T
    value = {3: (1, 2.5, None, "é", b"\0"), "a": [True, array, (array,)], "b": np.float32(0.5)}
    one, other = processes.gather(value)
    assert one[3] == other[3] == value[3]
    assert one["a"][0] is True and one["b"] == 0.5
    assert isinstance(one["a"][2], tuple)
    np.testing.assert_array_equal(one["a"][1], array, strict=True)


def test_whole_results_travel(both):
    made = Stylized(
        image=np.full((2, 3, 3), 0.25, np.float32),
        alpha=None,
        config=StylizeConfig(size=3),
        terms={"content": 1.0, "content_layers": {"relu4_2": float("inf")}},
        loss=1.5,
        steps=2,
        seconds=0.5,
        reason=Ending.STEPS,
        losses=[[2.0, 1.5]],
        record="{}",
        exif=b"\0\1",
    )
    _, found = map(Stylized.from_plain, processes.gather(made.as_plain()))
    assert found.reason is Ending.STEPS and found.config == made.config
    np.testing.assert_array_equal(found.image, made.image, strict=True)
    same = ("alpha", "terms", "loss", "steps", "seconds", "losses", "record", "exif")
    assert all(getattr(found, name) == getattr(made, name) for name in same)


def test_what_is_more_than_a_value_does_not_travel(both, monkeypatch):
    with pytest.raises(TypeError, match="StylizeConfig does not travel"):
        processes.gather([StylizeConfig()])

    class Evil:
        def __reduce__(self):
            return os.mkdir, ("unpickled",)

    message = pickle.dumps(Evil())
    monkeypatch.setattr("msgpack.packb", lambda *_, **__: message)
    try:
        processes.gather(None)
    except ValueError:
        pass  # as msgpack's own are
    assert not Path("unpickled").exists()
