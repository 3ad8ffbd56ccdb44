"""Every program of a run, lowered for the accelerators that nobody has at hand.

A run on the CPU is told that it is on a TPU, so that it goes the way it goes there; each program
it calls is noted with the shapes of its arguments, and then exported for TPU and CUDA. An export
fails at an operation that the platform lacks, and at calls that only this machine understands.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
from samples import landscape, random_network, waves

import jaxstyle
from jaxstyle import axis, stylize, sweep
from jaxstyle.network.architecture import VGG19
from jaxstyle.runtime.compiler_options import compiled
from jaxstyle.runtime.programs import Jitted

PLATFORMS = ("tpu", "cuda")
SHALLOW = {"content_layers": "relu2_1", "style_layers": "relu1_1,relu2_1"}
RUN: dict[str, Any] = {"size": 64, "levels": 1, "steps": 2}
STEP = {"_advance", "start", "know_style", "targets_of_styles"}
WHOLE = {*STEP, "content_targets"}
TILES = {"_on_each", "loss_and_slope", "targets_of_styles"}
RUNS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "Adam": ({**SHALLOW, "optimizer": "adam"}, WHOLE),
    "tiles": ({**SHALLOW, "strategy": "tiled", "tile": 32}, TILES),
    "a mesh": (
        {**SHALLOW, "content_layers": "relu1_1", "style_layers": "relu1_1", "mesh": "2x1"},
        {"_advance", "know_style_padded"},
    ),
    "other statistics": ({**SHALLOW, "statistic": "histogram+wasserstein"}, WHOLE),
    "the embedded network": ({}, WHOLE),
    "the full network in bfloat16": (
        {"network": random_network(VGG19), "size": 32, "precision": "bf16"},
        WHOLE,
    ),
}
Program = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


def spec(leaf: Any) -> Any:
    """The shape of an array, and where it lies if that is on several devices."""
    if not isinstance(leaf, jax.Array | np.ndarray):
        return leaf
    sharding = getattr(leaf, "sharding", None)
    divided = sharding is not None and sharding.num_devices > 1
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding if divided else None)


@pytest.fixture
def programs(monkeypatch) -> list[Program]:
    """What is called of the package's jitted functions from now on, on what it takes for a TPU."""
    called: list[Program] = []

    def noted(function: Any) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(args)):
                called.append((function, *jax.tree.map(spec, (args, kwargs))))
            return function(*args, **kwargs)

        return call

    def noted_and_compiled(function: Any, shapes: tuple[Any, ...], **options: Any) -> Any:
        called.append((jax.jit(function, **options), shapes, {}))
        return compiled(function, shapes, **options)

    names = (one.name for one in pkgutil.walk_packages(jaxstyle.__path__, "jaxstyle."))
    modules = [importlib.import_module(name) for name in names if not name.endswith("__main__")]
    callers: dict[int, Any] = {}
    for module in modules:
        for name, value in list(vars(module).items()):
            if isinstance(value, jax.stages.Wrapped | Jitted):
                caller = callers.setdefault(id(value), noted(value))
                monkeypatch.setattr(module, name, caller)
    monkeypatch.setattr("jaxstyle.optimize.vmapped_loop.compiled", noted_and_compiled)
    monkeypatch.setattr("jaxstyle.run.job.with_transformed_kernels", None)  # Winograd's: of CPUs
    monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
    return called


def exported(programs: list[Program]) -> set[str]:
    """Export each program once for each platform; the names of all."""
    names, keys = set(), set()
    for function, args, kwargs in programs:
        key = (id(function), str((args, kwargs)))
        if key in keys:
            continue
        keys.add(key)
        is_ours = isinstance(function, Jitted)
        jitted = function.of_shapes(args, kwargs) if is_ours else function
        names.add(jitted.__name__)
        for platform in PLATFORMS:
            text = jax.export.export(jitted, platforms=[platform])(*args, **kwargs).mlir_module()
            unwanted = re.search(r"[<x](f64|f16)>|callback", text)
            assert unwanted is None, (jitted.__name__, platform, unwanted)
    return names


@pytest.mark.parametrize("run", RUNS)
def test_a_run_lowers(programs, run):
    settings, expected = RUNS[run]
    stylize(landscape(48, 64), waves(48, 64), **{**RUN, **settings})
    assert exported(programs) >= expected


def test_a_sweep_lowers(programs):
    sweep(landscape(32, 48), waves(32, 48), [axis("style_weight", (1.0, 2.0))], **RUN, **SHALLOW)
    assert "_advance" in exported(programs)


def test_what_a_device_lacks_is_told(programs):
    def through_the_host(x: Any) -> Any:
        return jax.pure_callback(np.sin, jax.ShapeDtypeStruct(x.shape, x.dtype), x)

    with pytest.raises((AssertionError, ValueError, NotImplementedError)):
        exported([(jax.jit(through_the_host), (jax.ShapeDtypeStruct((2,), np.float32),), {})])
