"""HDF5 files as Keras, flaxmodels and attackers write them."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
from weight_files import Layers

from jaxstyle.network.architecture import Architecture


def keras_name(convolution: str) -> str:
    """``conv3_2`` -> ``block3_conv2``."""
    return f"block{convolution[4]}_conv{convolution[6]}"


def write_keras_named(path: Path, layers: Layers, style: str) -> None:
    """The ``.h5`` of Keras 1 (``old``), 2 (``new``), of a saved model, or within another model."""
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if style in ("model", "nested") else file
        root.attrs["layer_names"] = [b"input_1", *(keras_name(name).encode() for name in layers)]
        root.attrs["backend"] = "tensorflow"
        root.create_group("input_1").attrs["weight_names"] = np.zeros(0)
        for name, (kernel, bias) in layers.items():
            layer = keras_name(name)
            inside, parts = {
                "old": (layer, (f"{layer}_W_1:0", f"{layer}_b_1:0")),
                "new": (f"{layer}/{layer}", ("kernel:0", "bias:0")),
                "numbered": (f"{layer}/{layer}_2", ("kernel:0", "bias:0")),
                "model": (f"{layer}/{layer}", ("kernel", "bias")),
                "nested": (f"vgg19/{layer}", ("kernel", "bias")),
            }[style]
            for part, array in zip(parts, (kernel, bias), strict=True):
                root.create_dataset(f"{inside}/{part}", data=array)
        if style == "model":  # what a compiled and trained model has besides
            trained = file.create_group("optimizer_weights/adam")
            trained.create_dataset("block1_conv1/kernel", data=np.zeros((3, 3, 3, 64), np.float32))
            trained.create_dataset("iteration", data=np.int64(7))
        classifier = root.create_group("predictions/predictions")
        classifier.create_dataset("kernel:0", data=np.zeros((8, 10), np.float32))


def write_keras_numbered(file: h5py.File, layers: Layers, prefix: str = "layers") -> None:
    """The ``.weights.h5`` of Keras 3, whose names sort ``conv2d_10`` before ``conv2d_2``."""
    for number, (kernel, bias) in enumerate(layers.values()):
        group = file.create_group(f"{prefix}/conv2d{f'_{number}' if number else ''}/vars")
        group["0"], group["1"] = kernel, bias
    file.create_group(f"{prefix}/max_pooling2d/vars")
    file.create_group("layers/dense/vars")["0"] = np.zeros((8, 10), np.float32)
    file.create_group("optimizer/vars")["0"] = np.int64(7)


def keras_zip(
    layers: Layers, names: list[str], *, inner: bool = False, method: int = zipfile.ZIP_STORED
) -> bytes:
    """A ``.keras`` file; ``inner``: the network is a layer of another model."""
    weights = io.BytesIO()
    prefix = "layers/functional/layers" if inner else "layers"
    with h5py.File(weights, "w") as file:
        write_keras_numbered(file, layers, prefix)
    stack = [{"class_name": "InputLayer", "config": {"name": "input_layer"}}]
    for name in names:
        stack.append({"class_name": "Conv2D", "config": {"name": name, "filters": 64}})
        stack.append({"class_name": "MaxPooling2D", "config": {"name": f"after_{name}"}})
    model = {"class_name": "Functional", "config": {"name": "vgg19", "layers": stack}}
    if inner:
        dense = {"class_name": "Dense", "config": {"name": "dense"}}
        model = {"class_name": "Functional", "config": {"name": "x", "layers": [model, dense]}}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.12.0"}))
        archive.writestr("config.json", json.dumps(model))
        archive.writestr("model.weights.h5", weights.getvalue())
    return file.getvalue()


def write_flaxmodels(path: Path, layers: Layers) -> None:
    with h5py.File(path, "w") as file:
        for name, (kernel, bias) in layers.items():
            file[f"{name}/weight"], file[f"{name}/bias"] = kernel, bias
        file["fc6/weight"], file["fc6/bias"] = np.zeros((9, 4), np.float32), np.zeros(4, np.float32)


def architecture_names(architecture: Architecture) -> list[str]:
    return [keras_name(name) for name in architecture.convolutions]


def fuzz_apart(reader: str, file: Path, folder: Path, *, count: int, seed: int = 0) -> int:
    """``assert_only_refusals`` in a process of its own, for C code that might crash or hang it.

    Args:
        reader: ``module:function``.
        file: a valid file.

    Returns:
        How many damaged copies were refused.
    """
    program = (
        "import sys; from importlib import import_module; from pathlib import Path\n"
        "from fuzzing import assert_only_refusals\n"
        "module, _, function = sys.argv[1].partition(':')\n"
        "read = getattr(import_module(module), function)\n"
        "damaged = Path(sys.argv[3]) / ('damaged' + Path(sys.argv[2]).suffix)\n"
        "data = Path(sys.argv[2]).read_bytes()\n"
        "seed, count = map(int, sys.argv[4:])\n"
        "print(assert_only_refusals(read, data, damaged, seed=seed, count=count))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, reader, str(file), str(folder), str(seed), str(count)],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        timeout=60 + count / 10,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
    )
    assert done.returncode == 0, f"exit code {done.returncode}: {done.stderr[-3000:]}"
    return int(done.stdout)


def write_looping_groups(path: Path) -> None:
    """2 KB in which the list of a group's members is a part of itself."""
    data, tree = _with_a_group(path)
    data[tree + 5] = 1  # its level: it has lists below it, not members
    struct.pack_into("<Q", data, tree + 32, tree)
    path.write_bytes(data)


def write_doubling_groups(path: Path, levels: int = 40) -> None:
    """23 KB in which each list of members names the next one twice, so there are 2**levels."""
    data, tree = _with_a_group(path)
    first = len(data)
    data = bytearray(data.replace(struct.pack("<Q", tree), struct.pack("<Q", first)))
    for level in range(levels, 0, -1):
        below = tree if level == 1 else len(data) + 544
        node = b"TREE" + struct.pack("<BBHQQ", 0, level, 2, 2**64 - 1, 2**64 - 1)
        data += (node + struct.pack("<QQQQQ", 0, below, 8, below, 8)).ljust(544, b"\0")
    struct.pack_into("<Q", data, 40, len(data))  # the size of the file
    path.write_bytes(data)


def _with_a_group(path: Path) -> tuple[bytearray, int]:
    """A file with one group, and where the list of the root's members begins."""
    with h5py.File(path, "w", libver="earliest") as file:
        file.create_group("group")
    data = bytearray(path.read_bytes())
    (tree,) = struct.unpack_from("<Q", data, 80)
    assert data[tree : tree + 4] == b"TREE"
    return data, tree
