"""GIF, WebP, APNG and AVIF: their times, transparency and plays, a frame at a time."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
from moving_pictures import scene
from PIL import Image, features

from jaxstyle.errors import ImageError
from jaxstyle.images.animations import plays_of, read_animation, whole_times, write_animation


def frames(count, alpha=False):
    """RGB, or RGBA with a hole that moves, under which there is a colour."""
    for index in range(count):
        rgba = scene(index)
        if alpha:
            rgba[30:40, 4 + 8 * index : 16 + 8 * index] = (255, 0, 255, 0)
        yield rgba if alpha else rgba[..., :3]


@pytest.mark.parametrize(
    ("seconds", "per_second", "least", "expected"),
    [
        ([0.1, 0.14, 0.14, 0.14, 0.14], 100, 2, [10, 14, 14, 14, 14]),
        ([1 / 30] * 6, 100, 2, [3, 4, 3, 3, 4, 3]),
        ([1 / 60] * 6, 100, 2, [2, 0, 3, 2, 0, 3]),
        ([1.0, 0.001], 100, 2, [100, 2]),
        ([], 100, 2, []),
    ],
)
def test_the_sum_of_whole_times_is_right(seconds, per_second, least, expected):
    assert whole_times(seconds, per_second, least) == expected


@pytest.mark.parametrize("ending", [".gif", ".webp"])
@pytest.mark.parametrize("plays", [0, 1, 3])
def test_times_and_plays_survive(tmp_path, ending, plays):
    path, seconds = tmp_path / f"a{ending}", [0.1, 0.14, 0.14, 3.0, 0.14]
    write_animation(path, lambda: frames(5), seconds, plays=plays)
    assert plays_of(path) == plays
    shown = list(read_animation(path))
    assert [each.seconds for each in shown] == seconds
    for each, pixels in zip(shown, frames(5), strict=True):
        assert each.picture.alpha is None
        assert np.abs(each.picture.rgb - pixels / 255).mean() < 0.04


@pytest.mark.parametrize(("ending", "total"), [(".gif", 1.0), (".webp", 1.0)])
@pytest.mark.parametrize("rate", [30, 60, 144])
def test_totals_survive(tmp_path, ending, total, rate):
    write_animation(tmp_path / f"a{ending}", lambda: frames(rate), [1 / rate] * rate)
    shown = list(read_animation(tmp_path / f"a{ending}"))
    assert sum(each.seconds for each in shown) == pytest.approx(total, abs=0.02)


@pytest.mark.parametrize("ending", [".gif", ".webp"])
def test_holes_survive_and_what_is_hidden_does_not_show(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    write_animation(path, lambda: frames(3, alpha=True), [0.1] * 3)
    for each, pixels in zip(read_animation(path), frames(3, alpha=True), strict=True):
        np.testing.assert_array_equal(each.picture.alpha, pixels[..., 3] / 255)
        seen = pixels[..., 3] > 0
        assert np.abs(each.picture.rgb[seen] - pixels[seen, :3] / 255).mean() < 0.04


def test_a_gif_holds_a_frame_for_longer_than_its_numbers_go(tmp_path):
    write_animation(tmp_path / "a.gif", lambda: frames(2), [800.0, 0.1])
    assert sum(each.seconds for each in read_animation(tmp_path / "a.gif")) == pytest.approx(800.1)


@pytest.mark.parametrize("time", [0, 10])
def test_what_is_too_short_is_shown_as_by_browsers(tmp_path, time):
    first, *others = [Image.fromarray(pixels) for pixels in frames(3)]
    first.save(tmp_path / "a.gif", save_all=True, append_images=others, duration=time)
    assert [each.seconds for each in read_animation(tmp_path / "a.gif")] == [0.1] * 3


@pytest.mark.parametrize("kind", ["png", "avif"])
def test_other_animations_are_read(tmp_path, kind):
    if kind == "avif" and not features.check("avif"):
        pytest.skip("Pillow without AVIF")
    first, *others = [Image.fromarray(pixels) for pixels in frames(3, alpha=True)]
    options = {"save_all": True, "append_images": others, "duration": [100, 200, 300]}
    first.save(tmp_path / f"a.{kind}", **options)
    shown = list(read_animation(tmp_path / f"a.{kind}"))
    assert [round(each.seconds, 3) for each in shown] == [0.1, 0.2, 0.3]
    for each, pixels in zip(shown, frames(3, alpha=True), strict=True):
        np.testing.assert_allclose(each.picture.alpha, pixels[..., 3] / 255, atol=0.2)
    assert plays_of(tmp_path / f"a.{kind}") == 0


def test_the_picture_for_programs_without_apng_is_none_of_the_frames(tmp_path):
    still, *moving = [Image.fromarray(pixels) for pixels in frames(3)]
    options = {"save_all": True, "append_images": moving, "default_image": True, "duration": 100}
    still.save(tmp_path / "a.png", **options)
    assert len(list(read_animation(tmp_path / "a.png"))) == 2


def test_pages_and_single_pictures_are_no_animation(tmp_path):
    one, two = [Image.fromarray(pixels) for pixels in frames(2)]
    one.save(tmp_path / "one.gif")
    one.save(tmp_path / "pages.tif", save_all=True, append_images=[two])
    for name in ("one.gif", "pages.tif"):
        with pytest.raises(ImageError, match="is one picture: give a clip"):
            plays_of(tmp_path / name)


def test_a_damaged_frame_is_refused(tmp_path):
    path = tmp_path / "a.gif"
    write_animation(path, lambda: frames(6), [0.1] * 6)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(ImageError, match=r"frame \d of .*a.gif' cannot be"):
        list(read_animation(path))


@pytest.mark.parametrize("ending", [".gif", ".webp"])
def test_one_frame_at_a_time_is_in_memory(tmp_path, ending):
    made: list[weakref.ref] = []

    def many():
        for pixels in frames(30):
            made.append(weakref.ref(pixels))
            yield pixels
            assert sum(one() is not None for one in made) < 4

    write_animation(tmp_path / f"a{ending}", many, [0.1] * 30)
    assert len(made) >= 30
