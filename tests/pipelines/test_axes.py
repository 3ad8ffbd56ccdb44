"""The notation of axes, their labels, and what they make together."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxstyle.errors import InputError
from jaxstyle.pipelines.axes import Axis, axis, combinations, parse_axis


def values(text: str) -> list:
    """What an axis sets, for an axis of one setting."""
    found = parse_axis(text)
    assert all(len(setting) == 1 for setting in found.settings)
    return [next(iter(setting.values())) for setting in found.settings]


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("style_weight=1e-1,1,10", "style_weight", [0.1, 1.0, 10.0]),
        ("style-weight = 1 , 2", "style_weight", [1.0, 2.0]),
        ("seed=0..3", "seed", [0, 1, 2, 3]),
        ("seed=5", "seed", [5]),
        ("seed=0..1,7,9..10", "seed", [0, 1, 7, 9, 10]),
        ("steps=3..3", "steps", [3]),
        ("steps=50|200,100", "steps", ["50", "200,100"]),
        ("init=content,noise", "init", ["content", "noise"]),
        ("init=content|content+noise:0.3", "init", ["content", "content+noise:0.3"]),
        ("clamp=true,false", "clamp", [True, False]),
        ("preset=gatys-code,johnson", "preset", ["gatys-code", "johnson"]),
        ("max_seconds=1,2.5", "max_seconds", [1.0, 2.5]),
        ("weights=slim,vgg19", "weights", ["slim", "vgg19"]),
        ("style_layers=conv1_1,conv2_1", "style_layers", ["conv1_1", "conv2_1"]),
        (
            "style_layers=conv1_1|conv1_1,conv2_1:2",
            "style_layers",
            ["conv1_1", "conv1_1,conv2_1:2"],
        ),
        ("content_layers=|conv4_2", "content_layers", ["", "conv4_2"]),
    ],
)
def test_the_notation(text, name, expected):
    found = parse_axis(text)
    assert found.name == name
    assert found.settings == tuple({name: value} for value in expected)
    assert [type(value) for value in values(text)] == [type(value) for value in expected]


@pytest.mark.parametrize(
    ("text", "name"),
    [("tv=0,1e-3", "tv_weight"), ("tv=5", "tv_weight"), ("tv=l1,l2", "tv"), ("tv=l1,2", "tv")],
)
def test_tv_with_numbers_is_the_weight(text, name):
    assert parse_axis(text).name == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("style_weight", "write it as style_weight=0.1,1,10"),
        ("=1,2", "write it as style_weight=0.1,1,10"),
        ("seed=", "write it as style_weight=0.1,1,10"),
        ("style_wieght=1", "did you mean 'style_weight'"),
        ("nothing_like_it=1", "there is no setting 'nothing_like_it' to vary$"),
        ("style_weight=1,x", "axis style_weight: 'x' must be a number"),
        ("style_weight=1,,2", "axis style_weight: '' must be a number"),
        ("seed=1.5", "axis seed: '1.5' must be a whole number"),
        ("seed=3..0", "3..0 is no range of 1 to 1000 numbers"),
        ("seed=0..100000000000", "is no range of 1 to 1000 numbers"),
        ("style_weight=0..3", "axis style_weight: '0..3' must be a number"),
        ("clamp=yes", "axis clamp: 'yes' must be true or false"),
        ("seed=1,2,1", "axis seed has 1 twice"),
        ("seed=0..2,1", "axis seed has 1 twice"),
        ("style_weight=1,1.0", "axis style_weight has 1.0 twice"),
    ],
)
def test_what_cannot_be_read_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        parse_axis(text)


@given(st.text(max_size=30))
def test_any_text_is_an_axis_or_refused(text):
    try:
        found = parse_axis(text)
    except InputError as error:
        assert "\n" not in str(error) or "\n" in text
    else:
        assert len(found) == len(found.labels) > 0


@given(st.lists(st.floats(1e-30, 1e30), min_size=1, max_size=8, unique=True))
def test_numbers_come_back_as_written_with_labels_that_tell_them_apart(numbers):
    text = "style_weight=" + ",".join(map(repr, numbers))
    assert values(text) == numbers
    assert len(set(parse_axis(text).labels)) == len(numbers)


def test_labels_are_short():
    assert parse_axis("style_weight=1e-3,1e2,0.5").labels == ("0.001", "100", "0.5")
    assert parse_axis("style=art/one.jpg,two.png").labels == ("one", "two")
    assert parse_axis("clamp=true").labels == ("True",)
    assert parse_axis("content_layers=|conv4_2").labels == ("none", "conv4_2")
    assert axis("style", [np.zeros((2, 2, 3)), Path("b.png")]).labels == ("style 1", "b")


def test_labels_tell_pictures_of_one_name_apart():
    assert parse_axis("style=a/x.jpg,b/x.jpg").labels == ("a/x.jpg", "b/x.jpg")


def test_numbers_that_look_alike_are_told_apart():
    assert axis("style_weight", [1.00000001, 1.00000002]).labels == ("1.00000001", "1.00000002")


def test_own_labels():
    assert axis("seed", [1, 2], ["one", "two"]).labels == ("one", "two")
    with pytest.raises(InputError, match="2 values, but 1 labels"):
        axis("seed", [1, 2], ["one"])


def test_an_axis_without_values_is_refused():
    with pytest.raises(InputError, match="axis seed has no values"):
        axis("seed", [])


@pytest.fixture
def art(tmp_path, monkeypatch):
    """A folder with pictures, which is the current one."""
    for name in ("b.jpg", "a.jpg", "c.png", "odd[1].jpg", "x,y.jpg", "deep/er/d.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.jpg").mkdir()
    monkeypatch.chdir(tmp_path)


def test_patterns_stand_for_files_in_order(art):
    assert values("style=?.jpg") == ["a.jpg", "b.jpg"]
    assert values("content=c.png,?.jpg") == ["c.png", "a.jpg", "b.jpg"]
    assert values("style=deep/**/*.jpg") == ["deep/er/d.jpg"]
    assert values("style=[ab].jpg|x,y.jpg") == ["a.jpg", "b.jpg", "x,y.jpg"]


def test_a_file_whose_name_looks_like_a_pattern(art):
    assert values("style=odd[1].jpg") == ["odd[1].jpg"]


def test_folders_are_no_pictures(art):
    assert "folder.jpg" not in values("style=*.jpg|c.png")


def test_a_pattern_for_nothing_is_refused(art):
    with pytest.raises(InputError, match=r"no file fits the pattern '\*\.bmp'"):
        parse_axis("style=*.bmp")


def test_a_missing_file_is_left_to_its_cells(art):
    assert values("style=a.jpg,missing.jpg") == ["a.jpg", "missing.jpg"]


def test_combinations_are_all_with_the_last_axis_fastest():
    axes = [parse_axis("seed=0..1"), parse_axis("style_weight=1,2,3"), parse_axis("tv=l1,l2")]
    cells = list(combinations(axes))
    assert len(cells) == math.prod(map(len, axes)) == 12
    assert [place for place, _ in cells[:4]] == [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1)]
    assert cells[-1] == ((1, 2, 1), {"seed": 1, "style_weight": 3.0, "tv": "l2"})


def test_each_cell_has_settings_of_its_own():
    one, other = combinations([parse_axis("seed=0..1")])
    one[1].clear()
    assert other[1] == {"seed": 1}


@pytest.mark.parametrize(
    "texts", [("seed=0,1", "seed=2"), ("tv=1,2", "tv_weight=3"), ("tv=1,2", "tv-weight=3")]
)
def test_two_axes_must_not_set_the_same(texts):
    with pytest.raises(InputError, match=r"both set (seed|tv_weight)"):
        list(combinations([parse_axis(text) for text in texts]))


def test_an_axis_of_several_settings():
    both = Axis("start", ({"init": "content"}, {"init": "noise", "seed": 3}), ("a", "b"))
    assert [settings for _, settings in combinations([both])] == list(both.settings)
    with pytest.raises(InputError, match="axes start and seed both set seed"):
        list(combinations([both, parse_axis("seed=0..1")]))
