"""How ``scripts/bench.py`` keeps figures and asks processes, with workers that are made up."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time

import numpy as np
import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "scripts"))
sys.path.insert(0, str(ROOT / "scripts" / "benchmarks"))

import bench
import page
import section_gpu
from keeping import UNREACHED, merged, numbered
from section import Section, no_options, no_verdicts
from turns import Taken, take_turns
from workers import Limit, WorkerFailed, WorkerLate, _reason, answer

FAILURE = """\
Traceback (most recent call last):
  File "worker.py", line 3, in <module>
    step()
jaxlib._jax.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 bytes.
  0: somewhere
--------------------
For simplicity, JAX has removed its internal frames from the traceback of the following exception.
"""


def script(folder, name: str, text: str) -> str:
    path = folder / name
    path.write_text("import json, sys, time\n" + text)
    return str(path)


def test_the_line_that_names_the_error_is_passed_on(tmp_path):
    assert _reason(FAILURE).startswith("jaxlib._jax.XlaRuntimeError: RESOURCE_EXHAUSTED")
    assert _reason("one\ntwo\n\n") == "two"
    assert _reason("a.b.BackendCompilerFailed: no\nwhy\n") == "a.b.BackendCompilerFailed: no"
    failing = script(tmp_path, "failing.py", f"sys.stderr.write({FAILURE!r}); sys.exit(3)")
    with pytest.raises(WorkerFailed, match=r"ended with 3: jaxlib.*trying to allocate 9 bytes\.$"):
        answer(failing, {})


def test_an_answer_counts_only_from_a_process_that_ends_well(tmp_path):
    assert answer(script(tmp_path, "good.py", "print('x'); print(json.dumps({'a': 1}))"), {}) == {
        "a": 1
    }
    ending_badly = script(tmp_path, "bad.py", "print(json.dumps({'a': 1}), flush=True); 1 / 0")
    with pytest.raises(WorkerFailed, match="ZeroDivisionError"):
        answer(ending_badly, {})


def test_a_worker_that_takes_too_long_says_where_it_was(tmp_path):
    # With a process of its own, such as a compiler, that holds its output open.
    own = "import subprocess\nsubprocess.Popen(['sleep', '60'])\n"
    text = f"{own}print(json.dumps({{'at': 'work'}}), flush=True)\ninput()"
    slow = script(tmp_path, "slow.py", text)
    started = time.monotonic()
    with pytest.raises(WorkerLate, match=r"slow\.py stopped after 1 s") as stopped:
        answer(slow, {}, limit=Limit(1.0))
    assert time.monotonic() - started < 30
    assert stopped.value.at == "work"
    if sys.platform == "linux":
        assert stopped.value.peak is not None and stopped.value.peak > 2**20


def test_a_limit_is_the_earlier_of_its_two():
    assert Limit(5.0).seconds() == 5.0
    assert Limit(5.0, time.monotonic() + 2).seconds() == pytest.approx(2, abs=0.2)
    assert Limit(5.0, time.monotonic() - 2).seconds() == 0.1


SIDE = """
import numpy
asked = json.loads(sys.argv[1])
print(json.dumps({"first_step_seconds": 1.0}), flush=True)
for count, line in enumerate(sys.stdin):
    if not line.startswith("step"):
        break
    if count == asked["fails_at"]:
        raise MemoryError("all of it")
    print(json.dumps({"seconds": 2.0}), flush=True)
numpy.save(asked["file"], numpy.ones((2, 2, 3)))
print(json.dumps({"loss": 1.0, "peak": 1, "device_peak": None}), flush=True)
"""


def test_a_side_that_fails_in_a_turn_ends_only_itself(tmp_path):
    side = script(tmp_path, "side.py", SIDE)
    taken = take_turns({"a": (side, {"fails_at": 1}), "b": (side, {"fails_at": -1})}, 3, inner=2)
    assert list(taken) == ["a", "b"]
    assert taken["a"].error is not None
    assert taken["a"].error.endswith("ended with 1: MemoryError: all of it")
    assert not taken["a"].late
    assert taken["b"].times == [1.0, 1.0, 1.0]
    assert taken["b"].gradient.shape == (2, 2, 3)


def made_up(rows) -> Section:
    return Section(
        name="made-up",
        title="Made up",
        about="About it.",
        columns={"case": "case", "seconds": "s", "note": "note"},
        add_options=no_options,
        measure=rows,
        verdicts=no_verdicts,
        key=lambda row: (row["case"],),
    )


def kept(*rows: dict, date: str) -> dict:
    machine = {"cpu": f"of {date}", "cores": 2, "memory_gib": 1.0, "load": 0.0}
    return {"machine": machine, "date": date, "command": f"on {date}", "rows": list(rows)}


def test_rows_of_several_measurements_keep_their_circumstances():
    section = made_up(list)
    first = kept({"case": 1, "seconds": 1.0}, {"case": 2, "seconds": 2.0}, date="one")
    second = merged(first, kept({"case": 2, "seconds": 3.0}, date="two"), section.key)
    third = merged(second, kept({"case": 3, "seconds": 4.0}, date="three"), section.key)
    assert [(row["case"], row["seconds"], row["measurement"]) for row in numbered(third)] == [
        (1, 1.0, 1),
        (2, 3.0, 2),
        (3, 4.0, 3),
    ]
    text = page.render([section], {"made-up": third})
    assert "| case | s | measured in |" in text
    for number, date in enumerate(("one", "two", "three"), start=1):
        assert f"<sub>{number}: of {date}, 2 cores" in text
    # What no row is left of goes.
    fourth = merged(third, kept({"case": 2, "seconds": 5.0}, date="four"), section.key)
    assert [old["date"] for old in fourth["earlier"]] == ["one", "three"]
    assert [row["measurement"] for row in numbered(fourth)] == [1, 3, 2]
    anew = merged(third, kept({"case": 2, "seconds": 5.0}, date="four"), section.key, replace=True)
    assert anew == kept({"case": 2, "seconds": 5.0}, date="four")
    assert "measured in" not in page.render([section], {"made-up": anew})


def test_what_was_not_reached_takes_no_measured_place():
    section = made_up(list)
    unreached = {"case": 1, "note": "no time", UNREACHED: True}
    first = merged(None, kept(unreached, date="one"), section.key)
    second = merged(first, kept({"case": 1, "seconds": 1.0}, date="two"), section.key)
    assert second["rows"] == [{"case": 1, "seconds": 1.0}]
    third = merged(second, kept(unreached, date="three"), section.key)
    assert [row["seconds"] for row in third["rows"]] == [1.0]
    assert third["earlier"][0]["date"] == "two"


def test_rows_are_kept_as_they_come(tmp_path, monkeypatch, capsys):
    def failing(_: argparse.Namespace):
        yield {"case": 1, "seconds": 1.0}
        raise WorkerFailed("it broke")

    section = made_up(failing)
    monkeypatch.setattr(bench, "section_names", lambda: ["made-up"])
    monkeypatch.setattr(bench, "load", lambda _: [section])
    monkeypatch.setattr(bench, "load_of_others", lambda: 0.0)
    words = ["made-up", "--keep", "--into", str(tmp_path)]
    assert bench.main(words) == 1
    assert "made-up: it broke" in capsys.readouterr().err
    path = tmp_path / "benchmarks" / "made-up.json"
    found = json.loads(path.read_text())
    assert found["rows"] == [{"case": 1, "seconds": 1.0}]
    assert found["command"] == "python scripts/bench.py made-up"

    more = section._replace(measure=lambda _: [{"case": 2, "seconds": 2.0}])
    monkeypatch.setattr(bench, "load", lambda _: [more])
    assert bench.main(words) == 0
    assert [row["case"] for row in json.loads(path.read_text())["rows"]] == [1, 2]
    assert bench.main([*words, "--replace"]) == 0
    assert [row["case"] for row in json.loads(path.read_text())["rows"]] == [2]


def test_the_page_can_be_made_of_what_is_committed(tmp_path):
    shutil.copytree(ROOT / "examples" / "benchmarks", tmp_path / "benchmarks")
    assert bench.main(["page", "--into", str(tmp_path)]) == 0
    text = (tmp_path / "BENCHMARKS.md").read_text(encoding="utf-8")
    for section in bench.load(bench.section_names()):
        body = text.partition(f"\n## {section.title}\n")[2].partition("\n## ")[0]
        measured = (tmp_path / "benchmarks" / f"{section.name}.json").exists()
        assert ("<sub>" in body) == measured
        assert ("Not measured: run" in body) != measured


def gpu(monkeypatch, words: str, seconds: float = 0.0) -> tuple[list[dict], list[tuple]]:
    """The rows as they are given, and what was asked for in which order; no process is started."""
    asked_for = []

    def take(sides, repeats, **_):
        time.sleep(seconds)
        ((side, (_, asked)),) = sides.items()
        asked_for.append((asked["size"], asked["precision"], side))
        if asked["precision"] == "high" and side == "jaxstyle":
            return {side: Taken([], {"error": "out of memory"}, {}, np.empty(0))}
        step = 1.0 if side == "jaxstyle" else 3.0
        end = {"loss": 1.0, "peak": 2**20, "device_peak": None}
        ready = {"first_step_seconds": 1.0}
        return {side: Taken([step] * repeats, ready, end, np.full((1, 1, 3), step))}

    def answered(name, asked, *_):
        if name == "matrix_product.py":
            if asked["side"] == "PyTorch":
                raise WorkerFailed("no multiplication")
            return {"seconds": dict.fromkeys(asked["precisions"], 1e-3)}
        asked_for.append((asked["size"], asked["precision"], asked["optimizer"]))
        return {"seconds": 1.0, "first_seconds": 2.0, "loss": 1.0}

    machine = section_gpu.Machine(None, "cuda", True, "a card")
    monkeypatch.setattr(section_gpu, "find", lambda _: machine)
    monkeypatch.setattr(section_gpu, "take_turns", take)
    monkeypatch.setattr(section_gpu, "answer", answered)
    parser = argparse.ArgumentParser()
    section_gpu.add_options(parser)
    return list(section_gpu.measure(parser.parse_args(words.split()))), asked_for


def final(rows: list[dict]) -> list[dict]:
    found: list[dict] = []
    for row in rows:
        bench.put(found, row, section_gpu.key)
    return found


def test_a_gpu_measures_what_matters_most_first(monkeypatch):
    rows, order = gpu(monkeypatch, "--precisions highest high bf16 --optimizers adam")
    assert order[:6] == [
        (512, precision, side)
        for precision in ("highest", "high", "bf16")
        for side in ("jaxstyle", "PyTorch eager")
    ]
    assert [side for _, _, side in order[6:12]] == (
        ["torch.compile"] * 3 + ["torch.compile, CUDA graphs"] * 3
    )
    assert order[12] == (2048, "bf16", "jaxstyle")
    assert [one[2] for one in order[24:]] == ["adam"] * 3
    # Until it is measured each row says that there was no time for it.
    assert all(row[UNREACHED] for row in rows[: len(final(rows))])
    found = final(rows)
    assert not any(row.get(UNREACHED) for row in found)
    by_key = {(row["what"], row.get("size"), row["precision"], row["side"]): row for row in found}
    what = "Products of two matrices, 8192 x 8192"
    assert by_key[what, None, "bf16", "PyTorch"]["note"] == "no multiplication"
    eager = by_key["One step", 512, "highest", "PyTorch eager"]
    assert eager["speedup"] == 3.0
    assert eager["gradient_error"] == 0
    ours = by_key["One step", 512, "highest", "jaxstyle"]
    assert ours["gradient_error"] > 0  # given anew when there was something to compare with
    assert ours["share"] == pytest.approx(ours["floor_seconds"])
    failed = by_key["One step", 512, "high", "jaxstyle"]
    assert failed["note"] == "out of memory"
    assert "speedup" not in by_key["One step", 512, "high", "PyTorch eager"]
    told = section_gpu.verdicts(found)
    assert any("full net, 512 px, TF32" in one and "not measured, out of me" in one for one in told)


def test_what_a_gpu_was_not_lent_long_enough_for_is_said(monkeypatch):
    monkeypatch.setattr(section_gpu, "LEAST_SECONDS", 0.0)
    words = "--precisions bf16 --peers eager --sizes 512 --optimizers adam --minutes 0.001"
    rows, order = gpu(monkeypatch, words, seconds=0.1)
    assert order == [(512, "bf16", "jaxstyle")]
    unreached = [row["side"] for row in final(rows) if row.get(UNREACHED)]
    assert unreached == ["PyTorch eager", "adam"]
    assert final(rows)[-1]["note"] == "no time for it within 0.001 minutes"
    told = section_gpu.verdicts(final(rows))
    assert [one.partition(": ")[2] for one in told][-1].startswith("not measured, no time for it")
