"""Several processes, perhaps on several hosts, with JAX's own runtime.

The cells of a grid need nothing of each other, so each process works on its part with its own
devices, and only finished results travel.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import msgpack
import numpy as np
from jax.experimental import multihost_utils

from jaxstyle.errors import InputError, reason_of

PATIENCE = 120
"""Seconds for which a process waits for the others to start."""


def join(
    coordinator: str | None = None,
    count: int | None = None,
    index: int | None = None,
    *,
    patience: int = PATIENCE,
) -> None:
    """Start JAX's multi-host runtime; before anything else that uses JAX's devices.

    Args:
        coordinator: ``host:port`` of process 0; on TPU pods and under Slurm or MPI all three are
            found by themselves.
        count: of the processes.
        index: of this one, from 0.
        patience: seconds to wait for the others.

    Raises:
        InputError: the runtime cannot be started.
    """
    if coordinator is not None:
        # JAX would abort the whole process where something is wrong with these.
        host, port = _parsed(coordinator)
        if index == 0:
            _check_free(port)
        elif index is not None and (count is None or index < count):
            _await_coordinator(host, port, patience)
    try:
        jax.distributed.initialize(coordinator, count, index, initialization_timeout=patience)
    except (RuntimeError, ValueError, TypeError) as error:
        raise InputError(
            f"the processes do not find each other ({reason_of(error)}): "
            "give --coordinator HOST:PORT, --processes and --process"
        ) from None


def _parsed(coordinator: str) -> tuple[str, int]:
    host, _, port = coordinator.rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 2**16):
        raise InputError(f"coordinator is {coordinator!r}: write HOST:PORT, such as 10.0.0.1:1234")
    return host.strip("[]"), int(port)


def _check_free(port: int) -> None:
    try:
        socket.create_server(("", port)).close()
    except OSError as error:
        raise InputError(
            f"process 0 cannot listen at port {port} ({os.strerror(error.errno or 0)}): choose "
            "another one for --coordinator"
        ) from None


def _await_coordinator(host: str, port: int, patience: float) -> None:
    end = time.monotonic() + patience
    while True:
        try:
            socket.create_connection((host, port), timeout=max(1.0, patience)).close()
            return
        except OSError as error:
            unknown = isinstance(error, socket.gaierror)
            if unknown or time.monotonic() >= end:
                raise InputError(
                    f"no coordinator answers at {host}:{port} ({error.strerror or error}): start "
                    "process 0 there, and check --coordinator"
                ) from None
        time.sleep(0.2)


def is_first() -> bool:
    """Whether this process is the one that writes files."""
    return jax.process_index() == 0


def mine(items: Sequence[Any]) -> Sequence[Any]:
    """This process's part of a list: contiguous, the parts equal but for the last ones."""
    each = -(-len(items) // jax.process_count())
    return items[jax.process_index() * each : (jax.process_index() + 1) * each]


def gather(value: Any) -> list[Any]:
    """What every process has here, in their order; all must call it.

    Args:
        value: of what JSON has, with keys that may be numbers, tuples, bytes and NumPy arrays. So
            that nothing which another process sends can be more than that, it is not pickled.
    """
    if jax.process_count() == 1:
        return [value]
    packed: Any = msgpack.packb(value, default=_packed, strict_types=True)
    message = np.frombuffer(packed, np.uint8)
    lengths = multihost_utils.process_allgather(np.array([message.size], np.int32))
    padded = np.pad(message, (0, int(lengths.max()) - message.size))
    everyone = np.asarray(multihost_utils.process_allgather(padded)).reshape(lengths.size, -1)
    return [
        msgpack.unpackb(row[:length].tobytes(), ext_hook=_unpacked, strict_map_key=False)
        for row, length in zip(everyone, lengths.reshape(-1), strict=True)
    ]


_TUPLE, _ARRAY = 1, 2
"""What MessagePack lacks, as its extension types."""


def _packed(value: Any) -> Any:
    if isinstance(value, str):  # an enumeration's
        return str(value)
    if isinstance(value, np.generic):
        return value.item()
    pack = partial(msgpack.packb, default=_packed, strict_types=True)
    if isinstance(value, tuple):
        return msgpack.ExtType(_TUPLE, pack(list(value)))
    if isinstance(value, np.ndarray):
        whole = np.ascontiguousarray(value)
        return msgpack.ExtType(_ARRAY, pack([value.dtype.str, list(value.shape), whole.tobytes()]))
    raise TypeError(f"{type(value).__name__} does not travel between processes")


def _unpacked(code: int, data: bytes) -> Any:
    parts = msgpack.unpackb(data, ext_hook=_unpacked, strict_map_key=False)
    if code == _TUPLE:
        return tuple(parts)
    dtype, shape, content = parts
    return np.frombuffer(content, dtype).reshape(shape)
