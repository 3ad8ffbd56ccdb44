"""Several processes, perhaps on several hosts, with JAX's own runtime.

The cells of a grid need nothing of each other, so each process works on its part with its own
devices, and only finished results travel.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxstyle.errors import InputError


def join(
    coordinator: str | None = None, count: int | None = None, index: int | None = None
) -> None:
    """Start JAX's multi-host runtime; before anything else that uses JAX's devices.

    Args:
        coordinator: ``host:port`` of process 0; on TPU pods and under Slurm or MPI all three are
            found by themselves.
        count: of the processes.
        index: of this one, from 0.

    Raises:
        InputError: the runtime cannot be started.
    """
    try:
        jax.distributed.initialize(coordinator, count, index)
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"the processes do not find each other ({reason}): give --coordinator HOST:PORT, "
            "--processes and --process"
        ) from None


def is_first() -> bool:
    """Whether this process is the one that writes files."""
    return jax.process_index() == 0


def mine(items: Sequence[Any]) -> Sequence[Any]:
    """This process's part of a list: contiguous, the parts equal but for the last ones."""
    each = -(-len(items) // jax.process_count())
    return items[jax.process_index() * each : (jax.process_index() + 1) * each]


def gather(value: Any) -> list[Any]:
    """What every process has here, in their order; all must call it. The value is pickled."""
    if jax.process_count() == 1:
        return [value]
    message = np.frombuffer(pickle.dumps(value), np.uint8)
    lengths = np.ravel(multihost_utils.process_allgather(np.array([message.size], np.int32)))
    padded = np.zeros(int(lengths.max()), np.uint8)
    padded[: message.size] = message
    everyone = np.asarray(multihost_utils.process_allgather(padded))
    everyone = everyone.reshape(len(lengths), -1)
    return [
        pickle.loads(row[:length].tobytes()) for row, length in zip(everyone, lengths, strict=True)
    ]
