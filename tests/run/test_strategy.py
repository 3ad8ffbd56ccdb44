"""Whole or tiled: what a run needs is known before, and what is chosen gives the same picture."""

from __future__ import annotations

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxstyle import StylizeConfig, images, stylize
from jaxstyle.cli.main import main
from jaxstyle.display.progress import LevelProgress
from jaxstyle.errors import InputError
from jaxstyle.network.architecture import VGG19, VGG19_SLIM
from jaxstyle.objective.pytrees import Targets, model_of
from jaxstyle.objective.targets import content_targets, style_targets
from jaxstyle.optimize.loop import _advance
from jaxstyle.pipelines.chunks import Limits
from jaxstyle.pipelines.sweep import sweep
from jaxstyle.run import minimise
from jaxstyle.run.job import algorithm_of, objective_of, weights_of
from jaxstyle.run.memory_estimate import (
    HOST_PICTURES_WHOLE,
    PICTURE,
    PROCESS,
    state_pictures,
    tiled_bytes,
    whole_bytes,
)
from jaxstyle.run.prepare import prepare
from jaxstyle.run.step_timing import seconds_per_pixel, step_seconds
from jaxstyle.run.strategy import choose, smaller, ways

LAYERS = ("relu4_2",), ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
SHALLOW = {"content_layers": "relu2_1", "style_layers": "relu1_1,relu2_2"}


@pytest.fixture(scope="module")
def pictures() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random((72, 112, 3), np.float32), rng.random((64, 64, 3), np.float32)


@pytest.mark.parametrize("side", [160, 320])
@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_the_estimate_is_what_xla_plans(pictures, side, optimizer):
    """Within a fifth of XLA's own analysis of the step."""
    job = prepare(*pictures, size=side, levels=1, optimizer=optimizer, strategy="whole")
    width, height = job.sizes[-1]
    objective, model, algorithm = objective_of(job.config), model_of(job.network), None
    algorithm = algorithm_of(job.config)
    picture = jnp.zeros((height, width, 3))
    targets = jax.eval_shape(
        lambda: Targets(
            content_targets(objective, model, picture), style_targets(objective, model, picture)
        )
    )
    state = jax.eval_shape(algorithm.init, picture)
    arguments = model, targets, weights_of(job.config, objective)
    program = _advance.lower(
        state, arguments, evaluate=objective, algorithm=algorithm, fused=1
    ).compile()
    used = program.memory_analysis()
    planned = used.temp_size_in_bytes + used.argument_size_in_bytes
    config, architecture = job.config, job.network.architecture
    taps = tuple(config.content_loss_layers), tuple(config.style_loss_layers)
    told = whole_bytes(architecture, *taps, width * height, optimizer, config.history)
    told -= PROCESS + HOST_PICTURES_WHOLE * PICTURE * width * height  # XLA knows nothing of these
    assert told == pytest.approx(planned, rel=0.2)


def test_tiles_need_less_than_the_whole_and_the_state_stays():
    pixels = 4096 * 3072
    whole = whole_bytes(VGG19, *LAYERS, pixels, "adam", 10)
    tiled = tiled_bytes(VGG19, *LAYERS, pixels, "adam", 10, 512)
    assert tiled < whole / 5
    assert tiled > pixels * 12 * 5
    assert state_pictures("lbfgs", 20) - state_pictures("lbfgs", 10) == 20


def test_the_first_way_that_fits_is_taken():
    config = StylizeConfig().resolved()
    found = ways(config, VGG19_SLIM, 4000, 3000)
    assert [(way.strategy, way.tile, way.recompute_content) for way in found] == [
        ("whole", 0, False),
        *(("tiled", tile, again) for tile in (1024, 512, 256) for again in (False, True)),
    ]
    for index, way in enumerate(found):
        if any(before.needed <= way.needed for before in found[:index]):
            continue  # quicker, and needs less
        chosen, told = choose(config, VGG19_SLIM, 4000, 3000, round(way.needed) + 1)
        assert (chosen.strategy, chosen.tile) == (way.strategy, way.tile or 1024)
        assert chosen.recompute_content == way.recompute_content
        assert way.strategy == "whole" or f"tiles of {way.tile} px" in told
        assert ("computed again" in told) == way.recompute_content


def test_features_of_the_content_are_computed_again_if_so_asked():
    config = StylizeConfig(recompute_content=True, strategy="tiled").resolved()
    assert {way.recompute_content for way in ways(config, VGG19_SLIM, 4000, 3000)[1:]} == {True}
    chosen, told = choose(config, VGG19_SLIM, 4000, 3000)
    assert chosen.recompute_content and "tiled" in told
    texture = StylizeConfig(content_layers="", init="noise").resolved()
    assert not any(way.recompute_content for way in ways(texture, VGG19_SLIM, 4000, 3000))
    divided = StylizeConfig(mesh="2x1").resolved()
    assert not any(way.recompute_content for way in ways(divided, VGG19_SLIM, 4000, 3000))


def test_history_is_shortened_before_a_run_is_refused():
    config = StylizeConfig().resolved()
    least = ways(config, VGG19_SLIM, 4000, 3000)[-1].needed
    chosen, told = choose(config, VGG19_SLIM, 4000, 3000, round(0.8 * least))
    assert 3 <= chosen.history < 10
    assert f"history {chosen.history}" in told
    fitting = ways(chosen, VGG19_SLIM, 4000, 3000)[-1].needed
    assert fitting <= 0.8 * least
    with pytest.raises(InputError, match=r"even tiles of 256 px.* of 100 MiB allowed: try --opt"):
        choose(config, VGG19_SLIM, 4000, 3000, 100 * 2**20)


def test_what_tiles_cannot_do_is_refused_when_asked_for():
    for settings, reason in (
        ({"padding": "circular"}, "circular"),
        ({"optimizer": "scipy"}, "sci"),
    ):
        config = StylizeConfig(strategy="tiled", **settings).resolved()
        with pytest.raises(InputError, match=f"not possible where .*{reason}"):
            choose(config, VGG19_SLIM, 400, 300)
        whole = replace(config, strategy="auto")
        assert choose(whole, VGG19_SLIM, 400, 300)[0].strategy == "whole"


def test_smaller_ways_end():
    config = replace(StylizeConfig().resolved(), strategy="whole")
    seen = []
    while (config := smaller(config, VGG19_SLIM, 2000, 1000)) is not None:
        seen.append((config.strategy, config.tile))
    assert seen == [("tiled", tile) for tile in (1024, 1024, 512, 256)]
    whole = replace(StylizeConfig().resolved(), strategy="whole")
    assert smaller(whole, VGG19_SLIM, 200, 100) is None


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_a_tiled_run_is_the_whole_one(pictures, optimizer):
    settings = {"size": 112, "levels": 1, "steps": 5, "optimizer": optimizer, **SHALLOW}
    whole = stylize(*pictures, strategy="whole", **settings)
    for again in (False, True):
        tiled = stylize(*pictures, strategy="tiled", tile=48, recompute_content=again, **settings)
        np.testing.assert_allclose(tiled.losses[0], whole.losses[0], rtol=1e-4)
        np.testing.assert_allclose(tiled.image, whole.image, atol=2e-3)
        assert tiled.loss == pytest.approx(whole.loss, rel=1e-4)
        assert tiled.config.strategy == "tiled"
        recorded = json.loads(tiled.record)["config"]
        assert (recorded["strategy"], recorded["recompute_content"]) == ("tiled", again)


def test_the_choice_is_recorded(pictures):
    assert prepare(*pictures, size=112).config.strategy == "whole"


def test_running_out_of_memory_goes_on_with_tiles(pictures, monkeypatch):
    real, calls = minimise.minimise, []

    def exhausted(*arguments, **options):
        calls.append(arguments[1].shape)
        if max(arguments[1].shape) == 112:
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate")
        return real(*arguments, **options)

    monkeypatch.setattr(minimise, "minimise", exhausted)
    monkeypatch.setattr("jaxstyle.run.strategy.LEAST_USEFUL_TILE", 40)
    settings = {"size": 112, "levels": 2, "steps": 2, "tile": 96, **SHALLOW}
    result = stylize(*pictures, **settings)
    assert [max(shape) for shape in calls] == [56, 112]  # the first level is not run again
    assert result.config.strategy == "tiled"
    assert len(result.losses) == 2
    assert np.isfinite(result.loss)


@pytest.mark.parametrize(("first", "then"), [("whole", 96), ("tiled", 48)])
def test_a_run_goes_on_from_its_last_picture_when_memory_runs_out(
    pictures, monkeypatch, first, then
):
    """In its third step: two were made, and what is left is made of what they gave."""
    from jaxstyle.objective.partitioned.tiled_objective import TiledObjective
    from jaxstyle.optimize import loop

    calls = []

    def exhausted(real):
        def step(*arguments, **options):
            calls.append(len(calls))
            if len(calls) == 3:
                raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate")
            return real(*arguments, **options)

        return step

    if first == "whole":
        monkeypatch.setattr(loop, "_advance", exhausted(loop._advance))
        monkeypatch.setattr(loop, "KEEP_SECONDS", 0.0)
    else:
        monkeypatch.setattr(TiledObjective, "__call__", exhausted(TiledObjective.__call__))
    monkeypatch.setattr("jaxstyle.run.strategy.LEAST_USEFUL_TILE", 40)
    steps, plans = [], []

    def note(event: LevelProgress) -> None:
        steps.append((event.step, event.progress.step))
        plans.append(event.plan)

    result = stylize(
        *pictures, callback=note, strategy=first, size=112, levels=1, steps=5, tile=96, **SHALLOW
    )
    assert steps == [(n, n) for n in range(1, 6)]
    assert plans[1] != plans[2] == plans[4] == f"tiles of {then} px, after running out of memory"
    (values,) = result.losses
    assert len(values) == 5
    assert values[2] == pytest.approx(min(values[:2]), rel=1e-4)  # the last picture, once more
    assert result.loss < values[2]
    assert result.config.strategy == "tiled"


def test_other_errors_are_not_taken_for_it(pictures, monkeypatch):
    def broken(*arguments, **options):
        raise RuntimeError("something else")

    monkeypatch.setattr(minimise, "minimise", broken)
    with pytest.raises(RuntimeError, match="something else"):
        stylize(*pictures, size=112, levels=1, steps=1)


def test_tiled_cells_of_a_sweep_run_alone(pictures):
    from jaxstyle.pipelines.axes import axis

    grid = sweep(
        *pictures,
        [axis("strategy", ["whole", "tiled"])],
        limits=Limits(devices=(jax.devices()[0],)),
        size=112, levels=1, steps=3, tile=48, **SHALLOW,
    )  # fmt: skip
    whole, tiled = (cell.result for cell in grid.cells)
    np.testing.assert_allclose(tiled.losses[0], whole.losses[0], rtol=1e-4)


def test_time_is_measured_once(pictures, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    job = prepare(*pictures, size=112, levels=1, **SHALLOW)
    each = seconds_per_pixel(job)
    assert 0 < each < 1e-3
    monkeypatch.setattr("jaxstyle.run.step_timing._measure", lambda job: 1.0)
    assert seconds_per_pixel(job) == each
    whole = step_seconds(job, 0, "whole", 0, each)
    assert whole == pytest.approx(each * 112 * 72)
    assert step_seconds(job, 0, "tiled", 48, each) > 4 / 3 * whole
    (tmp_path / "jaxstyle" / "calibration.json").write_text("damaged")
    assert seconds_per_pixel(job) == 1.0


def test_plan_tells_and_runs_nothing(pictures, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name, picture in zip(("content.png", "style.png"), pictures, strict=True):
        images.save_image(name, picture)
    command = ["plan", "content.png", "style.png", "--size", "1500", "--max-memory", "1.2GB"]
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["width"], found["height"]) == (1500, 964)
    alone = [way for way in found["ways"] if way["mesh"] is None]
    assert [way["chosen"] for way in alone] == [False] * 3 + [True] + [False] * 3
    sharded = [way for way in found["ways"] if way["mesh"] is not None]
    assert {way["mesh"] for way in sharded} == {"8x1"}  # there are eight devices
    assert not any(way["chosen"] for way in sharded)
    assert sharded[0]["bytes"] < alone[0]["bytes"] / 4
    assert found["ways"][2]["bytes"] > 1.2e9 > found["ways"][3]["bytes"]
    assert found["ways"][0]["seconds"] > found["ways"][0]["seconds_per_step"] > 0
    assert main(command) == 0
    told = capsys.readouterr().out
    assert "chosen" in told
    assert "stylize would run tiles of 512 px: about" in " ".join(told.split())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "content.png", "style.png"]
