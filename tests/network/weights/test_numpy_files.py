"""NumPy's files: as people have them, as nobody should, and damaged."""

from __future__ import annotations

import io
import pickle
import zipfile
from typing import Any

import numpy as np
import pytest
from fuzzing import CASES, assert_only_refusals, bounded
from weight_files import (
    TINY,
    Name,
    OldString,
    Reduce,
    assert_same_layers,
    numpy_pickle,
    pickled,
    random_layers,
    rounded,
    torchvision_names,
)

from jaxstyle.network.architecture import VGG19, VGG19_SLIM
from jaxstyle.network.network import WeightFileError
from jaxstyle.network.weights.readers.numpy_files import read_numpy
from jaxstyle.network.weights.readers.raw_weights import (
    CAFFE_INPUT,
    TORCHVISION_INPUT,
    TrainedInput,
)

savez: Any = np.savez  # whose keywords are typed as if all were options
LAYERS = random_layers(TINY)
OURS = {
    f"{name}/{part}": array
    for name, pair in LAYERS.items()
    for part, array in zip(("kernel", "bias"), pair, strict=True)
}
INPUT = {
    "mean": np.array(TORCHVISION_INPUT.mean, np.float32),
    "std": np.array(TORCHVISION_INPUT.std, np.float32),
}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_of_this_project(tmp_path, save):
    layers = random_layers(VGG19_SLIM)
    arrays = {
        f"{name}/{part}": array
        for name, pair in layers.items()
        for part, array in zip(("kernel", "bias"), pair, strict=True)
    }
    save(tmp_path / "w.npz", **arrays, **INPUT)
    found = read_numpy(tmp_path / "w.npz")
    assert_same_layers(found.layers, layers)
    assert found.layout == "npz"
    assert found.input == TORCHVISION_INPUT


def test_npz_of_full_size_in_generic_names(tmp_path):
    layers = random_layers(VGG19)
    arrays = {
        f"{name}_{part}": array
        for name, pair in layers.items()
        for part, array in zip("Wb", pair, strict=True)
    }
    savez(tmp_path / "vgg19_weights.npz", **arrays, fc6_W=np.ones((9, 9), np.float32))
    found = read_numpy(tmp_path / "vgg19_weights.npz")
    assert_same_layers(found.layers, layers)
    assert found.input is None


def test_the_embedded_network_as_it_was_delivered(shared):
    path = shared / "weights" / "slim_vgg19.npz"
    found = read_numpy(path)
    assert found.input == TORCHVISION_INPUT
    with np.load(path, allow_pickle=False) as arrays:
        wanted = {
            name: (arrays[f"{name}/kernel"], arrays[f"{name}/bias"])
            for name in VGG19_SLIM.convolutions
        }
    assert_same_layers(found.layers, wanted)


def test_npz_of_pytorch_names_and_axes(tmp_path):
    savez(tmp_path / "w.npz", **torchvision_names(LAYERS, TINY), steps=np.array(3))
    assert_same_layers(read_numpy(tmp_path / "w.npz").layers, LAYERS)


@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_other_types_and_orders_of_numbers(tmp_path, dtype, order):
    savez(tmp_path / "w.npz", **{n: a.astype(dtype, order=order) for n, a in OURS.items()})
    assert_same_layers(read_numpy(tmp_path / "w.npz").layers, rounded(LAYERS, dtype))


def test_an_input_that_is_not_of_colours_in_0_to_1_is_not_believed(tmp_path):
    path = tmp_path / "w.npz"
    savez(path, **OURS, mean=np.array([0.5, 0.5, 0.5]), std=np.array([0.25, 0.25, 0.25]))
    assert read_numpy(path).input == TrainedInput("RGB", 1.0, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    savez(path, **OURS, mean=INPUT["mean"])
    assert read_numpy(path).input is None
    for bad in ([123.0, 116.0, 103.0], [0.5, 0.5, np.nan], [0.5, 0.5], [-0.1, 0.5, 0.5]):
        savez(path, **OURS, mean=np.array(bad), std=INPUT["std"])
        with pytest.raises(WeightFileError, match="its mean"):
            read_numpy(path)
    savez(path, **OURS, mean=INPUT["mean"], std=np.zeros(3))
    with pytest.raises(WeightFileError, match="its std"):
        read_numpy(path)


def header(text, version=b"\x01\x00"):
    size = len(text).to_bytes(2 if version[0] == 1 else 4, "little")
    return b"\x93NUMPY" + version + size + text.encode("latin-1")


def npz(path, name, data, method=zipfile.ZIP_STORED):
    """An ``.npz`` of which one member is as given."""
    savez(path, **{other: array for other, array in OURS.items() if other != name})
    with zipfile.ZipFile(path, "a", method) as archive:
        archive.writestr(f"{name}.npy", data)
    return path


KERNEL = OURS["conv1_1/kernel"]
F4 = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 3, 3, 2), }"


@pytest.mark.parametrize(
    "data",
    [
        header(F4) + KERNEL.tobytes()[:-1],
        header(F4) + KERNEL.tobytes() + b"\0",
        header(F4.replace("(3, 3, 3, 2)", "(3, 3, 512, 512)")),
        header(F4.replace("(3, 3, 3, 2)", "(3, 3, 3, 999999999999999)")),
        header(F4.replace("(3, 3, 3, 2)", "(3, 3, 3, 9" + "9" * 900 + ")")),
        header(F4.replace("(3, 3, 3, 2)", "(3, 3, 3, -2)")) + KERNEL.tobytes(),
        header(F4.replace("(3, 3, 3, 2)", "(" * 500)),
        header(F4.replace("(3, 3, 3, 2)", "()")),
        header(F4.replace("<f4", "<i4")) + KERNEL.tobytes(),
        header(F4.replace("<f4", "<c8")) + KERNEL.tobytes() * 2,
        header(F4.replace("<f4", "|O")) + pickle.dumps(KERNEL),
        header(F4.replace("<f4", "<f16")) + KERNEL.tobytes() * 4,
        header(F4.replace("'<f4'", "[('a', '<f4')]")) + KERNEL.tobytes(),
        header("__import__('os').system('true')"),
        header(F4, b"\x03\x00") + KERNEL.tobytes(),
        header(F4)[:8] + b"\xff\xff" + header(F4)[10:],
        header(F4, b"\x02\x00")[:8] + b"\xff\xff\xff\xff" + header(F4)[10:],
        header(F4)[:9],
        b"",
    ],
    ids=range(19),
)
def test_bad_arrays_in_an_npz_are_refused(tmp_path, data):
    path = npz(tmp_path / "w.npz", "conv1_1/kernel", data)
    with bounded(1, 2**26), pytest.raises(WeightFileError) as caught:
        read_numpy(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_version_2_header_is_read(tmp_path):
    data = header(F4 + "\n", b"\x02\x00") + KERNEL.tobytes()
    assert_same_layers(read_numpy(npz(tmp_path / "w.npz", "conv1_1/kernel", data)).layers, LAYERS)


def test_zip_bombs_are_refused(tmp_path):
    bomb = header(F4.replace("(3, 3, 3, 2)", "(3, 3, 9999, 9999)")) + bytes(2**26)
    path = npz(tmp_path / "w.npz", "conv1_1/kernel", bomb, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 2**18
    del bomb
    with bounded(1, 2**24), pytest.raises(WeightFileError, match="conv1_1"):
        read_numpy(path)
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        path = npz(tmp_path / "w.npz", "other", header(F4) + KERNEL.tobytes(), method)
        with pytest.raises(WeightFileError, match="compressed in an unexpected way"):
            read_numpy(path)


def test_arrays_that_are_not_wanted_are_not_read(tmp_path):
    bomb = header("{'descr': '<f4', 'fortran_order': False, 'shape': (16777216,), }") + bytes(2**26)
    path = npz(tmp_path / "w.npz", "fc6_W", bomb, zipfile.ZIP_DEFLATED)
    del bomb
    with bounded(5, 2**24):
        assert list(read_numpy(path).layers) == list(LAYERS)


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_npy_of_tensorflow_vgg(tmp_path, protocol):
    whole = {name: list(pair) for name, pair in LAYERS.items()}
    whole["fc6"] = [np.ones((50, 40), np.float32), np.ones(40, np.float32)]
    numpy_pickle(whole, tmp_path / "vgg19.npy", protocol)
    found = read_numpy(tmp_path / "vgg19.npy")
    assert_same_layers(found.layers, LAYERS)
    assert found.layout == "npy"
    assert found.input == CAFFE_INPUT


@pytest.mark.parametrize("protocol", [2, 4])
def test_npy_of_full_size(tmp_path, protocol):
    layers = random_layers(VGG19)
    whole = {name: list(pair) for name, pair in layers.items()}
    whole["fc6"] = [np.zeros((2048, 2048), np.float32), np.zeros(2048, np.float32)]
    numpy_pickle(whole, tmp_path / "vgg19.npy", protocol)
    del whole
    with bounded(20, 170 * 2**20):  # the convolutions alone are 76; protocol 2 unpacks through text
        found = read_numpy(tmp_path / "vgg19.npy")
    assert_same_layers(found.layers, layers)


def test_npy_as_numpy_saves_it(tmp_path):
    whole: Any = LAYERS
    np.save(tmp_path / "w.npy", whole, allow_pickle=True)
    assert_same_layers(read_numpy(tmp_path / "w.npy").layers, LAYERS)


def test_npy_of_caffe_tensorflow(tmp_path):
    whole = {name: {"weights": kernel, "biases": bias} for name, (kernel, bias) in LAYERS.items()}
    numpy_pickle(whole, tmp_path / "w.npy", 2)
    assert_same_layers(read_numpy(tmp_path / "w.npy").layers, LAYERS)


def array(kind: Any = "f4", shape=(3, 3, 3, 2), order="<", data=None, fortran=False):
    """A pickled array as Python 2 writes it; arguments may contradict each other."""
    dtype = Reduce(Name("numpy", "dtype"), (kind, 0, 1), (3, order, None, None, None, -1, -1, 0))
    data = OldString(b"\1" * 216) if data is None else data
    empty = (Name("numpy", "ndarray"), (0,), OldString(b"b"))
    rebuild = Name("numpy.core.multiarray", "_reconstruct")
    return Reduce(rebuild, empty, (1, shape, dtype, fortran, data))


def npy(path, layers):
    objects = Reduce(Name("numpy", "dtype"), ("O8", 0, 1), (3, "|", None, None, None, -1, -1, 63))
    empty = (Name("numpy", "ndarray"), (0,), OldString(b"b"))
    whole = Reduce(
        Name("numpy.core.multiarray", "_reconstruct"), empty, (1, (), objects, False, [layers])
    )
    path.write_bytes(
        header("{'descr': 'O', 'fortran_order': False, 'shape': (), }") + pickled(whole)
    )
    return path


BIAS = array(shape=(2,), data=OldString(b"\1" * 8))


def test_npy_of_python_2(tmp_path):
    layers = {OldString(b"conv1_1"): [array(fortran=True, order=">"), BIAS]}
    kernel, bias = read_numpy(npy(tmp_path / "vgg19.npy", layers)).layers["conv1_1"]
    assert kernel.shape == (3, 3, 3, 2)
    assert (kernel == np.frombuffer(b"\1\1\1\1", ">f4")).all()
    assert (bias == np.frombuffer(b"\1\1\1\1", "<f4")).all()


BAD_ARRAYS = {
    "too little data": array(data=OldString(b"\1" * 215)),
    "too much data": array(data=b"\1" * 217),
    "text beyond latin-1": array(data="\u1234" * 216),
    "an encoding other than latin-1": array(
        data=Reduce(Name("_codecs", "encode"), ("\1" * 216, "zlib"))
    ),
    "no data": array(data=0),
    "data that is a list": array(data=[1.0] * 54),
    "data that is an array": array(data=array()),
    "absurd shape": array(shape=(2**40, 2**40, 3, 3)),
    "shape of 2**61 bytes": array(shape=(3, 3, 3, 2**61)),
    "negative shape": array(shape=(-3, -3, 3, 2)),
    "shape of booleans": array(shape=(True, True, True, True)),
    "shape of many axes": array(shape=(1,) * 100),
    "integers": array("i4"),
    "objects": array("O8", data=[None] * 54),
    "void": array("V4"),
    "structured": array("f4,f4"),
    "a type that is code": array("__import__('os')"),
    "a type that is no text": array(None),
    "no state": Reduce(*(array().function, array().arguments)),
    "state of another form": Reduce(array().function, array().arguments, (1, 2)),
    "no array": Reduce(Name("numpy", "dtype"), ("f4",)),
    "a number": 1.0,
    "a global": Name("numpy", "ndarray"),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_bad_arrays_in_an_npy_are_refused(tmp_path, case):
    path = npy(tmp_path / "w.npy", {"conv1_1": [BAD_ARRAYS[case], BIAS]})
    with bounded(1, 2**26), pytest.raises(WeightFileError, match=r"conv1_1|cannot read"):
        read_numpy(path)


@pytest.mark.parametrize(
    "layers", [{}, [], None, {"conv1_1": None}, {"conv1_1": [array()]}, {1: {}}]
)
def test_an_npy_without_layers_is_refused(tmp_path, layers):
    with pytest.raises(WeightFileError):
        read_numpy(npy(tmp_path / "w.npy", layers))


def test_an_npy_that_runs_code_is_refused_by_name(tmp_path):
    class Malicious:
        def __reduce__(self):
            return eval, (f"open({str(tmp_path / 'ran')!r}, 'w')",)

    path = tmp_path / "w.npy"
    for protocol in (2, 4, 5):
        numpy_pickle({"conv1_1": [Malicious(), None]}, path, protocol)
        with pytest.raises(WeightFileError, match=r"refusing (global|pickle opcode)"):
            read_numpy(path)
    numpy_pickle({"conv1_1": [np.float32(1), None]}, path, 2)
    with pytest.raises(WeightFileError, match=r"refusing global numpy.*scalar"):
        read_numpy(path)
    assert not (tmp_path / "ran").exists()


def test_other_files_are_refused_with_one_line(tmp_path):
    path = tmp_path / "w.npy"
    with pytest.raises(WeightFileError, match="there is no weight file"):
        read_numpy(path)
    np.save(path, KERNEL)
    with pytest.raises(WeightFileError, match="one array; needed is a dict of layers"):
        read_numpy(path)
    np.save(path, np.array([LAYERS], object), allow_pickle=True)
    with pytest.raises(WeightFileError, match="one array; needed is a dict of layers"):
        read_numpy(path)
    for data in (b"", b"\x93NUMPY", b"PK\x03\x04", b"<html>", path.read_bytes()[:90]):
        path.write_bytes(data)
        with pytest.raises(WeightFileError) as caught:
            read_numpy(path)
        assert "\n" not in str(caught.value)


def few():
    return {name: array for name, array in OURS.items() if name < "conv2_2"}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damaged_npz_files_are_refused_or_read(tmp_path, save):
    file = io.BytesIO()
    save(file, **few(), **INPUT, other=np.arange(3))
    refused = assert_only_refusals(read_numpy, file.getvalue(), tmp_path / "w.npz", seed=5)
    assert refused > CASES // 4


def test_damaged_arrays_in_a_sound_zip_are_refused_or_read(tmp_path):
    file = io.BytesIO()
    np.save(file, KERNEL)

    def read(path):
        return read_numpy(npz(tmp_path / "w.npz", "conv1_1/kernel", path.read_bytes()))

    refused = assert_only_refusals(read, file.getvalue(), tmp_path / "w.npy", seed=7)
    assert refused > CASES // 4


@pytest.mark.parametrize("protocol", [2, 4])
def test_damaged_npy_files_are_refused_or_read(tmp_path, protocol):
    whole = {name: list(LAYERS[name]) for name in ("conv1_1", "conv1_2", "conv2_1")}
    numpy_pickle(whole, tmp_path / "valid.npy", protocol)
    assert list(read_numpy(tmp_path / "valid.npy").layers) == list(whole)
    data = (tmp_path / "valid.npy").read_bytes()
    refused = assert_only_refusals(read_numpy, data, tmp_path / "w.npy", seed=6)
    assert refused > CASES // 4
