"""``bench.py optimise``, ``pyramid`` and ``precision``: each at its smallest, and what they say."""

# pyright: reportMissingImports=false
from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

sys.path.insert(0, str(ROOT / "scripts" / "benchmarks"))

import optimise_jaxstyle
import precision_worker
import problem
import pyramid_worker
import section_optimise
import section_precision
import section_pyramid
import structure
import workers
from section import Section

from jaxstyle import stylize
from jaxstyle.optimize import LBFGS, Adam
from jaxstyle.optimize.snapshot import named

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is the peer"
)
SHALLOW = {"content_layers": "relu2_1", "style_layers": "relu1_1,relu2_1"}
"""Compiles quickly, and allows small pictures."""


def options_of(section: Section, *words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    section.add_options(parser)
    return parser.parse_args(words)


def width_of(file: Path) -> int:
    with Image.open(file) as picture:
        return picture.size[0]


def here(worker, script: str):
    """``workers.answer``, but one of the workers runs in this process, which is quicker."""

    def answer(name, asked, environment=None):
        if name == script:
            return worker.run(asked)
        return workers.answer(name, asked, {**(environment or {}), "OMP_NUM_THREADS": "1"})

    return answer


@needs_torch
def test_optimisers_begin_with_the_same_loss_and_go_down(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(section_optimise, "COMMON", {**section_optimise.COMMON, **SHALLOW})
    monkeypatch.setattr(section_optimise, "MARKS", (1, 3))
    left_out = ("L-BFGS, 100 pairs", "Adam", "scipy L-BFGS-B")  # to be quicker
    sides = {k: side for k, side in section_optimise.SIDES.items() if k not in left_out}
    monkeypatch.setattr(section_optimise, "SIDES", sides)
    monkeypatch.setattr(section_optimise, "OURS", (section_optimise.DEFAULT,))
    answer = here(optimise_jaxstyle, "optimise_jaxstyle.py")
    monkeypatch.setattr(section_optimise, "answer", answer)
    plot = tmp_path / "optimise.png"
    words = ("--size", "48", "--evaluations", "4", "--starts", "noise", "--picture", str(plot))
    rows = section_optimise.measure(options_of(section_optimise.SECTION, *words))
    assert [row["optimiser"] for row in rows] == list(section_optimise.SIDES)
    peer = next(row for row in rows if row["optimiser"] == section_optimise.PEER)
    for row in rows:
        assert row["evaluations"] == 4
        assert row["first_loss_difference"] < 1e-5
        assert row["loss_1"] == row["first_loss"] > row["loss_3"]
        assert row["diverged"] == "no"
    assert 1 < peer["evaluations_to_near"] <= peer["evaluations_to_peer"] <= 4
    assert peer["seconds_to_peer"] <= peer["seconds"]
    assert width_of(plot) > 300
    assert len(section_optimise.verdicts(rows)) == 6


def test_a_worker_runs_in_a_process_of_its_own():
    config = {**section_optimise.COMMON, **SHALLOW, "size": 48}
    asked = {
        "content": str(section_optimise.CONTENT),
        "style": str(section_optimise.STYLE),
        "config": config,
        "init": "content",
        "optimizer": "scipy",
        "history": 10,
        "evaluations": 2,
    }
    found = workers.answer("optimise_jaxstyle.py", asked)
    assert found["losses"] == pytest.approx(optimise_jaxstyle.run(asked)["losses"], rel=1e-5)
    assert found["times"] == sorted(found["times"])


def test_sides_that_compute_something_else_are_refused():
    section_optimise._check_same("noise", {section_optimise.PEER: 2.0, "Adam": 2.00001})
    with pytest.raises(workers.WorkerFailed, match=r"Adam begins with a loss of 2\.1"):
        section_optimise._check_same("noise", {section_optimise.PEER: 2.0, "Adam": 2.1})


def optimiser_rows(**evaluations: int | None) -> list[dict]:
    found = dict.fromkeys((*section_optimise.OURS, section_optimise.PEER_SHORT))
    found |= {section_optimise.PEER: 180, **evaluations}
    return [
        {
            "start": "noise",
            "optimiser": name,
            "evaluations_to_near": None if value is None else value - 50,
            "seconds_to_near": None if value is None else value / 20,
            "evaluations_to_peer": value,
            "seconds_to_peer": None if value is None else value / 10,
            "diverged": "yes" if name == "Adam" else "no",
            "lowest": 1.0 if value is None else 0.9,
        }
        for name, value in found.items()
    ]


def test_verdicts_on_optimisers():
    quick = section_optimise.verdicts(optimiser_rows(Adam=150, **{"L-BFGS": 90}))
    assert quick[0].endswith("L-BFGS, 40 against 130 evaluations, reached")
    assert quick[1].endswith("L-BFGS, 4.5 against 9 seconds, reached")
    assert quick[2].endswith("L-BFGS, 90 against 180 evaluations, reached")
    assert quick[3].endswith("L-BFGS, 9 against 18 seconds, reached")
    assert quick[4].endswith("0.9 against 1, reached")
    assert quick[5].endswith("Adam, not reached")
    slow = section_optimise.verdicts(optimiser_rows(Adam=190))
    assert slow[2].endswith("Adam, 190 against 180 evaluations, not reached")
    better = section_optimise.verdicts(optimiser_rows(**{section_optimise.PEER_SHORT: 170}))
    assert better[4].endswith("1 against 0.9, not reached")
    never = section_optimise.verdicts(optimiser_rows())
    assert never[0].endswith("never by any of ours, not reached")


@pytest.fixture
def small_pyramid(monkeypatch):
    monkeypatch.setattr(section_pyramid, "COMMON", SHALLOW)
    answer = here(pyramid_worker, "pyramid_worker.py")
    monkeypatch.setattr(section_pyramid, "answer", answer)


def test_the_pyramid_is_timed_and_its_structures_measured(small_pyramid, tmp_path: Path):
    picture = tmp_path / "pyramid.png"
    words = ("--size", "136", "--small", "96", "--steps", "2", "--parts", "cost")
    words += ("--picture", str(picture))
    rows = section_pyramid.measure(options_of(section_pyramid.SECTION, *words))
    cost = {row["variant"]: row for row in rows if row["part"] == section_pyramid.COST}
    assert [row["levels"] for row in cost.values()] == [1, 2, 2, 2]
    full = [row["full_evaluations"] for row in cost.values()]
    assert full == pytest.approx([2, 3, 3, 3], rel=0.01)
    assert cost[section_pyramid.SINGLE]["ratio"] == 1
    for row in cost.values():
        assert 0 <= row["compile_seconds"] < row["seconds"]
    assert cost[section_pyramid.SINGLE]["compile_seconds"] > 0
    structures = [row for row in rows if row["part"] == section_pyramid.STRUCTURES]
    assert [row["size"] for row in structures] == [136, 136, 136, 136, 96, 96]
    reference = structures[4]
    assert reference["large_to_small"] == 1
    for row in structures:
        parts = row["band_4"] + row["band_8"] + row["band_16"]
        assert row["large"] == pytest.approx(parts)
        assert row["large_to_small"] == pytest.approx(row["large"] / reference["large"])
    assert width_of(picture) > 3 * 136
    assert len(section_pyramid.verdicts(rows)) == 7


def test_schedules_make_as_many_steps_as_they_say(small_pyramid):
    words = ("--schedule-size", "96", "--schedule-steps", "4", "--schedule-levels", "2")
    rows = section_pyramid.measure(
        options_of(section_pyramid.SECTION, *words, "--parts", "schedule")
    )
    for row in rows:
        assert row["loss"] <= row["middle"] * 1.0001 <= row["early"] * 1.0002
        assert row["levels"] in (1, 2)
    octaves = [row for row in rows if row["part"] == section_pyramid.OCTAVES]
    default, tapered, _, more, single = (row["full_evaluations"] for row in octaves)
    assert default == pytest.approx(6, rel=0.02)
    assert tapered == pytest.approx(4, rel=0.02)
    assert more == pytest.approx(default, abs=1)
    assert single == 6
    assert all(row["large"] > 0 for row in octaves)
    losses = {row["variant"]: row["loss"] for row in rows if "dropped" in row["variant"]}
    assert losses["L-BFGS, dropped"] == octaves[0]["loss"]
    assert len(section_pyramid.verdicts(rows)) == 4


def test_a_run_with_the_librarys_choices_is_that_of_stylize(tmp_path: Path):
    config = {**SHALLOW, "size": 96, "levels": 2, "steps": 3}
    content, style = section_pyramid.CONTENT, section_pyramid.STYLE
    asked = {
        "content": content,
        "style": style,
        "config": config,
        "factors": (),
        "optimizers": ("lbfgs", "lbfgs"),
        "history_last": 0,
        "last_steps": 0,
        "carry": False,
        "result": str(tmp_path / "result.npz"),
    }
    found = pyramid_worker.run(asked)
    result = stylize(content, style, weights="slim", **config)
    assert found["losses"] == result.losses[-1]
    np.testing.assert_array_equal(np.load(asked["result"])["result"], result.image)


@pytest.mark.parametrize("algorithm", [LBFGS(history=3), Adam()], ids=["L-BFGS", "Adam"])
def test_what_is_carried_to_a_level_of_the_same_size_is_the_same(algorithm):
    rng = np.random.default_rng(0)
    x = rng.random((8, 6, 3), np.float32)
    state = algorithm.init(jnp.asarray(x))
    for value in (3.0, 2.0, 1.0):
        gradient = (state.trial - x.mean()) * jnp.float32(0.1)
        state = algorithm.update(state, jnp.float32(value), gradient)
    old = {name: np.array(leaf) for name, leaf in named(state).items()}
    new = pyramid_worker.carried(algorithm, old, x)
    kept = [name for name in old if name.split(".")[-1] in ("mu", "nu", "count", "moves", "turns")]
    kept += [name for name in ("curvature", "scale", "newest") if name in old]
    assert len(kept) >= 3
    for name in kept:
        np.testing.assert_allclose(new[name], old[name], rtol=1e-4)
    np.testing.assert_array_equal(new["trial"], x)


def test_carried_pairs_keep_their_curvature():
    """Twice the sides: four times the terms of <s, y>, each a quarter as large."""
    algorithm = LBFGS(history=2)
    old = {name: np.array(v) for name, v in named(algorithm.init(jnp.zeros((4, 4, 3)))).items()}
    old["moves"][1], old["turns"][1], old["curvature"][1] = 0.5, 0.25, 1 / (0.125 * 48)
    old["newest"] = np.asarray(1, np.int32)
    new = pyramid_worker.carried(algorithm, old, np.zeros((8, 8, 3), np.float32))
    np.testing.assert_allclose(new["curvature"], old["curvature"], rtol=1e-5)
    assert new["moves"].shape == (2, 8, 8, 3)
    assert new["scale"] == pytest.approx(0.5 / (0.25 / 4))


@pytest.mark.parametrize("size", [(64, 96), (128, 192)])
def test_energy_is_found_at_its_frequency_whatever_the_size(size):
    height, width = size
    wave = 0.1 * np.sin(2 * np.pi * 20 * np.arange(width) / width)
    content = np.full((height, width, 3), 0.5, np.float32)
    result = (content + wave[None, :, None]).astype(np.float32)
    energy = structure.added_energy(result, content)
    assert energy[2] == pytest.approx(0.005, rel=1e-3)  # 16 to 32 cycles
    assert energy.sum() == pytest.approx(energy[2], rel=1e-3)
    assert structure.large(energy) == pytest.approx(0.005, rel=1e-3)


def pyramid_rows(ratio: float, same: float | None, share: float, kept: float) -> list[dict]:
    default, root, octave, single = (
        section_pyramid.DEFAULT,
        section_pyramid.ROOT,
        section_pyramid.MIXED,
        section_pyramid.SINGLE,
    )
    cost = [
        {"variant": name, "ratio": ratio, "ratio_to_same_loss": same}
        for name in (single, default, root, octave)
    ]
    structures = [
        {"variant": default, "size": 1024, "large_to_small": share},
        {"variant": single, "size": 1024, "large_to_small": 0.3},
        {"variant": default, "size": 256, "large_to_small": 1.0},
    ]
    carried = [
        {"variant": f"{name}, {what}", "loss": loss}
        for name in ("L-BFGS", "Adam")
        for what, loss in (("dropped", 1.0), ("carried", kept))
    ]
    schedules = [{"variant": "default", "loss": 1.0}, {"variant": "other", "loss": kept}]
    parts = zip(
        section_pyramid._ORDER, (cost, structures, carried, schedules, schedules), strict=True
    )
    return [{"part": part, **row} for part, rows in parts for row in rows]


def test_verdicts_on_the_pyramid():
    good = section_pyramid.verdicts(pyramid_rows(1.4, 1.2, 0.9, 1.1))
    assert len(good) == 11
    assert all(sentence.endswith(", reached") for sentence in good)
    assert good[6].endswith("90%, a single scale 30%, reached")
    bad = section_pyramid.verdicts(pyramid_rows(2.0, None, 0.5, 0.9))
    assert len(bad) == 11
    assert all(sentence.endswith(", not reached") for sentence in bad)
    assert "never" in bad[3]


def test_precisions_are_in_order(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(problem, "CONTENT", "relu1_2")
    monkeypatch.setattr(problem, "STYLE", ("relu1_1",))
    answer = here(precision_worker, "precision_worker.py")
    monkeypatch.setattr(section_precision, "answer", answer)
    words = ("--networks", "slim", "--sizes", "48")
    rows = section_precision.measure(options_of(section_precision.SECTION, *words))
    errors = {row["precision"]: row["gradient_error"] for row in rows}
    assert errors["highest"] == errors["high"] == errors["default"] < 1e-5
    assert errors["highest"] <= errors["Winograd, all layers"] < 1e-4
    three, one = (errors[f"bfloat16 operands, {n}"] for n in ("three passes", "one pass"))
    assert errors["highest"] < three < errors["TF32"] < one < 0.2
    assert 1e-3 < errors["bf16"] < 0.2
    if section_precision.PEER in errors:
        assert errors[section_precision.PEER] < 1e-5
    for row in rows:
        assert (row["same_as_highest"] == "yes") == (row["precision"] in section_precision.FLOAT32)
    assert len(section_precision.verdicts(rows)) >= 3


def test_a_painting_is_looked_at_twice(monkeypatch):
    case = precision_worker.painting(
        str(section_precision.CONTENT), str(section_precision.STYLE), 32, 2, **SHALLOW
    )
    start, later = case.points.values()
    assert list(case.points) == ["content", "after 2 steps"]
    np.testing.assert_array_equal(start, case.content)
    assert np.abs(later - start).max() > 0.01


def test_rounding_to_float32_changes_nothing_and_to_less_both_ways():
    rng = np.random.default_rng(0)
    x, kernel = (
        jnp.asarray(rng.standard_normal(s), jnp.float32) for s in ((1, 8, 8, 4), (3, 3, 4, 5))
    )

    def loss(x):
        layout = ("NHWC", "HWIO", "NHWC")
        y = jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=layout)
        return jnp.sum(jnp.square(y))

    plain = jax.value_and_grad(loss)(x)
    with precision_worker.rounding(23):
        same = jax.value_and_grad(loss)(x)
    with precision_worker.rounding(precision_worker.BF16):
        less = jax.value_and_grad(loss)(x)
    np.testing.assert_allclose(same[0], plain[0], rtol=1e-6)
    np.testing.assert_allclose(same[1], plain[1], rtol=1e-5, atol=1e-5)
    change = np.linalg.norm(less[1] - plain[1]) / np.linalg.norm(plain[1])
    assert 1e-4 < change < 2e-2


def precision_rows(error: float, same: bool) -> list[dict]:
    where = {"network": "slim", "size": 128, "at": "noise"}
    names = (*section_precision.FLOAT32, "bf16", "Winograd, wide layers")
    rows = [
        {**where, "precision": name, "gradient_error": error, "same_bits": same} for name in names
    ]
    return [*rows, {**where, "precision": section_precision.PEER, "gradient_error": 1e-6}]


def test_verdicts_on_precision():
    good = section_precision.verdicts(precision_rows(1.5e-6, True))
    bad = section_precision.verdicts(precision_rows(0.5, False))
    assert len(good) == len(bad) == 5
    assert all(sentence.endswith(", reached") for sentence in good)
    assert all(sentence.endswith(", not reached") for sentence in bad)
