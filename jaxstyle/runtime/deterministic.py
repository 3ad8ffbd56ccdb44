"""The same pixels every time, where the backend does not give them by itself.

A run has no chance in it but the seed's, so what is left is the backend. On CPU and TPU XLA's
programs are deterministic. On GPUs two things are not: some kernels add up in whatever order their
threads come, and XLA picks among kernels by timing them anew when it compiles. One flag ends both
(https://github.com/openxla/xla/blob/main/docs/determinism.md and openxla/xla pull request 12520).
"""

from __future__ import annotations

import jax

from jaxstyle.errors import InputError
from jaxstyle.runtime.xla_flags import flags, set_flag

FLAG = "--xla_gpu_deterministic_ops"


def set_flags() -> None:
    """Ask for deterministic programs; before JAX uses a device for the first time.

    Raises:
        InputError: it has used one already.
    """
    if {FLAG, f"{FLAG}=true"} & set(flags()):
        return
    if _has_started():
        raise InputError(
            "JAX is running already, too late for deterministic programs: start it with "
            f"XLA_FLAGS={FLAG}=true"
        )
    set_flag(FLAG, "true")


def told() -> str:
    """What ``set_flags`` did, and what it costs, in one line; starts JAX."""
    backend = jax.default_backend()
    if backend in ("cpu", "tpu"):
        return f"deterministic: so is XLA on {backend} by itself; this costs nothing"
    return (
        "deterministic: kernels that always add in the same order, chosen by rule instead of by "
        "timing: slower"
    )


def _has_started() -> bool:
    """Whether JAX has looked for devices; its only public sign is that this may not change."""
    count = jax.config.values["jax_num_cpu_devices"]
    try:
        jax.config.update("jax_num_cpu_devices", count + 1 if count > 0 else 1)
    except RuntimeError:
        return True
    jax.config.update("jax_num_cpu_devices", count)
    return False
