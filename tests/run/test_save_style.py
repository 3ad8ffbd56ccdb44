"""Style targets as files: they do as the picture does, or say why they cannot."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from fuzzing import bounded
from grids import picture
from samples import prepare_replay

from jaxstyle import InputError, axis, stylize, sweep
from jaxstyle.cli.commands import targets
from jaxstyle.cli.options.parser import Parser
from jaxstyle.images import save_image
from jaxstyle.run.coarse_to_fine import run
from jaxstyle.run.inputs import Style
from jaxstyle.run.save_style import save_targets
from jaxstyle.run.style_file import read_saved_style

SETTINGS = {
    "size": 48,
    "levels": 1,
    "steps": 2,
    "optimizer": "adam",
    "content_layers": "relu2_1",
    "style_layers": "relu1_1,relu2_1",
    "weights": "slim",
}
CONTENT = picture(0, 36, 48)


@pytest.fixture
def style(tmp_path) -> str:
    path = tmp_path / "style.png"
    save_image(path, picture(1, 60, 80))
    return str(path)


@pytest.fixture
def file(tmp_path, style) -> Path:
    path = tmp_path / "style.npz"
    save_targets(path, style, **SETTINGS)
    return path


def same(one, other):
    assert one.losses == other.losses
    np.testing.assert_array_equal(one.image, other.image)


@pytest.mark.parametrize("statistic", ["gram", "gram+histogram"])
def test_a_file_gives_the_pixels_that_the_picture_gives(tmp_path, style, statistic):
    path = tmp_path / "style.npz"
    settings = {**SETTINGS, "statistic": statistic}
    save_targets(path, style, **settings)
    same(stylize(CONTENT, path, **settings), stylize(CONTENT, style, **settings))


@pytest.mark.parametrize(
    "settings",
    [
        {"style_multiscale": "0.5,1", "style_scales": "relu1_1:0.5", "style_scale": 0.8},
        {"padding": "reflect", "pooling": "max", "color": "keep"},
    ],
)
def test_with_other_settings_too(tmp_path, style, settings):
    path = tmp_path / "style.npz"
    settings = {**SETTINGS, **settings}
    save_targets(path, style, **settings)
    same(stylize(CONTENT, path, **settings), stylize(CONTENT, style, **settings))


def test_moments_serve_other_statistics_and_fewer_layers(file, style):
    other = {**SETTINGS, "statistic": "mean-covariance", "style_layers": "relu2_1:2"}
    from_file, from_picture = stylize(CONTENT, file, **other), stylize(CONTENT, style, **other)
    np.testing.assert_allclose(from_file.losses, from_picture.losses, rtol=1e-5)


def test_content_of_another_shape_at_all_levels(tmp_path, style):
    path, content = tmp_path / "style.npz", picture(2, 48, 32)
    settings = {**SETTINGS, "levels": 3, "steps": 1}
    saved = save_targets(path, style, **settings)
    assert list(saved.known) == [12, 24, 48]
    same(stylize(content, path, **settings), stylize(content, style, **settings))


def test_several_styles_in_a_file_and_beside_it(tmp_path, style, file):
    other = str(tmp_path / "other.png")
    save_image(other, picture(3, 70, 70))
    both = [f"{style}:0.3", f"{other}:0.7:scale=0.5"]
    blend = tmp_path / "blend.npz"
    save_targets(blend, both, **SETTINGS)
    wanted = stylize(CONTENT, both, **SETTINGS)
    same(stylize(CONTENT, blend, **SETTINGS), wanted)
    same(stylize(CONTENT, [f"{file}:0.3", both[1]], **SETTINGS), wanted)


def test_a_mask_of_the_style_is_in_the_file(tmp_path, style):
    mask = np.zeros((60, 80), np.float32)
    mask[:, :30] = 1
    masked, path = Style(style, mask=mask), tmp_path / "masked.npz"
    save_targets(path, masked, **SETTINGS)
    same(stylize(CONTENT, path, **SETTINGS), stylize(CONTENT, masked, **SETTINGS))
    with pytest.raises(InputError, match="masked pictures with guide simple, not all"):
        stylize(CONTENT, path, **SETTINGS, guide="all")


def test_in_a_sweep_each_cell_needs_its_own_layers_alone(tmp_path, file, style):
    less = tmp_path / "less.npz"
    save_targets(less, style, **{**SETTINGS, "style_layers": "relu1_1"})
    layers = axis("style_layers", ["relu1_1", "relu1_1,relu2_1"])
    grid = sweep(CONTENT, style, [axis("style", [str(less), str(file)]), layers], **SETTINGS)
    messages = [cell.message for cell in grid.cells]
    assert messages[0] == messages[2] == messages[3] == ""
    assert "has targets for relu1_1 and none for relu2_1" in messages[1]
    wanted = stylize(CONTENT, style, **{**SETTINGS, "style_layers": "relu1_1"})
    for cell in (grid.cells[0], grid.cells[2]):
        assert cell.result is not None
        np.testing.assert_allclose(cell.result.losses, wanted.losses, rtol=1e-3)


def test_its_result_can_be_made_again(tmp_path, file):
    content = tmp_path / "content.png"
    save_image(content, CONTENT)
    result = stylize(content, file, **SETTINGS)
    (entry,) = json.loads(result.record)["inputs"]["styles"]
    assert entry == {"path": file.name, "sha256": read_saved_style(file).sha256}
    result.save(tmp_path / "result.png")
    job, changed = prepare_replay(tmp_path / "result.png")
    assert changed == {}
    same(run(job), result)


def test_the_same_style_makes_the_same_file(tmp_path, file, style):
    again = tmp_path / "again.npz"
    save_targets(again, style, **SETTINGS)
    assert again.read_bytes() == file.read_bytes()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 80}, "none for 80 px: make it again .* --size 80"),
        ({"style_layers": "relu1_1,relu3_1"}, "none for relu3_1: .* --style-layers relu1_1,relu3"),
        ({"statistic": "histogram"}, "none of the ranks .* --statistic histogram"),
        ({"pooling": "max"}, "made with pooling avg, not max"),
        ({"style_scale": 0.5}, "made with style_scale 1.0, not 0.5"),
        ({"style_scales": "relu2_1:2"}, "made with style_scales 1 for relu2_1, not 2"),
        ({"precision": "bf16"}, "made with precision high, not bf16"),
        ({"color": "match-before"}, "--color match-before changes the style by the content"),
        ({"color": "luminance"}, "--color luminance changes the style"),
        ({"match_histogram": True}, "--match-histogram needs the style picture"),
        ({"init": "content+style:0.5"}, r"--init content\+style:0.5 needs the style picture"),
    ],
)
def test_what_it_does_not_fit_is_refused(file, settings, message):
    with pytest.raises(InputError, match=message) as caught:
        stylize(CONTENT, file, **{**SETTINGS, **settings})
    assert "\n" not in str(caught.value)


def test_options_that_are_in_the_file_already_are_refused(file):
    with pytest.raises(InputError, match="scale, crop and mask were decided when it was made"):
        stylize(CONTENT, f"{file}:scale=0.5", **SETTINGS)


def test_another_network_is_refused(tmp_path, file):
    changed = rewritten(file, tmp_path / "other.npz", network="0" * 64)
    with pytest.raises(InputError, match="another network than vgg19-slim"):
        stylize(CONTENT, changed, **SETTINGS)


def test_a_later_version_is_refused(tmp_path, file):
    changed = rewritten(file, tmp_path / "later.npz", version=2)
    with pytest.raises(InputError, match="of version 2, this jaxstyle reads up to 1: upgrade"):
        stylize(CONTENT, changed, **SETTINGS)


def test_damaged_and_foreign_files_are_refused(tmp_path, file):
    data = file.read_bytes()
    foreign, packed, loaded = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.savez(foreign, kernel=np.zeros(3))
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.npy", data)
    np.savez(loaded, header=np.array({"a": 1}, dtype=object), allow_pickle=True)
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 0xFF
    wrong = {
        "cut": data[: len(data) // 2],
        "flipped": bytes(flipped),
        "empty": b"",
        "text": b"no archive",
        "pickle": pickle.dumps({"a": 1}),
        "foreign": foreign.getvalue(),
        "packed": packed.getvalue(),
        "objects": loaded.getvalue(),
    }
    for name, content in wrong.items():
        path = tmp_path / f"{name}.npz"
        path.write_bytes(content)
        with pytest.raises(InputError, match="no file of style targets, or damaged: make it"):
            read_saved_style(path)
    with pytest.raises(InputError, match="No such file"):
        read_saved_style(tmp_path / "absent.npz")


def nested_members(count: int, size: int) -> bytes:
    """A zip of members without a flaw, each of which holds all that follow: their sum is huge."""
    data, directory = bytes(size), []
    for number in reversed(range(count)):
        name = f"{number:06}.npy".encode()
        sizes = struct.pack("<III", zlib.crc32(data), len(data), len(data))
        entry = struct.pack("<HHHHH", 20, 0, 0, 0, 0) + sizes + struct.pack("<HH", len(name), 0)
        directory.append((name, entry))
        data = b"PK\x03\x04" + entry + name + data
    offset, start = 0, len(data)
    for name, entry in reversed(directory):
        data += b"PK\x01\x02\x14\0" + entry + struct.pack("<HHHII", 0, 0, 0, 0, offset) + name
        offset += 4 + len(entry) + len(name)
    end = struct.pack("<HHHHIIH", 0, 0, count, count, len(data) - start, start, 0)
    return data + b"PK\x05\x06" + end


def test_members_that_overlap_or_claim_terabytes_are_refused(tmp_path):
    nested = nested_members(400, 400_000)
    with zipfile.ZipFile(io.BytesIO(nested)) as archive:
        assert len(archive.read("000000.npy")) > 400_000
    claim = io.BytesIO()
    claimed = {"descr": "<f4", "fortran_order": False, "shape": (2**20, 2**20)}
    with zipfile.ZipFile(claim, "w") as archive, archive.open("header.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, claimed)
    for content in (nested, claim.getvalue()):
        (tmp_path / "a.npz").write_bytes(content)
        with bounded(2, 2**25), pytest.raises(InputError, match="no file of style targets"):
            read_saved_style(tmp_path / "a.npz")


def test_a_header_of_odd_values_is_refused(tmp_path, file):
    for number, change in enumerate(
        ({"scales": {"relu1_1": "x"}}, {"scales": 3}, {"scales": {"relu1_1": [1.0]}})
    ):
        changed = rewritten(file, tmp_path / f"{number}.npz", settings=change)
        with pytest.raises(InputError, match="or damaged"):
            read_saved_style(changed)


def test_a_folder_is_refused(tmp_path):
    (tmp_path / "a.npz").mkdir()
    with pytest.raises(InputError, match="it is not a file"):
        read_saved_style(tmp_path / "a.npz")


def test_values_that_no_style_has_are_refused(tmp_path, file):
    for name, change in (
        ("nan", lambda array: np.full_like(array, np.nan)),
        ("shape", lambda array: array[:-1]),
        ("dtype", lambda array: array.astype(np.float64)),
    ):
        changed = rewritten(file, tmp_path / f"{name}.npz", change={"48/relu1_1/total": change})
        with pytest.raises(InputError, match="or damaged"):
            read_saved_style(changed)


def test_what_cannot_be_saved_is_refused(tmp_path, style, file):
    for arguments, settings, message in (
        ((tmp_path / "style.png", style), {}, "let it end in .npz"),
        ((tmp_path / "new.npz", str(file)), {}, "are made from pictures"),
        ((tmp_path / "new.npz", style), {"color": "match-before"}, "by the content"),
        ((tmp_path / "new.npz", [style, style]), {"blend": "losses"}, "one of each style"),
        ((tmp_path / "no" / "new.npz", style), {}, "there is no folder"),
    ):
        with pytest.raises(InputError, match=message):
            save_targets(*arguments, **{**SETTINGS, **settings})
    assert not (tmp_path / "new.npz").exists()


def test_the_command(tmp_path, capsys):
    parser = Parser()
    targets.add_parser(parser.add_subparsers())
    output = tmp_path / "style.npz"
    options = ["--size", "48", "--levels", "2", "--style-layers", "relu1_1,relu2_1"]
    given = ["targets", str(ROOT / "examples/style.jpg"), "-o", str(output), "--weights", "slim"]
    arguments = parser.parse_args([*given, *options])
    assert arguments.run(arguments) == 0
    assert "1 style, relu1_1,relu2_1 for results of 24, 48 px" in capsys.readouterr().err
    stylize(CONTENT, output, **SETTINGS)


def rewritten(file: Path, to: Path, *, change=(), **header) -> Path:
    """A copy with another header, or other arrays."""
    with np.load(file) as found:
        arrays = {name: found[name] for name in found.files}
    told = {**json.loads(arrays["header"].tobytes()), **header}
    arrays["header"] = np.frombuffer(json.dumps(told).encode(), np.uint8)
    for name, how in dict(change).items():
        arrays[name] = how(arrays[name])
    np.savez(to, **arrays)
    return to
