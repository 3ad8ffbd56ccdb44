"""Files of every kind, all the way to features."""

from __future__ import annotations

import gzip
import json
import shutil
import struct

import h5py
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.io
from flax.serialization import to_bytes
from fuzzing import CASES, assert_only_refusals
from hdf5_files import (
    architecture_names,
    keras_zip,
    write_flaxmodels,
    write_keras_named,
    write_keras_numbered,
)
from safetensors.numpy import save_file
from weight_files import (
    TINY,
    Layers,
    assert_same_layers,
    numpy_pickle,
    random_layers,
    torch_file,
    torchvision_names,
)

from jaxstyle.network.architecture import VGG16, VGG19, Architecture
from jaxstyle.network.network import Network, WeightFileError
from jaxstyle.network.preprocessing import to_network
from jaxstyle.network.vgg import features
from jaxstyle.network.weights import read_native, write_native
from jaxstyle.network.weights.convert import convert, network_from
from jaxstyle.network.weights.detect_format import read_any
from jaxstyle.network.weights.download.known_files import KNOWN_FILES, Checksum
from jaxstyle.network.weights.readers.raw_weights import CAFFE_INPUT, TORCHVISION_INPUT, RawWeights

TAPS = ("relu1_1", "conv2_2", "relu3_1", "conv4_2", "relu5_1", "conv5_4")
PICTURE = np.random.default_rng(7).random((48, 32, 3), np.float32)


@pytest.fixture(scope="module")
def layers() -> Layers:
    """A full-width VGG-19 as its file has it, whatever order of channels that may be."""
    return random_layers(VGG19)


def torch_named(layers: Layers) -> dict[str, np.ndarray]:
    return {
        f"{name}.{part}": np.ascontiguousarray(array.T.swapaxes(2, 3) if array.ndim == 4 else array)
        for name, pair in layers.items()
        for part, array in zip(("weight", "bias"), pair, strict=True)
    }


def write_torch(path, layers):
    path.write_bytes(torch_file(torchvision_names(layers, VGG19), legacy=False))


def write_torch_legacy(path, layers):
    path.write_bytes(torch_file(torchvision_names(layers, VGG19), legacy=True))


def write_torch_itself(path, layers):
    torch = pytest.importorskip("torch")
    tensors = {name: torch.from_numpy(array) for name, array in torch_named(layers).items()}
    torch.save(tensors, path)


def write_safetensors(path, layers):
    save_file(torchvision_names(layers, VGG19), path)


def write_keras(path, layers):
    write_keras_named(path, layers, "old")


def write_keras3(path, layers):
    with h5py.File(path, "w") as file:
        write_keras_numbered(file, layers)


def write_keras_zip(path, layers):
    path.write_bytes(keras_zip(layers, architecture_names(VGG19)))


def write_mat(path, layers, *, old: bool = False):
    """As MatConvNet has it: a cell array of structures, and the mean in the meta data."""
    cells = []
    for name, (kernel, bias) in layers.items():
        weights = np.empty((1, 2), object)
        weights[0, 0], weights[0, 1] = kernel, bias[None]
        parts = {"filters": kernel, "biases": bias[None]} if old else {"weights": weights}
        cells += [{"name": name, "type": "conv", **parts}, {"name": "r", "type": "relu"}]
    array = np.empty((1, len(cells)), object)
    array[0] = cells
    mean = np.array([123.68, 116.779, 103.939], np.float32)
    mean = np.broadcast_to(mean, (8, 8, 3)) if old else mean.reshape(1, 1, 3)
    about = {"normalization": {"averageImage": mean, "imageSize": np.array([[224.0, 224.0, 3.0]])}}
    scipy.io.savemat(path, {"layers": array, **(about if old else {"meta": about})})


def write_old_mat(path, layers):
    write_mat(path, layers, old=True)


def write_caffemodel(path, layers):
    """Protobuf: layer (100) = name (1), blobs (7) = data (5), shape (7) = dimensions (1)."""

    def field(number: int, data: bytes) -> bytes:
        return varint(number << 3 | 2) + varint(len(data)) + data

    def varint(value: int) -> bytes:
        return (bytes([value & 127 | 128]) + varint(value >> 7)) if value > 127 else bytes([value])

    def blob(array: np.ndarray) -> bytes:
        shape = field(1, b"".join(map(varint, array.shape)))
        return field(7, field(5, array.astype("<f4").tobytes()) + field(7, shape))

    data = field(1, b"VGG_ILSVRC_19_layers")
    for name, (kernel, bias) in layers.items():
        blobs = blob(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))) + blob(bias)
        data += field(100, field(1, name.encode()) + field(2, b"Convolution") + blobs)
    path.write_bytes(data)


def write_npy(path, layers):
    numpy_pickle({name: list(pair) for name, pair in layers.items()}, path, 2)


def write_npz(path, layers):
    named = {name.replace(".", "/"): array for name, array in torch_named(layers).items()}
    np.savez(path, **named)


def write_msgpack(path, layers):
    params = {name: {"kernel": kernel, "bias": bias} for name, (kernel, bias) in layers.items()}
    path.write_bytes(to_bytes({"params": params}))


FILES = [
    ("vgg19-dc.pth", write_torch, "torchvision"),
    ("vgg19-legacy.pth", write_torch_legacy, "torchvision"),
    ("vgg_conv.pth", write_torch_itself, "caffe"),
    ("model.safetensors", write_safetensors, "torchvision"),
    ("vgg19_weights_notop.h5", write_keras, None),
    ("vgg19.weights.h5", write_keras3, None),
    ("vgg19.keras", write_keras_zip, None),
    ("vgg19_weights.h5", write_flaxmodels, None),
    ("verydeep-19.mat", write_mat, None),
    ("verydeep-19-beta16.mat", write_old_mat, None),
    ("VGG_19.caffemodel", write_caffemodel, None),
    ("vgg19.npy", write_npy, "caffe"),
    ("vgg19.npz", write_npz, "torchvision"),
    ("vgg19.msgpack", write_msgpack, "torchvision"),
]

INPUTS = {  # file -> order of channels, factor, mean and std in that order: written out once more
    "torchvision": ("RGB", 1, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "caffe": ("BGR", 255, (103.939, 116.779, 123.68), (1, 1, 1)),
    "matconvnet": ("RGB", 255, (123.68, 116.779, 103.939), (1, 1, 1)),
}
FED = {".mat": "matconvnet", ".caffemodel": "caffe", ".keras": "caffe", ".h5": "caffe"}


def fed_as_in_training(layers: Layers, fed: str) -> dict[str, np.ndarray]:
    """Features of the network as it is in the file, with the picture made as it wants it."""
    order, factor, mean, std = INPUTS[fed]
    picture = PICTURE if order == "RGB" else PICTURE[..., ::-1]
    seen = (picture * np.float32(factor) - np.array(mean, np.float32)) / np.array(std, np.float32)
    params = {
        name: {"kernel": jnp.asarray(kernel), "bias": jnp.asarray(bias)}
        for name, (kernel, bias) in layers.items()
    }
    return {
        tap: np.asarray(f) for tap, f in features(params, jnp.asarray(seen)[None], TAPS).items()
    }


def fed_as_converted(network: Network) -> dict[str, np.ndarray]:
    seen = to_network(jnp.asarray(PICTURE), network.preprocessing)[None]
    tapped = features(network.params, seen, TAPS)
    return {tap: np.asarray(activation) for tap, activation in tapped.items()}


@pytest.fixture(scope="module")
def expected(layers):
    return {fed: fed_as_in_training(layers, fed) for fed in INPUTS}


@pytest.mark.parametrize(("name", "write", "input"), FILES, ids=[name for name, *_ in FILES])
def test_every_kind_of_file_gives_the_features_of_the_network_in_it(
    name, write, input, layers, expected, tmp_path
):
    path = tmp_path / name
    write(path, layers)
    network = convert(path, input=input).network
    flax = name == "vgg19_weights.h5"
    fed = "torchvision" if flax else input or FED[path.suffix]
    found = fed_as_converted(network)
    for tap, features_there in expected[fed].items():
        scale = np.abs(features_there).max()
        np.testing.assert_allclose(found[tap] / scale, features_there / scale, atol=1e-5)
    assert network.complete_to == "conv5_4" and name in network.source
    path.unlink()  # 80 MB each


def test_vgg16_converts_too(tmp_path):
    layers = random_layers(Architecture(VGG16.depths, TINY.widths))
    write_keras_named(tmp_path / "vgg16.h5", layers, "new")
    network = convert(tmp_path / "vgg16.h5").network
    assert network.architecture.depths == VGG16.depths and network.complete_to == "conv5_3"


def test_the_flip_to_rgb_is_exact():
    layers = random_layers(TINY)
    network = network_from(RawWeights(layers, "x"), CAFFE_INPUT, source="")
    flipped = np.asarray(network.params["conv1_1"]["kernel"])
    assert np.array_equal(flipped, layers["conv1_1"][0][:, :, ::-1])
    for name in list(layers)[1:]:
        assert np.array_equal(network.params[name]["kernel"], layers[name][0])
    assert network.preprocessing.mean.tolist() == pytest.approx([123.68, 116.779, 103.939])
    same = network_from(RawWeights(layers, "x"), TORCHVISION_INPUT, source="")
    assert np.array_equal(same.params["conv1_1"]["kernel"], layers["conv1_1"][0])


def test_upto_keeps_what_is_asked_for(tmp_path):
    write_keras_named(tmp_path / "w.h5", random_layers(TINY), "new")
    assert list(convert(tmp_path / "w.h5", upto="conv2_1").network.params) == [
        "conv1_1",
        "conv1_2",
        "conv2_1",
    ]
    with pytest.raises(WeightFileError, match="cannot cut the network at conv9_1"):
        convert(tmp_path / "w.h5", upto="conv9_1")


def test_a_file_that_does_not_tell_its_input_is_refused_with_what_to_say(tmp_path):
    write_torch_tiny(tmp_path / "w.pth", random_layers(TINY))
    with pytest.raises(WeightFileError, match=r"--input caffe .* or --input torchv") as refusal:
        convert(tmp_path / "w.pth")
    assert "\n" not in str(refusal.value)
    with pytest.raises(WeightFileError, match="must be one of caffe, torchvision"):
        convert(tmp_path / "w.pth", input="bgr")


def write_torch_tiny(path, layers):
    path.write_bytes(torch_file(torchvision_names(layers, TINY), legacy=False))


def test_checksums_come_before_any_reader(tmp_path, monkeypatch):
    path = tmp_path / "w.pth"
    path.write_bytes(b"anything")
    monkeypatch.setattr(
        "jaxstyle.network.weights.convert.read_apart", lambda path: pytest.fail("was opened")
    )
    with pytest.raises(WeightFileError, match="is not the file it should be: its SHA256 is"):
        convert(path, checksums=[Checksum("sha256", "ab" * 32, "this test")])


@pytest.mark.parametrize("known", [k for k in KNOWN_FILES if "PyTorch's hub" in str(k.checksums)])
def test_a_name_that_promises_a_hash_is_held_to_it(tmp_path, known):
    write_torch_tiny(tmp_path / known.file, random_layers(TINY))
    with pytest.raises(WeightFileError, match="is damaged: its name promises SHA-256"):
        convert(tmp_path / known.file, input="caffe")


def test_our_own_file_is_read_as_it_is(tmp_path):
    write_keras_named(tmp_path / "w.h5", random_layers(TINY), "new")
    network = convert(tmp_path / "w.h5").network
    write_native(tmp_path / "own.h5", network)
    again = convert(tmp_path / "own.h5", upto="conv3_1").network
    assert again.complete_to == "conv3_1" and again.source == network.source
    assert read_native(tmp_path / "own.h5").source_sha256 == network.source_sha256
    assert len(network.source_sha256) == 64


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><title>Sign in</title>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a", "or a pointer"),
        (b"hello, world" * 100, "of a known kind: those are PyTorch"),
        (b"\x93NUMPY", "damaged|version|cut"),
        (b"PK\x03\x04rubbish", "zip"),
        (b"\x89HDF\r\n\x1a\nrubbish", "cannot read weights"),
        (b"MATLAB 5.0 MAT-file" + bytes(200), "mat|MAT|layers|damaged"),
        (gzip.compress(b"weights", mtime=0), "of a known kind"),
        (struct.pack("<Q", 90) + json.dumps({"a": 1}).encode(), "header|cut|damaged"),
        (b"\x80\x04\x95rubbish", "pickle"),
        (b"\x85rubbish", "cannot read|damaged|incomplete"),
        (b"\x0a\x05hello", "layer of a VGG"),
    ],
)
def test_what_is_no_weight_file_is_refused_in_one_line(tmp_path, data, message):
    path = tmp_path / "weights.bin"
    path.write_bytes(data)
    with pytest.raises(WeightFileError, match=message) as refusal:
        convert(path)
    assert "\n" not in str(refusal.value) and "weights.bin" in str(refusal.value)


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused_in_one_line(tmp_path, layers, number):
    kernel, bias = layers["conv1_1"]
    damaged = {"conv1_1": (np.full_like(kernel, number), bias)}
    write_torch(tmp_path / "w.pth", damaged)
    with pytest.raises(WeightFileError, match="conv1_1 holds NaN or infinite weights") as refusal:
        convert(tmp_path / "w.pth")
    assert "\n" not in str(refusal.value) and "w.pth" in str(refusal.value)


def test_a_missing_file_and_a_folder_are_refused_in_one_line(tmp_path):
    with pytest.raises(WeightFileError, match="there is no weight file"):
        convert(tmp_path / "nothing.pth")
    with pytest.raises(WeightFileError, match="there is no weight file"):
        convert(tmp_path)
    with pytest.raises(WeightFileError, match="is not a file"):
        read_any(tmp_path)


@pytest.mark.parametrize("kind", ["zip", "legacy", "npz", "safetensors", "msgpack", "caffemodel"])
def test_damaged_files_are_read_or_refused_whatever_kind_they_now_seem(tmp_path, kind):
    layers = dict(list(random_layers(TINY).items())[:4])
    path = tmp_path / "sound"
    match kind:
        case "zip" | "legacy":
            path.write_bytes(torch_file(torchvision_names(layers, TINY), legacy=kind == "legacy"))
        case "npz":
            np.savez(path, **{name: array for name, (array, _) in layers.items()})
            path = path.with_suffix(".npz")
        case "safetensors":
            save_file(torchvision_names(layers, TINY), path)
        case "msgpack":
            write_msgpack(path, layers)
        case "caffemodel":
            write_caffemodel(path, layers)
    refused = assert_only_refusals(
        read_any, path.read_bytes(), tmp_path / "damaged", count=CASES // 4
    )
    assert refused > CASES / 40


def test_names_do_not_matter(tmp_path):
    layers = random_layers(TINY)
    write_keras_named(tmp_path / "w.h5", layers, "new")
    write_torch_tiny(tmp_path / "w.pth", layers)
    for name in ("w.h5", "w.pth"):
        shutil.copy(tmp_path / name, tmp_path / "picture.jpg")
        raw = read_any(tmp_path / "picture.jpg")
        assert isinstance(raw, RawWeights)
        assert_same_layers(raw.layers, layers)
