"""Each section of ``python -m benchmarks`` at its smallest."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys

import pytest

from benchmarks import optimise, peers, problem, step, sweep

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is the peer"
)
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def rows_of(name: str, words: str) -> list[dict]:
    module = importlib.import_module(f"benchmarks.{name}")
    parser = argparse.ArgumentParser()
    module.add_options(parser)
    return list(module.measure(parser.parse_args(words.split())))


@needs_torch
@needs_linux
def test_both_sides_compute_the_same_step(monkeypatch):
    chosen = (step.OURS, step.EAGER)
    monkeypatch.setattr(step, "SIDES", {side: step.SIDES[side] for side in chosen})
    ours, eager = rows_of("step", "--nets slim --sizes 32 --repeats 2 --turns 1")
    assert (ours["side"], eager["side"]) == chosen
    assert eager["loss_difference"] < 1e-5
    assert eager["gradient_difference"] < 1e-4
    for row in (ours, eager):
        assert 0 < row["gradient_error"] < 1e-4
        assert row["peak_mib"] > 50
        assert min(row["seconds"], row["first_step_seconds"]) > 0


@needs_linux
def test_an_estimate_stands_against_what_was_taken():
    (row,) = rows_of("memory", "--cases 1 --large --scale 0.0625")
    assert (row["width"], row["height"], row["strategy"]) == (64, 64, "whole")
    assert row["peak_mib"] > 50
    assert row["ratio"] == pytest.approx(row["estimate_mib"] / row["peak_mib"])


def test_a_run_that_takes_too_long_says_so():
    (row,) = rows_of("memory", "--cases --large 1 --scale 0.01 --minutes 0.01")
    assert "stopped after 1 s" in row["note"]


@needs_torch
def test_all_sides_run_the_same_grid():
    rows = rows_of("sweep", "--sizes 32 --grid 1 2 --steps 2 --chunk 1 --devices 2")
    sides = {row["side"]: row for row in rows}
    assert list(sides) == [sweep.ONE_PROGRAM, "chunks of 1", sweep.ONE_BY_ONE, sweep.PYTORCH]
    for row in rows:
        assert row["evaluations"] == 2 * 3
        assert row["first_loss_difference"] < 1e-5
        assert row["seconds"] > 0
    assert sides[sweep.ONE_PROGRAM]["result_difference"] < 1e-4
    assert sides[sweep.ONE_BY_ONE]["ratio_to_one_by_one"] == 1
    assert sides[sweep.PYTORCH]["ratio_to_pytorch"] == 1


@needs_torch
def test_optimisers_begin_with_the_same_loss(monkeypatch):
    chosen = ("L-BFGS", optimise.PEER)
    monkeypatch.setattr(optimise, "SIDES", {name: optimise.SIDES[name] for name in chosen})
    ours, peer = rows_of("optimise", "--size 48 --evaluations 4 --starts noise")
    assert (ours["optimiser"], peer["optimiser"]) == chosen
    assert ours["evaluations"] == peer["evaluations"] == 4
    assert ours["first_loss"] == pytest.approx(peer["first_loss"], rel=1e-5)
    assert ours["result"] < ours["first_loss"]
    assert peer["evaluations_to_peer"] == 4
    assert 0 < ours["seconds"]


@needs_torch
def test_peers_paint_pictures_and_one_that_cannot_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", "no-such-g++")
    monkeypatch.setattr(peers, "SIDES", (peers.ONE_SIZE, peers.EAGER, peers.COMPILE))
    rows = rows_of("peers", f"--size 48 --evaluations 3 --pictures {tmp_path}")
    by_side = {row["side"]: row for row in rows}
    assert by_side[peers.ONE_SIZE]["times"] == 1
    assert by_side["PyTorch eager"]["seconds"] > 0
    assert "InvalidCxxCompiler" in by_side["torch.compile"]["note"]
    assert {path.name for path in tmp_path.iterdir()} == {"jaxstyle_one_size.png", "torch.png"}


def test_the_gpu_section_runs_to_its_end_on_a_cpu():
    words = "--platform cpu --nets slim --sizes 32 --precisions bf16 --sides jaxstyle"
    words += " --repeats 1 --inner 2 --run-size 32 --steps 4 --parts steps runs"
    rows = rows_of("gpu", words)
    assert [row["side"] for row in rows] == ["jaxstyle", "lbfgs", "adam"]
    one, *runs = rows
    flops = problem.flops_per_pixel("slim") * 32**2
    assert one["tflops"] == pytest.approx(flops / one["seconds"] / 1e12)
    for row in runs:
        assert row["precision"] == "bfloat16"
        assert 0 < row["seconds"] < row["first_seconds"]


def test_without_a_gpu_it_refuses_in_one_line(monkeypatch):
    gpu = importlib.import_module("benchmarks.gpu")
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    with pytest.raises(gpu.Unavailable, match="JAX finds no GPU here, only cpu"):
        gpu.find("gpu")


@needs_torch
def test_a_cuda_graph_need_not_copy_what_the_peer_holds():
    import torch
    from torch._dynamo.utils import get_static_address_type

    from benchmarks.torch_loss import Loss

    loss = Loss(problem.arrays("slim", 16), problem.LOSS_WEIGHTS)
    torch.compile(loss, backend="eager")(torch.rand(16, 16, 3), 1.0)
    assert {name for name, held in loss.named_buffers() if get_static_address_type(held)} == {
        *(f"{layer}_{part}" for layer in problem.weights("slim") for part in ("kernel", "bias")),
        *(f"{tap}_gram" for tap in problem.STYLE),
        *("mean", "std", f"{problem.CONTENT}_content"),
    }
