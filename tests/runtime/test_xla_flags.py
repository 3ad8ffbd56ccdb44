"""jaxlib 0.10.2 is kept from summing up wrong; what the user has set for XLA stays."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from conftest import ROOT

from jaxstyle.runtime import xla_flags
from jaxstyle.runtime.xla_flags import YNN_FUSION, avoid_wrong_reductions, set_flag

SUMS = """
import jaxstyle
import sys
assert "jax" not in sys.modules
import jax, jax.numpy as jnp, numpy as np
rows = np.random.default_rng(0).standard_normal((40_000, 3)).astype(np.float32)
matrix = np.random.default_rng(1).standard_normal((3, 3)).astype(np.float32)
squares = jax.jit(jax.vmap(lambda matrix, row: jnp.sum((matrix @ row) ** 2), (None, 0)))
exact = ((rows.astype(np.float64) @ matrix.T) ** 2).sum(axis=1)
print(np.abs(squares(matrix, rows) - exact).max() / exact.max())
from jaxstyle.objective.statistics.moments import covariance, means, moments
found = jax.jit(lambda features: covariance(means(moments(features))))(rows.reshape(200, 200, 3))
print(np.abs(found - np.cov(rows.astype(np.float64).T, bias=True)).max())
"""


def errors_of_sums(**environment: str) -> list[float]:
    own = {name: v for name, v in os.environ.items() if name != "XLA_FLAGS"} | environment
    own |= {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", SUMS], env=own, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [float(number) for number in done.stdout.split()]


@pytest.mark.parametrize("flags", ["", "--xla_cpu_enable_fast_math=false"])
def test_sums_over_many_rows_are_right(flags):
    assert max(errors_of_sums(XLA_FLAGS=flags)) < 1e-5


@pytest.fixture
def affected(tmp_path, monkeypatch):
    (tmp_path / "jaxlib-0.10.2.dist-info").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])


@pytest.mark.parametrize("before", ["", "--xla_cpu_enable_fast_math=false --xla_dump_to=a"])
def test_the_flag_is_added_once(affected, monkeypatch, before):
    monkeypatch.setenv("XLA_FLAGS", before)
    avoid_wrong_reductions()
    avoid_wrong_reductions()
    assert os.environ["XLA_FLAGS"] == f"{before} {YNN_FUSION}=-reduce".strip()


@pytest.mark.parametrize("value", [f"{YNN_FUSION}=", f"--xla_a=b {YNN_FUSION}=+reduce"])
def test_the_users_own_choice_stays(affected, monkeypatch, value):
    monkeypatch.setenv("XLA_FLAGS", value)
    avoid_wrong_reductions()
    assert os.environ["XLA_FLAGS"] == value


def test_other_versions_are_left_alone(tmp_path, monkeypatch):
    (tmp_path / "jaxlib-0.10.20.dist-info").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    avoid_wrong_reductions()
    assert "XLA_FLAGS" not in os.environ


def test_flags_that_stand_in_a_file_are_kept(tmp_path, monkeypatch):
    (tmp_path / "flags").write_text("--xla_a=b\n--xla_c=d\n")
    monkeypatch.setenv("XLA_FLAGS", str(tmp_path / "flags"))
    set_flag("--xla_c", "e")
    assert os.environ["XLA_FLAGS"] == "--xla_a=b --xla_c=e"
    monkeypatch.setenv("XLA_FLAGS", str(tmp_path / "none"))  # of which XLA says nothing either
    assert xla_flags.flags() == []
