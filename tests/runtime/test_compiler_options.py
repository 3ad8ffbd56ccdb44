"""Programs that hold little at once, where XLA can be asked for that."""

from __future__ import annotations

import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

from jaxstyle.runtime import compiler_options
from jaxstyle.runtime.compiler_options import ON_CPU, compiled
from jaxstyle.runtime.programs import jitted


@pytest.fixture
def asked_anew():
    compiler_options.memory_first.cache_clear()
    yield
    compiler_options.memory_first.cache_clear()


def test_the_cpu_is_told(asked_anew):
    assert compiler_options.memory_first() == ON_CPU


def test_other_backends_are_not(asked_anew, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
    assert compiler_options.memory_first() == {}


def test_a_compiler_that_does_not_know_of_it_goes_without(asked_anew, monkeypatch):
    monkeypatch.setattr(compiler_options, "ON_CPU", {"xla_no_such_option": "1"})
    assert compiler_options.memory_first() == {}


def test_it_is_a_jitted_function():
    def scaled(x, *, factor: int):
        return factor * x

    program = jitted(little_memory=True, static_argnames="factor")(scaled)
    assert program(jnp.arange(3), factor=2).tolist() == [0, 2, 4]
    program(jnp.arange(3), factor=2)
    assert program._cache_size() == 1
    assert program.lower(jnp.arange(3), factor=3).compile()(jnp.arange(3)).tolist() == [0, 3, 6]


def test_it_is_compiled_without_being_run():
    double = compiled(lambda x: 2 * x, (jax.ShapeDtypeStruct((3,), jnp.int32),))
    assert double(jnp.arange(3)).tolist() == [0, 2, 4]


def test_an_import_chooses_no_backend():
    check = "import jaxstyle, jax; print(jax._src.xla_bridge.backends_are_initialized())"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
