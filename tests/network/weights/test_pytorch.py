"""PyTorch's files, as PyTorch writes them and has written them."""

from __future__ import annotations

import os
import zipfile
from collections import OrderedDict

import ml_dtypes
import numpy as np
import pytest
from fuzzing import bounded
from weight_files import (
    TINY,
    TORCH_FORMS,
    Name,
    OldString,
    PersistentId,
    Reduce,
    assert_same_layers,
    pickled,
    random_layers,
    rounded,
    torch_legacy,
    torch_tensor,
    torch_zip,
    torchvision_names,
    write_torch,
    write_torch_root,
)

from jaxstyle.network.architecture import VGG16, VGG19, Architecture
from jaxstyle.network.network import WeightFileError
from jaxstyle.network.weights.readers.pytorch import read_torch

TINY_16 = Architecture(VGG16.depths, TINY.widths)
LAYERS = random_layers(TINY)
TENSORS = torchvision_names(LAYERS, TINY)
STORAGES = {name: tensor.tobytes() for name, tensor in TENSORS.items()}
both_forms = pytest.mark.parametrize("form", TORCH_FORMS)


@both_forms
@pytest.mark.parametrize("architecture", [VGG19, TINY_16], ids=["vgg19", "vgg16"])
def test_round_trip(tmp_path, form, architecture):
    layers = random_layers(architecture)
    path = write_torch(tmp_path / "w.pth", torchvision_names(layers, architecture), form)
    found = read_torch(path)
    assert_same_layers(found.layers, layers)
    assert found.layout == form
    assert found.input is None


@both_forms
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_other_types_of_float_become_float32(tmp_path, form, dtype):
    tensors = {name: tensor.astype(dtype) for name, tensor in TENSORS.items()}
    assert_same_layers(
        read_torch(write_torch(tmp_path / "w.pth", tensors, form)).layers, rounded(LAYERS, dtype)
    )


@pytest.mark.parametrize("form", TORCH_FORMS)
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64"])
def test_files_of_pytorch_itself(tmp_path, form, dtype):
    torch = pytest.importorskip("torch")
    tensors = OrderedDict(
        (name, torch.tensor(tensor).to(getattr(torch, dtype))) for name, tensor in TENSORS.items()
    )
    tensors["classifier.0.weight"] = torch.nn.Parameter(torch.ones(4, 4))
    tensors["steps"] = torch.tensor(3)
    expected = {
        name: (
            tensors[weight].float().permute(2, 3, 1, 0).numpy(),
            tensors[weight.replace("weight", "bias")].float().numpy(),
        )
        for name, weight in zip(LAYERS, [n for n in TENSORS if n.endswith("weight")], strict=True)
    }
    path = tmp_path / "vgg19-dcbb9e9d.pth"
    torch.save(tensors, path, _use_new_zipfile_serialization=not TORCH_FORMS[form])
    found = read_torch(path)
    assert_same_layers(found.layers, expected)
    assert found.layout == form


@pytest.mark.parametrize("form", TORCH_FORMS)
def test_a_state_dict_of_a_pytorch_module(tmp_path, form):
    torch = pytest.importorskip("torch")
    modules = OrderedDict()
    for name in VGG19.convolutions[:4]:
        kernel, bias = LAYERS[name]
        modules[name] = torch.nn.Conv2d(kernel.shape[2], kernel.shape[3], 3)
        with torch.no_grad():
            modules[name].weight.copy_(torch.tensor(kernel.transpose(3, 2, 0, 1)))
            modules[name].bias.copy_(torch.tensor(bias))
    model = torch.nn.Sequential(modules).to(memory_format=torch.channels_last)
    wanted = {name: LAYERS[name] for name in modules}
    parallel = torch.nn.DataParallel(model)
    path = tmp_path / "vgg_conv.pth"
    for state in (
        model.state_dict(),
        parallel.state_dict(),
        OrderedDict(model.named_parameters()),
        {"epoch": 3, "state_dict": model.state_dict(), "lr": 0.1},
        {"model": parallel.state_dict(), "optimizer": {"state": {0: torch.ones(3)}}},
    ):
        torch.save(state, path, _use_new_zipfile_serialization=not TORCH_FORMS[form])
        assert_same_layers(read_torch(path).layers, wanted)


def test_a_whole_pickled_module_is_refused_with_advice(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "model.pth"
    torch.save(torch.nn.Sequential(torch.nn.Conv2d(3, 3, 3)), path)
    with pytest.raises(WeightFileError, match=r"refusing global torch\.nn.*save a state dict"):
        read_torch(path)


def test_a_torchscript_program_is_refused(tmp_path):
    path = write_torch(tmp_path / "w.pt", TENSORS)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("archive/constants.pkl", b"\x80\x02).")
    with pytest.raises(WeightFileError, match="TorchScript"):
        read_torch(path)


def test_any_name_of_the_top_folder(tmp_path):
    root = {name: torch_tensor(tensor, name) for name, tensor in TENSORS.items()}
    storages = {name: tensor.tobytes() for name, tensor in TENSORS.items()}
    path = tmp_path / "w.pth"
    for folder in ("archive", "vgg19-dcbb9e9d", "a/b"):
        path.write_bytes(torch_zip(root, storages, folder))
        assert_same_layers(read_torch(path).layers, LAYERS)


@both_forms
def test_tensors_of_one_storage_one_after_the_other(tmp_path, form):
    together = np.concatenate([tensor.ravel() for tensor in TENSORS.values()])
    root, offset = {}, 0
    for name, tensor in TENSORS.items():
        root[name] = torch_tensor(
            tensor, "0", legacy=TORCH_FORMS[form], offset=offset, size=together.size
        )
        offset += tensor.size
    path = write_torch_root(tmp_path / "w.pth", root, {"0": together.tobytes()}, form)
    assert_same_layers(read_torch(path).layers, LAYERS)


@both_forms
def test_permuted_axes_are_put_in_order(tmp_path, form):
    root, storages = {}, {}
    for name, tensor in TENSORS.items():
        stored = tensor.transpose(0, 2, 3, 1).copy() if tensor.ndim == 4 else tensor
        seen = stored.transpose(0, 3, 1, 2) if tensor.ndim == 4 else tensor
        root[name] = torch_tensor(seen, name, legacy=TORCH_FORMS[form])
        storages[name] = stored.tobytes()
    path = write_torch_root(tmp_path / "w.pth", root, storages, form)
    assert_same_layers(read_torch(path).layers, LAYERS)


def test_a_file_of_2017_from_python_2(tmp_path):
    pairs = []
    for name, tensor in TENSORS.items():
        new = torch_tensor(tensor, name, legacy=True)
        identity = new.arguments[0].value
        old_identity = (OldString(b"storage"), identity[1], OldString(name.encode()), *identity[3:])
        arguments = (PersistentId(old_identity), *new.arguments[1:4])
        old = Reduce(Name("torch._utils", "_rebuild_tensor"), arguments)
        pairs.append([OldString(name.encode()), old])
    root = Reduce(Name("collections", "OrderedDict"), (pairs,))
    path = write_torch_root(tmp_path / "vgg_conv.pth", root, STORAGES, "torch-legacy")
    assert_same_layers(read_torch(path).layers, LAYERS)


def test_the_classifier_is_not_loaded_from_a_legacy_file(tmp_path):
    # The full 575 MB, of which the classifier is a hole in the file.
    layers = random_layers(VGG19)
    tensors = torchvision_names(layers, VGG19)
    sizes = {
        "classifier.0": (4096, 25088),
        "classifier.3": (4096, 4096),
        "classifier.6": (1000, 4096),
    }
    root = {name: torch_tensor(t, name, legacy=True) for name, t in tensors.items()}
    for name, shape in sizes.items():
        root[name] = torch_tensor(
            np.zeros(0, np.float32),
            name,
            legacy=True,
            shape=shape,
            strides=(shape[1], 1),
            size=shape[0] * shape[1],
        )
    path = tmp_path / "w.pth"
    head = torch_legacy(root, {name: (t.size, t.tobytes()) for name, t in tensors.items()})
    listed = pickled(list(tensors))
    begin = head.index(listed)
    with path.open("wb") as file:
        file.write(head[:begin] + pickled([*tensors, *sizes]) + head[begin + len(listed) :])
        for rows, columns in sizes.values():
            file.write((rows * columns).to_bytes(8, "little"))
            file.seek(4 * rows * columns, os.SEEK_CUR)
        file.truncate()
    assert path.stat().st_size > 574e6
    with bounded(5, 110 * 2**20):  # the convolutions alone are 76
        found = read_torch(path)
    assert_same_layers(found.layers, layers)


def test_the_classifier_is_not_loaded_from_a_zip(tmp_path):
    large = {**TENSORS, "classifier.0.weight": np.zeros((4096, 4096), np.float32)}
    path = write_torch(tmp_path / "w.pth", large)
    with bounded(5, 2**24):
        found = read_torch(path)
    assert_same_layers(found.layers, LAYERS)
