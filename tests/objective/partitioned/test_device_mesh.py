"""One picture over eight devices: the numbers of one device, at an eighth of its memory."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax.sharding import NamedSharding, PartitionSpec
from samples import compilations, landscape, noise, random_network, waves

from jaxstyle.errors import InputError
from jaxstyle.network.weights import load_weights
from jaxstyle.objective.objective import Objective
from jaxstyle.objective.partitioned.device_mesh import (
    content_targets_sharded,
    evaluation_sharded,
    know_style_sharded,
    mesh_shape,
    parse_mesh,
    picture_mesh,
)
from jaxstyle.objective.partitioned.padded_objective import PaddedObjective
from jaxstyle.objective.pytrees import Model, Targets, Weights, make_weights, model_of
from jaxstyle.objective.targets import content_targets, style_targets, targets_of_styles
from jaxstyle.optimize import LBFGS, Adam, LoopOptions, Progress, Stopping, minimise
from jaxstyle.optimize.loop import _advance
from jaxstyle.optimize.loop import start as start_of
from jaxstyle.run.minimise import Spread, minimise_sharded

SMALL = Objective(("relu1_2", "conv2_1"), ("relu1_1", "pool1"))
DEEP = Objective(("conv2_2",), ("conv1_1", "conv2_1", "conv3_1"))
COLLECTIVE = re.compile(
    r" = (.*?) (all-gather|all-reduce|all-to-all|collective-permute|collective-broadcast"
    r"|reduce-scatter|ragged-all-to-all)(?:-start)?\("
)


class Problem(NamedTuple):
    """A picture and the arguments of an objective, on one device."""

    picture: jax.Array
    arguments: tuple[Model, Targets, Weights]
    style: jax.Array


def weights_of(objective: Objective) -> Weights:
    taps = objective.content_layers, objective.style_layers
    return make_weights(1.0, 1.0, 1.0, *(dict.fromkeys(names, 1.0) for names in taps))


@cache
def problem(objective: Objective, height: int, width: int) -> Problem:
    model = model_of(random_network())
    style = waves(41, 58)
    plain = replace(objective, padding="reflect")  # a style does not wrap
    targets = Targets(
        content_targets(objective, model, landscape(height, width)),
        style_targets(plain, model, style),
    )
    picture = (landscape(height, width) + noise(height, width)) / 2
    return Problem(picture, (model, targets, weights_of(objective)), style)


def collectives(program: str) -> list[tuple[str, tuple[int, ...]]]:
    """What devices send each other: the kind of every operation, and the shape of each result."""
    found = []
    for shapes, kind in COLLECTIVE.findall(program):
        for dimensions in re.findall(r"[a-z]+\d*\[([\d,]*)\]", shapes):
            found.append((kind, tuple(int(side) for side in dimensions.split(",") if side)))
    return found


def is_small(shape: tuple[int, ...], halo: int) -> bool:
    """A number, a Gram matrix, or no more than ``halo`` rows or columns of features or pixels."""
    if len(shape) < 2:
        return shape in ((), (1,))
    if len(shape) == 2:
        return shape[0] == shape[1]
    return min(shape[-3:-1]) <= halo


def check_collectives(program: Any, halo: int = 1) -> None:
    found = collectives(program.as_text())
    kinds = {kind for kind, _ in found}
    assert kinds == {"all-reduce", "collective-permute"}, found
    assert [entry for entry in found if not is_small(entry[1], halo)] == []


def compile_step(evaluate: Any, x: Any, arguments: Any, algorithm: Any) -> Any:
    state = start_of(x, algorithm=algorithm)
    lowered = _advance.lower(state, arguments, evaluate=evaluate, algorithm=algorithm, fused=1)
    return lowered.compile()


def difference(found: Any, expected: Any) -> float:
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    return float(np.linalg.norm(found - expected) / max(np.linalg.norm(expected), 1e-30))


CASES = [
    ("4x2", 80, 48, replace(SMALL, pooling="avg", padding="zeros", tv="l2")),
    ("4x2", 131, 91, Objective(("conv4_2",), ("relu1_1", "conv5_1"), pooling="max", tv="l1")),
    ("2x4", 51, 83, replace(SMALL, pooling="avg", padding="reflect", tv="l1")),
    ("8x1", 150, 33, replace(SMALL, pooling="max", padding="replicate", tv="l2")),
    ("2x2", 40, 44, replace(SMALL, pooling="avg", padding="circular", tv="l1")),
    # One row and one column on each device, and none on the last ones.
    ("4x2", 50, 32, Objective(("relu4_1",), ("conv5_1",), padding="reflect")),
]


@pytest.mark.parametrize(("mesh", "height", "width", "objective"), CASES)
def test_loss_and_gradient_are_those_of_one_device(mesh, height, width, objective):
    picture, arguments, _ = problem(objective, height, width)
    (loss, terms), gradient = jax.jit(objective)(picture, *arguments)

    evaluate, shared, placed = evaluation_sharded(objective, picture, arguments, parse_mesh(mesh))
    program: Any = jax.jit(evaluate).lower(shared, *placed).compile()
    (shared_loss, shared_terms), shared_gradient = program(shared, *placed)

    assert difference(shared_loss, loss) < 1e-5
    assert jax.tree.structure(shared_terms) == jax.tree.structure(terms)
    for found, expected in zip(*map(jax.tree.leaves, (shared_terms, terms)), strict=True):
        assert difference(found, expected) < 1e-5
    assert difference(shared_gradient[:height, :width], gradient) < 1e-5
    assert shared_gradient.sharding == shared.sharding
    assert shared_gradient.sharding.spec == PartitionSpec("height", "width")
    check_collectives(program)

    # Whatever the picture is continued by has no part in anything.
    inside = np.zeros(shared.shape, bool)
    inside[:height, :width] = True
    wild = np.where(inside, np.asarray(shared), np.float32(1e3))
    (wild_loss, _), wild_gradient = program(jax.device_put(wild, shared.sharding), *placed)
    assert wild_loss == shared_loss
    np.testing.assert_array_equal(wild_gradient, shared_gradient)
    assert not np.any(shared_gradient[height:]) and not np.any(shared_gradient[:, width:])


def test_targets_are_those_of_one_device():
    height, width = 53, 39
    _, (model, targets, _), style = problem(SMALL, height, width)
    mesh = parse_mesh("4x2")
    content = content_targets_sharded(SMALL, model, landscape(height, width), mesh)
    plain = replace(SMALL, padding="reflect")
    known = know_style_sharded(plain, model, np.asarray(style), mesh)
    styles = targets_of_styles(plain, (known,), jnp.zeros(()))
    for tap, expected in targets.content.items():
        rows, columns = expected.shape[:2]
        assert difference(content[tap][:rows, :columns], expected) < 1e-5
        assert not np.any(content[tap][rows:]) and not np.any(content[tap][:, columns:])
        assert content[tap].sharding == NamedSharding(mesh, PartitionSpec("height", "width"))
    for tap, expected in targets.style.items():
        assert difference(styles[tap][0]["gram"], expected[0]["gram"]) < 1e-5
        assert styles[tap][0]["gram"].sharding.is_fully_replicated


@pytest.mark.parametrize(
    ("algorithm", "fused"), [(LBFGS(3, bounds=(0.0, 1.0)), 1), (Adam(0.02), 3)], ids=["l", "a"]
)
def test_a_run_is_that_of_one_device(algorithm, fused):
    picture, arguments, _ = problem(SMALL, 53, 39)
    alone = minimise(SMALL, picture, arguments, algorithm, Stopping(6))
    before = compilations(_advance)
    told: list[tuple[Progress, np.ndarray]] = []
    options = LoopOptions(lambda progress: told.append((progress, progress.current())), fused)
    mesh = parse_mesh("4x2")
    shared = minimise_sharded(SMALL, picture, arguments, algorithm, Stopping(6), mesh, options)
    assert compilations(_advance) - before == len({fused, 1})  # 1: the loss of what is returned
    np.testing.assert_allclose(shared.values, alone.values, rtol=1e-4)
    np.testing.assert_allclose(shared.value, alone.value, rtol=1e-4)
    np.testing.assert_allclose(shared.x, alone.x, atol=1e-3)
    assert shared.x.shape == (53, 39, 3) and (shared.steps, shared.reason) == (6, "steps")
    assert len(set(shared.values)) == 6
    assert [progress.value for progress, _ in told] == shared.values
    np.testing.assert_array_equal(told[-1][1], shared.x)
    assert picture.shape == (53, 39, 3)  # the caller's own, still there
    if isinstance(algorithm, Adam):
        before, other = compilations(_advance), Adam(0.05, average=0.5)
        options = LoopOptions(steps_per_call=fused)
        shared = minimise_sharded(SMALL, picture, arguments, other, Stopping(3), mesh, options)
        assert compilations(_advance) == before
        alone = minimise(SMALL, picture, arguments, other, Stopping(3))
        np.testing.assert_allclose(shared.x, alone.x, atol=1e-3)


@pytest.mark.parametrize("algorithm", [LBFGS(4), Adam(0.02)], ids=["lbfgs", "adam"])
def test_the_state_of_the_optimiser_is_shared_from_the_start(algorithm):
    picture, arguments, _ = problem(SMALL, 64, 48)
    evaluate, shared, placed = evaluation_sharded(SMALL, picture, arguments, parse_mesh("4x2"))
    spread = Spread(algorithm, parse_mesh("4x2"), shared.shape[:2])
    state = start_of(shared, algorithm=spread)
    program = compile_step(evaluate, shared, placed, spread)
    for leaf in jax.tree.leaves(state):
        if leaf.ndim >= 3:
            assert leaf.sharding.shard_shape(leaf.shape)[-3:] == (16, 24, 3)
        else:
            assert leaf.sharding.is_fully_replicated
    after, _ = program.output_shardings
    assert jax.tree.map(lambda leaf: leaf.sharding.spec, state) == jax.tree.map(
        lambda place: place.spec, after
    )
    # Nothing of it was ever whole on one device.
    start: Any = start_of.lower(shared, algorithm=spread).compile().memory_analysis()
    held = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
    assert start.output_size_in_bytes + start.temp_size_in_bytes < 1.1 * held / 8 + 1000
    check_collectives(program)


def test_each_device_needs_an_eighth_of_the_memory():
    """The step of the slim network, 512 px; nothing is run."""
    network, algorithm = load_weights("slim").upto("conv3_1"), LBFGS(5, bounds=(0.0, 1.0))
    picture = np.zeros((512, 512, 3), np.float32)
    width = network.architecture.width
    targets = Targets(
        {"conv2_2": jnp.zeros((256, 256, width("conv2_2")))},
        {tap: ({"gram": jnp.zeros((width(tap), width(tap)))},) for tap in DEEP.style_layers},
    )
    arguments = model_of(network), targets, weights_of(DEEP)
    whole = compile_step(DEEP, jnp.asarray(picture), arguments, algorithm).memory_analysis()
    evaluate, shared, placed = evaluation_sharded(DEEP, picture, arguments, parse_mesh("4x2"))
    spread = Spread(algorithm, parse_mesh("4x2"), shared.shape[:2])
    program = compile_step(evaluate, shared, placed, spread)
    part = program.memory_analysis()
    assert part.temp_size_in_bytes < 1.3 / 8 * whole.temp_size_in_bytes
    check_collectives(program)


def test_the_search_for_collectives_finds_them():
    mesh = parse_mesh("4x2")
    place = NamedSharding(mesh, PartitionSpec("height", "width"))
    x = jax.ShapeDtypeStruct((64, 48, 16), jnp.float32, sharding=place)
    rows = jax.jit(lambda x: jnp.cos(x).reshape(-1, 16)[::-1].T @ jnp.sin(x).reshape(-1, 16))
    program: Any = rows.lower(x).compile()
    assert [shape for kind, shape in collectives(program.as_text()) if kind == "all-gather"] != []
    with pytest.raises(AssertionError):
        check_collectives(program, halo=8)


def test_all_processes_end_together():
    """``agree`` has the last word."""
    heard: list[str | None] = []

    def agree(reason: str | None) -> str | None:
        heard.append(reason)
        return "interrupted" if len(heard) == 3 else None

    picture, arguments, _ = problem(SMALL, 32, 24)
    options = LoopOptions(agree=agree)
    found = minimise(SMALL, picture, arguments, Adam(), Stopping(5), options)
    assert (found.steps, found.reason) == (2, "interrupted")
    assert heard == [None, None, None]


@given(
    st.integers(16, 500),
    st.integers(16, 500),
    st.sampled_from(["conv1_1", "relu3_1", "conv5_1", "pool4"]),
    st.sampled_from([(1, 1), (4, 2), (2, 4), (8, 1), (1, 8), (3, 2)]),
)
def test_padded_sides_are_the_least_that_divide_at_every_octave(height, width, tap, shape):
    rows, columns = PaddedObjective(
        Objective((tap,), ()), height, width, picture_mesh(*shape)
    ).shape
    step = 2 ** {"conv1_1": 0, "relu3_1": 2, "conv5_1": 4, "pool4": 4}[tap]
    for side, whole, parts in ((height, rows, shape[0]), (width, columns, shape[1])):
        assert whole % (parts * step) == 0
        assert side <= whole < side + parts * step


def test_a_mesh_is_rows_by_columns():
    mesh = parse_mesh(" 4X2 ")
    assert mesh.shape == {"height": 4, "width": 2}
    assert list(mesh.devices.flat) == jax.devices()
    assert mesh_shape("16x32") == (16, 32)
    assert parse_mesh("1x2").devices.size == 2


@pytest.mark.parametrize("text", ["", "4", "x2", "4x", "4x2x1", "0x8", "-1x8", "axb", "2.0x4"])
def test_other_words_for_a_mesh_are_refused(text):
    with pytest.raises(InputError, match=r"mesh is .*: write ROWSxCOLUMNS, such as 4x2"):
        parse_mesh(text)


def test_a_mesh_of_more_devices_than_there_are_is_refused():
    with pytest.raises(InputError, match=r"mesh 3x3 needs 9 devices, but there are 8 \(cpu\)"):
        parse_mesh("3x3")
    with pytest.raises(InputError, match=r"mesh 2x1 needs 2 devices, but there is 1 \(cpu\)"):
        parse_mesh("2x1", jax.devices()[:1])


def test_a_mesh_leaves_no_process_without_work():
    devices = [SimpleNamespace(process_index=i // 2, platform="gpu") for i in range(4)]
    with pytest.raises(InputError, match="mesh 2x1 leaves a process without work: give one of all"):
        picture_mesh(2, 1, devices)


def test_a_picture_that_wraps_must_fit():
    objective = replace(SMALL, padding="circular")
    picture, arguments, _ = problem(objective, 32, 20)
    expected = "size is 20x32: on a mesh of 2x4, a picture that wraps needs a width that is a "
    with pytest.raises(InputError, match=expected + "multiple of 8 px and a height that is one of"):
        evaluation_sharded(objective, picture, arguments, parse_mesh("2x4"))


def test_content_of_another_size_is_refused():
    _, arguments, _ = problem(SMALL, 64, 48)
    with pytest.raises(InputError, match=r"content target of relu1_2 has shape \(64, 48, 4\), wh"):
        evaluation_sharded(SMALL, landscape(80, 48), arguments, parse_mesh("2x2"))
