"""Strict settings for every test: they find bugs that no assertion looks for."""

from __future__ import annotations

import mmap
from pathlib import Path

import jax
import jax.numpy as jnp
import jaxlib
import numpy as np
import pytest
from hypothesis import settings

import jaxstyle  # noqa: F401  before the first program, for it sets flags of XLA
from jaxstyle.runtime.xla_flags import set_flag

jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")


def is_flag_of_xla(name: str) -> bool:
    """Whether this jaxlib has a flag: at one that it has not, XLA ends the process."""
    for library in Path(jaxlib.__file__).parent.glob("*jax_common*"):
        with library.open("rb") as file:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return content.find(name.removeprefix("--").encode()) >= 0
    return False


# XLA reads its flags once, at the first program: these are for processes started from here, which
# compile for most of their time: those of tests, and the workers of pytest-xdist. Without LLVM's
# passes and the MLIR emitters a program is compiled in a fifth of the time.
(jnp.zeros(1) + 1).block_until_ready()
for flag, value in (
    ("--xla_backend_optimization_level", "0"),
    ("--xla_cpu_use_fusion_emitters", "false"),
):
    if is_flag_of_xla(flag):
        set_flag(flag, value)

# Programs that those compile so must not be taken for this process's: its flags look the same.
jax.config.update("jax_enable_compilation_cache", False)

# A busy machine is no bug.
settings.register_profile("jaxstyle", deadline=None)
settings.load_profile("jaxstyle")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Pictures and real layers that are not in the repository; skips where they are missing."""
    folder = ROOT.parent / "shared"
    if not (folder / "images").is_dir():
        pytest.skip("the folder of development pictures is not here")
    return folder


@pytest.fixture
def pictures(tmp_path, monkeypatch) -> Path:
    """A folder, made the current one, with content.png and style.png, and a cache of its own."""
    from samples import landscape, waves

    from jaxstyle.images import save_image

    monkeypatch.chdir(tmp_path)
    for name in ("XDG_CACHE_HOME", "JAX_COMPILATION_CACHE_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "cache"))
    save_image("content.png", np.asarray(landscape(36, 48)))
    save_image("style.png", np.asarray(waves(40)))
    return tmp_path
