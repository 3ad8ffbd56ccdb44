"""Styles, contents and masks as users write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from jaxstyle.errors import InputError
from jaxstyle.images import as_picture, save_image
from jaxstyle.run.inputs import Style, read_contents, read_regions, read_styles
from jaxstyle.run.style_pictures import cropped


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The working directory, with pictures of one grey each."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "many").mkdir()
    (tmp_path / "empty").mkdir()
    names = ("a.png", "b.png", "many/one.png", "many/two.JPG", "c:0.5", "c", "d:region=2")
    for level, name in enumerate(names):
        path = tmp_path / name
        save_image(tmp_path / "x.png", np.full((3, 4, 3), level / 10, np.float32))
        (tmp_path / "x.png").rename(path)
    (tmp_path / "many" / "notes.txt").write_text("no picture")
    return tmp_path


def told(styles: tuple[Style, ...]) -> list[tuple[str, float]]:
    return [(style.picture.source, style.weight) for style in styles]


def test_a_path_an_array_and_a_style_are_styles(folder):
    array = np.zeros((2, 2, 3), np.float32)
    found = read_styles(["a.png", Path("b.png"), array, Style("a.png", 0.5, region=1)])
    assert told(found) == [("a.png", 1), ("b.png", 1), ("<array>", 1), ("a.png", 0.5)]
    assert told(read_styles(array)) == [("<array>", 1)]
    assert found[3].region == 1 and found[0].region is None
    assert told(read_styles(found)) == told(found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.png", Style("a.png")),
        ("a.png:0.7", Style("a.png", 0.7)),
        ("a.png:3e-1:scale=0.5", Style("a.png", 0.3, scale=0.5)),
        ("a.png:scale=2:crop=0.8:region=3:weight=4", Style("a.png", 4, 2, 0.8, 3)),
    ],
)
def test_text_is_a_path_with_weight_and_options(folder, text, expected):
    (found,) = read_styles(text)
    assert found.picture.source == expected.image
    for name in ("weight", "scale", "crop", "region", "mask"):
        assert getattr(found, name) == getattr(expected, name)


def test_a_mask_of_a_style_is_read(folder):
    (found,) = read_styles("a.png:0.5:mask=b.png")
    assert found.weight == 0.5
    assert found.mask.source == "b.png"
    np.testing.assert_allclose(found.mask.values, 0.1, atol=0.01)


def test_a_file_whose_name_has_colons_is_that_file(folder):
    assert told(read_styles("c:0.5")) == [("c:0.5", 1)]
    assert told(read_styles("c:0.5:0.25")) == [("c:0.5", 0.25)]
    assert told(read_styles("c:0.6")) == [("c", 0.6)]
    assert read_styles("d:region=2:region=1")[0].region == 1
    with pytest.raises(InputError, match=r"a:b\.png"):
        read_styles("a:b.png")
    with pytest.raises(InputError, match=r"C:.*missing\.png"):
        read_styles("C:\\missing.png:0.5")


def test_folders_and_patterns_are_several_styles_that_share_their_weight(folder):
    half = [("many/one.png", 0.5), ("many/two.JPG", 0.5)]
    assert told(read_styles("many")) == half
    assert told(read_styles(Path("many"))) == half
    assert told(read_styles("many/*.png")) == [("many/one.png", 1)]
    assert told(read_styles(["a.png:2", "many/*[gG]:4"])) == [
        ("a.png", 2),
        ("many/one.png", 2),
        ("many/two.JPG", 2),
    ]
    assert [style.scale for style in read_styles("many:scale=0.5")] == [0.5, 0.5]


@pytest.mark.parametrize(
    ("style", "message"),
    [
        ("empty", "there is no picture in empty: give a file, a folder or a pattern"),
        ("*.webp", r"there is no picture in \*\.webp"),
        ("missing.png", "missing.png"),
        ([], "no style picture is given"),
        ("a.png:0", "all styles have weight 0: give one a weight above 0"),
        (["a.png:0", "b.png:0"], "all styles have weight 0"),
        ("a.png:-1", "weight of style 'a.png:-1' is -1.0: give a number of at least 0"),
        ("a.png:inf", "weight of style 'a.png:inf' is inf: give"),
        ("a.png:nan", "weight of style 'a.png:nan' is nan: give"),
        ("a.png:scale=0", "scale of a style is 0.0: give a number of at least 0.001 and at most"),
        ("a.png:scale=big", "scale of style 'a.png:scale=big' is 'big'"),
        ("a.png:crop=2", "crop of a style is 2.0: give a number of at least 0.001 and at most 1"),
        ("a.png:region=0", "region of a style is 0: regions are counted from 1"),
        (
            "a.png:foo=2",
            "style 'a.png:foo=2' has an option 'foo' that is unknown: use one of "
            "weight, scale, crop, region, mask",
        ),
        ("a.png:region=one", "region of style .* is 'one': give a whole number"),
        ("a.png:1:2", "style 'a.png:1:2' gives weight twice"),
        ("a.png:mask=x.png", "mask of style 1"),
        ("a.png:mask=a.png", r"mask of style 1 \(a.png\) is black all over: white is what counts"),
    ],
)
def test_styles_that_make_no_sense_are_refused(folder, style, message):
    with pytest.raises(InputError, match=message) as caught:
        read_styles(style)
    assert "\n" not in str(caught.value)


def test_contents_are_one_picture_or_several_with_weights(folder):
    array = np.zeros((2, 2, 3), np.float32)
    assert [(one.picture.source, one.weight) for one in read_contents("a.png")] == [("a.png", 1)]
    found = read_contents(["a.png:0.5", ("b.png", 2), array])
    assert [(one.picture.source, one.weight) for one in found] == [
        ("a.png", 0.5),
        ("b.png", 2),
        ("<array>", 1),
    ]
    assert list(read_contents(list(found))) == list(found)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a.png:scale=2", "'a.png:scale=2' is not understood: write a path, or path:weight"),
        ("a.png:1:2", "'a.png:1:2' is not understood"),
        ([("a.png", -1), "b.png"], "weight of content image 1 is -1: give a number of at least 0"),
        ([("a.png", "much")], "weight of content image is 'much'"),
        (["a.png:0", "b.png:0"], "no content picture has a weight above 0"),
        ([], "no content picture has a weight above 0"),
        ("missing.png", "missing.png"),
    ],
)
def test_contents_that_make_no_sense_are_refused(folder, content, message):
    with pytest.raises(InputError, match=message) as caught:
        read_contents(content)
    assert "\n" not in str(caught.value)


def test_regions_are_masks_with_weights(folder):
    found = read_regions(["b.png:2", np.ones((3, 3), np.float32), ("b.png", 0.5)])
    assert [(one.mask.source, one.weight) for one in found] == [
        ("b.png", 2),
        ("<array>", 1),
        ("b.png", 0.5),
    ]
    again = read_regions(found)
    assert [one.mask for one in again] == [one.mask for one in found]
    with pytest.raises(InputError, match=r"mask 1 \(a.png\) is black all over"):
        read_regions(["a.png"])
    with pytest.raises(InputError, match="weight of mask 2 is -1"):
        read_regions(["b.png", ("b.png", -1)])


@given(st.integers(1, 60), st.integers(1, 60), st.floats(0.001, 1))
def test_a_crop_is_the_middle(height, width, fraction):
    picture = np.arange(height * width).reshape(height, width)
    found = cropped(picture, fraction)
    assert found.shape == tuple(max(1, round(fraction * side)) for side in picture.shape)
    top, left = divmod(int(found[0, 0]), width)
    assert abs(top - (height - top - found.shape[0])) <= 1
    assert abs(left - (width - left - found.shape[1])) <= 1


def test_a_crop_of_all_is_all():
    picture = as_picture(np.random.default_rng(0).random((5, 6, 3))).rgb
    np.testing.assert_array_equal(cropped(picture, 1.0), picture)


@pytest.mark.parametrize("number", [np.float32(0.5), np.float64(0.5), np.int64(1)])
def test_numbers_may_be_numpys(number):
    picture = np.zeros((4, 4, 3), np.float32)
    for entry in (Style(picture, number, scale=number, crop=number), (picture, number)):
        (style,) = read_styles([entry])
        assert style.weight == number and type(style.weight) is float
    assert read_contents([(picture, number)])[0].weight == number
    assert Style(picture, region=np.int64(2)).region == 2  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"region of a style is 1\.5: give a whole number"):
        Style(picture, region=1.5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "mask",
    [
        np.ones((5, 4), np.float32),
        np.ones((5, 4), bool),
        np.ones((5, 4, 3), np.float32),
        Image.fromarray(np.full((5, 4), 255, np.uint8)),
        as_picture(np.ones((5, 4), np.float32)),
        (np.ones((5, 4), np.float32), 2.0),
    ],
)
def test_one_mask_needs_no_list(mask):
    (region,) = read_regions(mask)
    assert region.mask.size == (4, 5)
    assert region.weight == (2.0 if isinstance(mask, tuple) else 1.0)


def test_a_stack_of_masks_is_several():
    assert len(read_regions(np.ones((2, 5, 6), np.float32))) == 2  # type: ignore[arg-type]


def test_patterns_skip_what_is_no_picture_and_look_into_folders(folder):
    (folder / "many" / "deeper").mkdir()
    (folder / "many" / "deeper" / "three.png").write_bytes((folder / "b.png").read_bytes())
    (folder / "many" / "odd.jpeg2").write_bytes((folder / "b.png").read_bytes())
    assert told(read_styles("many/*")) == told(read_styles("many"))
    deep = [path for path, _ in told(read_styles("many/**/*.png"))]
    assert deep == ["many/deeper/three.png", "many/one.png"]
    assert told(read_styles("many/*.jpeg2")) == [("many/odd.jpeg2", 1)]


def test_pairs_and_a_lone_mask_are_what_they_look_like(tmp_path):
    picture = np.full((8, 8, 3), 0.5, np.float32)
    one, two = read_styles([(picture, 0.7), (picture, 0.3)])
    assert (one.weight, two.weight) == (0.7, 0.3)
    assert [style.weight for style in read_styles((picture, 0.4))] == [0.4]
    save_image(tmp_path / "mask.png", np.ones((8, 8, 3), np.float32))
    assert len(read_regions(str(tmp_path / "mask.png"))) == 1


def test_what_holds_arrays_is_compared_by_identity():
    """By fields there would be no single truth value, or a second one on another Python."""
    one, other = (read_styles((np.zeros((8, 8, 3)), 1.0))[0] for _ in range(2))
    assert one == one and one != other
    assert one.picture != other.picture
    assert len({one, other}) == 2
