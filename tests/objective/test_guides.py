"""Masks: read in any form, resized, and handed down to the layers of the network."""

from __future__ import annotations

import hashlib
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from samples import TINY, random_params

from jaxstyle.errors import InputError
from jaxstyle.images import as_picture
from jaxstyle.images.masks import check_aspect, full, read_mask, resize_mask
from jaxstyle.network.architecture import VGG16, VGG19, stride
from jaxstyle.network.vgg import features
from jaxstyle.objective.guides import GUIDE_MODES, guides
from jaxstyle.objective.partitioned.tile_layout import reach_of

TAPS = ("relu1_1", "conv1_2", "pool1", "relu2_1", "pool2", "relu3_1", "conv4_2", "relu5_1")
SIDES = st.integers(16, 70)
SEEDS = st.integers(0, 999)


def soft(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((height, width)).astype(np.float32)


def guide(mask: np.ndarray, tap: str, mode: str = "simple", **options) -> np.ndarray:
    return guides(mask[None], (tap,), mode, **options)[tap][0]


# Reading


@pytest.mark.parametrize(
    "value",
    [
        np.array([[0, 128, 255]], np.uint8),
        np.array([[0, 128 / 255, 1]], np.float32),
        np.repeat(np.array([[0, 128, 255]], np.uint8)[..., None], 3, axis=2),
        Image.fromarray(np.array([[0, 128, 255]], np.uint8)),
        as_picture(np.array([[0, 128, 255]], np.uint8)),
        jnp.asarray([[0, 128 / 255, 1]], jnp.float32),
    ],
    ids=["uint8", "float", "colour", "pil", "picture", "jax"],
)
def test_grey_is_half_in_any_form(value):
    mask = read_mask(value)
    np.testing.assert_allclose(mask.values, [[0, 128 / 255, 1]], atol=1e-7)
    assert mask.values.dtype == np.float32
    assert (mask.source, mask.sha256, mask.size) == ("<array>", "", (3, 1))


def test_bools_are_ones():
    inside = soft(5, 6) > 0.5
    np.testing.assert_array_equal(read_mask(inside).values, inside.astype(np.float32))
    assert full(read_mask(np.ones((2, 2), bool)).values)


def test_a_file_is_known_by_its_bytes(tmp_path):
    path = tmp_path / "sky.png"
    Image.fromarray(np.array([[0, 64], [128, 255]], np.uint8)).save(path)
    mask = read_mask(path, name="mask 1")
    np.testing.assert_allclose(mask.values * 255, [[0, 64], [128, 255]], atol=1e-4)
    assert mask.source == str(path)
    assert mask.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_colours_count_by_their_luma():
    mask = read_mask(np.eye(3, dtype=np.float32)[None])
    np.testing.assert_allclose(mask.values, [[0.299, 0.587, 0.114]], atol=1e-6)


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (200, 30, 30)])
def test_a_shape_painted_in_one_colour_is_its_alpha(colour):
    """Whatever the colour, and whatever lies hidden under full transparency."""
    rgba = np.zeros((2, 3, 4), np.uint8)
    rgba[0, :, :3] = colour
    rgba[1, :, :3] = 77
    rgba[0, :, 3] = (255, 128, 255)
    np.testing.assert_allclose(
        read_mask(Image.fromarray(rgba)).values, rgba[..., 3] / np.float32(255), atol=1e-6
    )


def test_what_is_transparent_in_a_painted_mask_is_outside():
    rgba = np.array([[[255] * 4, [0, 0, 0, 255], [255, 255, 255, 0]]], np.uint8)
    np.testing.assert_array_equal(read_mask(rgba).values, [[1, 0, 0]])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.array([[0, 1]], np.uint8), "mask 2 is an array of uint8 that holds nothing above 1"),
        (np.array([[0, 1]]), "mask 2 is an array of int64 that holds nothing above 1"),
        (np.array([[0, 7]]), "mask 2 is an array of int64; give floats"),
        (np.array([[0, 1.5]]), "mask 2: values reach 1.5"),
        (np.array([[0, np.nan]]), "mask 2 has NaN"),
        (np.zeros((2, 3, 4, 5)), r"mask 2 has shape \(2, 3, 4, 5\)"),
        ("nowhere.png", "mask 2 'nowhere.png' does not exist"),
    ],
)
def test_errors_name_the_mask(value, message):
    with pytest.raises(InputError, match=message) as caught:
        read_mask(value, name="mask 2")
    assert "\n" not in str(caught.value)


# Resizing


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), SEEDS)
def test_resized_masks_are_means_of_what_they_were(h, w, height, width, seed):
    mask = soft(h, w, seed)
    made = resize_mask(mask, width, height)
    assert made.shape == (height, width) and made.dtype == np.float32
    assert mask.min() - 1e-6 <= made.min() and made.max() <= mask.max() + 1e-6
    rest = resize_mask(1 - mask, width, height)
    np.testing.assert_allclose(made + rest, 1, atol=1e-6)
    assert full(resize_mask(np.ones((h, w), np.float32), width, height))
    if (height, width) == (h, w):
        np.testing.assert_array_equal(made, mask)


def test_fine_stripes_become_grey_when_reduced():
    stripes = np.tile(np.array([0, 1], np.float32), (64, 32))
    np.testing.assert_allclose(resize_mask(stripes, 8, 8), 0.5, atol=0.05)


def test_away_from_its_edge_a_hard_mask_stays_hard():
    mask = np.zeros((50, 90), np.float32)
    mask[:, 45:] = 1
    made = resize_mask(mask, 31, 17)
    assert set(np.unique(made[:, :14])) == {0} and set(np.unique(made[:, 17:])) == {1}


def test_no_size_is_refused():
    with pytest.raises(InputError, match=r"cannot resize a mask of shape \(4, 4\) to 0x3"):
        resize_mask(np.ones((4, 4), np.float32), 0, 3)


@pytest.mark.parametrize(
    ("mask", "picture"),
    [((40, 30), (4000, 3000)), ((400, 297), (4000, 3000)), ((5, 4), (41, 30)), ((1, 1), (3, 2))],
)
def test_a_mask_may_be_off_by_rounding(mask, picture):
    check_aspect(read_mask(np.ones(mask[::-1], np.float32)), "mask 1", picture, "the content")


@pytest.mark.parametrize("mask", [(400, 290), (30, 40), (4000, 3100)])
def test_a_mask_of_another_shape_is_refused(mask):
    told = rf"mask 1 \(<array>\) is {mask[0]}x{mask[1]}, the content 4000x3000"
    with pytest.raises(InputError, match=told):
        check_aspect(
            read_mask(np.ones(mask[::-1], np.float32)), "mask 1", (4000, 3000), "the content"
        )


# Guides


@pytest.mark.parametrize("mode", GUIDE_MODES)
@pytest.mark.parametrize("size", [(16, 16), (33, 47), (61, 18)])
def test_a_full_mask_is_full_at_every_layer(mode, size):
    found = guides(np.ones((2, *size), np.float32), VGG19.layers[:-1], mode)
    assert tuple(found) == VGG19.layers[:-1]
    for tap, values in found.items():
        assert values.shape == (2, size[0] // stride(tap), size[1] // stride(tap))
        assert values.dtype == np.float32
        assert full(values)


@given(SIDES, SIDES, SEEDS)
@settings(max_examples=30)
def test_inside_is_below_simple_and_simple_below_all(height, width, seed):
    mask = soft(height, width, seed)[None]
    least, mean, most = (guides(mask, TAPS, mode) for mode in ("inside", "simple", "all"))
    for tap in TAPS:
        assert (least[tap] <= mean[tap]).all() and (mean[tap] <= most[tap]).all()


@given(SIDES, SIDES, SEEDS)
@settings(max_examples=30)
def test_simple_guides_are_means_and_those_of_a_partition_add_up_to_1(height, width, seed):
    masks = np.random.default_rng(seed).random((3, height, width)).astype(np.float32)
    masks /= masks.sum(axis=0)
    for tap, values in guides(masks, TAPS).items():
        np.testing.assert_allclose(values.sum(axis=0), 1, atol=1e-6)
        step = stride(tap)
        first = masks[:, :step, :step].mean(axis=(1, 2), dtype=np.float64)
        np.testing.assert_allclose(values[:, 0, 0], first, atol=1e-6)


@given(SIDES, SIDES, SEEDS)
@settings(max_examples=20)
def test_seen_at_all_is_the_opposite_of_seeing_only_the_rest(height, width, seed):
    mask = (soft(height, width, seed) > 0.9).astype(np.float32)
    some, none = guides(mask[None], TAPS, "all"), guides(1 - mask[None], TAPS, "inside")
    for tap in TAPS:
        np.testing.assert_array_equal(some[tap], 1 - none[tap])


@pytest.mark.parametrize("tap", ["relu1_1", "relu2_1", "relu3_4", "pool4", "conv5_1"])
def test_away_from_the_border_a_position_reaches_as_far_as_windows_say(tap):
    step, reach = stride(tap), reach_of([tap])
    side = 2 * reach + 9 * step
    at = side // 2 // step  # a position in the middle, which covers `step` pixels from here:
    first = at * step - reach
    for pixel, seen in ((first - 1, 0), (first, 1)):
        mask = np.zeros((side, side), np.float32)
        mask[pixel, side // 2] = 1
        assert guide(mask, tap, "all")[at, at] == seen
    last = (at + 1) * step + reach - 1
    for pixel, seen in ((last + 1, 0), (last, 1)):
        mask = np.zeros((side, side), np.float32)
        mask[side // 2, pixel] = 1
        assert guide(mask, tap, "all")[at, at] == seen


@cache
def positive_network():
    """All kernels positive, so that whatever is not zero shows in all that sees it."""
    return jax.tree.map(jnp.abs, random_params(jax.random.key(0), TINY))


POKED = ("relu1_1", "relu2_1", "relu3_1", "pool2", "relu4_1")


@pytest.mark.parametrize("padding", ["zeros", "reflect", "circular"])
@pytest.mark.parametrize("size", [(48, 48), (47, 53), (51, 39)])
def test_a_pixel_is_seen_by_the_positions_whose_features_it_changes(size, padding):
    """Corners, edges, and rows that poolings drop at one depth or another."""
    height, width = size
    rows = (0, 1, height // 2, height - 2, height - 1)
    pixels = [(y, x) for y in rows for x in (0, width // 3, width - 3, width - 1)]
    masks = np.zeros((len(pixels), *size), np.float32)
    for index, (y, x) in enumerate(pixels):
        masks[index, y, x] = 1
    pokes = jnp.asarray(np.repeat(masks[..., None], 3, axis=3))
    for pooling in ("avg", "max"):
        changed = features(positive_network(), pokes, POKED, padding=padding, pooling=pooling)
        for tap, seen in guides(masks, POKED, "all", padding=padding).items():
            found = np.asarray(changed[tap]).max(axis=3) > 0
            np.testing.assert_array_equal(seen, found.astype(np.float32), err_msg=tap)


def test_inside_is_what_does_not_change_with_the_rest_of_the_picture():
    mask = np.zeros((53, 91), np.float32)
    mask[:, 20:] = 1
    rest = jnp.asarray((1 - mask)[None, ..., None] * np.ones(3, np.float32))
    changed = features(positive_network(), rest, POKED)
    for tap, inside in guides(mask[None], POKED, "inside").items():
        found = np.asarray(changed[tap])[0].max(axis=2) == 0
        np.testing.assert_array_equal(inside[0], found.astype(np.float32), err_msg=tap)
        assert inside.max() == 1


def test_a_shorter_network_sees_less():
    mask = np.zeros((256, 256), np.float32)
    mask[128, 128] = 1
    shorter, longer = (guide(mask, "relu5_1", "all", architecture=net) for net in (VGG16, VGG19))
    assert (shorter <= longer).all() and shorter.sum() < longer.sum()


def test_masks_stay_as_they_were():
    mask = soft(32, 32)[None]
    before = mask.copy()
    for mode in GUIDE_MODES:
        guides(mask, ("conv1_1",), mode)["conv1_1"].fill(7)
    np.testing.assert_array_equal(mask, before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("relu1_1", "outside"), "guide mode 'outside' is unknown: choose one of simple, inside"),
        (("relu9_1", "simple"), "unknown layer 'relu9_1'"),
        (("relu5_1", "simple"), "the mask is 20x8; relu5_1 needs at least 16 px on each side"),
    ],
)
def test_guides_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        guide(np.ones((8, 20), np.float32), *arguments)


def test_bools_guide_as_ones_and_zeros_do():
    mask = soft(33, 40) > 0.5
    for mode in GUIDE_MODES:
        found, wanted = (guide(m, "relu2_1", mode) for m in (mask, mask.astype(np.float32)))
        np.testing.assert_array_equal(found, wanted)
        assert found.dtype == np.float32


def test_full_means_every_pixel():
    mask = np.ones((3, 3), np.float32)
    assert full(mask)
    mask[1, 1] = np.nextafter(np.float32(1), np.float32(0))
    assert not full(mask)
