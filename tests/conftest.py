"""Strict settings for every test: they find bugs that no assertion looks for."""

from __future__ import annotations

from pathlib import Path

import jax
import pytest
from hypothesis import settings

jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

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
