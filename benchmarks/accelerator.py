"""Says what JAX computes on here."""

from __future__ import annotations

import jax

from benchmarks import problem

if platform := problem.settings()["platform"]:
    jax.config.update("jax_platforms", platform)
device = jax.local_devices()[0]
problem.say({"backend": jax.default_backend(), "device": device.device_kind})
