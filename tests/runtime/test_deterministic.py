"""The same command gives the same pixels, and where the backend does not, a flag is set in time."""

from __future__ import annotations

import os
import subprocess
import sys

import jax
import numpy as np
import pytest
from conftest import ROOT

from jaxstyle.errors import InputError
from jaxstyle.images import save_image
from jaxstyle.runtime import deterministic
from jaxstyle.runtime.deterministic import FLAG, set_flags, told

STYLIZE = [
    "stylize", "content.png", "style.png", "-o", "out.png", "--size", "48", "--steps", "8",
    "--levels", "1", "--init", "noise", "--weights", "slim", "--quiet",
    "--content-layers", "relu1_1", "--style-layers", "relu1_1,relu1_2",
]  # fmt: skip


def python(*arguments: str, folder, **more: str) -> subprocess.CompletedProcess:
    environment = {name: v for name, v in os.environ.items() if not name.startswith("JAX_")}
    environment |= {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT), **more}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=folder, capture_output=True, text=True
    )


def test_two_processes_write_the_same_bytes(tmp_path):
    from samples import landscape, waves

    written = []
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        save_image(folder / "content.png", np.asarray(landscape(36, 48)))
        save_image(folder / "style.png", np.asarray(waves(40)))
        # Each compiles for itself.
        done = python(
            "-m", "jaxstyle.cli.main", *STYLIZE, folder=folder, XDG_CACHE_HOME=str(folder)
        )
        assert done.returncode == 0, done.stderr
        written.append((folder / "out.png").read_bytes())
    assert written[0] == written[1]


PROGRAM = """
import os
from jaxstyle.runtime.deterministic import set_flags, told
set_flags()
set_flags()
print(os.environ["XLA_FLAGS"])
print(told())
"""


@pytest.mark.parametrize("before", ["", "--xla_cpu_enable_fast_math=false", f"{FLAG}=false"])
def test_the_flag_is_set_once_and_xla_takes_it(tmp_path, before):
    done = python("-c", PROGRAM, folder=tmp_path, XLA_FLAGS=before)
    assert done.returncode == 0, done.stderr
    flags, line = done.stdout.splitlines()
    assert flags.split()[-1] == f"{FLAG}=true"
    assert flags.count(FLAG) == 1
    assert flags.startswith(before.replace(f"{FLAG}=false", ""))
    assert line == "deterministic: so is XLA on cpu by itself; this costs nothing"


def test_flags_set_by_then_are_read_by_xla(tmp_path):
    """XLA ends a process that has a flag it does not know: the way to see that it looked."""
    program = PROGRAM.replace("set_flags()\nset_flags()", 'os.environ["XLA_FLAGS"] = "--xla_none"')
    done = python("-c", program, folder=tmp_path)
    assert done.returncode != 0
    assert "xla_none" in done.stderr


def test_too_late_is_refused(monkeypatch):
    jax.devices()
    count = jax.config.values["jax_num_cpu_devices"]
    monkeypatch.setenv("XLA_FLAGS", "")
    with pytest.raises(InputError, match=f"too late .* XLA_FLAGS={FLAG}=true"):
        set_flags()
    assert os.environ["XLA_FLAGS"] == ""
    assert jax.config.values["jax_num_cpu_devices"] == count


def test_what_is_set_already_is_never_too_late(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", f"{FLAG}=true")
    set_flags()


def test_on_a_gpu_the_cost_is_told(monkeypatch):
    monkeypatch.setattr(deterministic.jax, "default_backend", lambda: "gpu")
    assert "slower" in told()
