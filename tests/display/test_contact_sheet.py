"""Contact sheets: pictures arrive whole, text stays legible and apart from all else."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from picture_checks import refusal

from jaxstyle.display.figures import contact_sheet, strip
from jaxstyle.display.figures.sheet_layout import Plan, Text, Words, plan_sheet
from jaxstyle.display.figures.sheet_text import SMALLEST, legible, line_height, mask_of, paragraph

chance = np.random.default_rng(0)
COMMAND = "jaxstyle sweep content.jpg style.jpg --axis ratio=1e-5,1e-4 --size 256 --seed 0"


def picture(height: int, width: int) -> np.ndarray:
    return chance.random((height, width, 3), np.float32)


def places_of(sheet: np.ndarray, part: np.ndarray) -> list[tuple[int, int]]:
    """Where a picture stands in a sheet, every pixel of it."""
    height, width = part.shape[:2]
    corners = np.argwhere(np.isclose(sheet, part[0, 0], atol=1e-6).all(-1))
    return [
        (int(y), int(x))
        for y, x in corners
        if np.array_equal(sheet[y : y + height, x : x + width], part)
    ]


def is_white(part: np.ndarray) -> bool:
    return bool((part == 1).all())


# --- pictures ------------------------------------------------------------------------------------


def test_pictures_are_whole_and_in_their_places():
    cells = [[picture(40, 60), picture(40, 60)], [picture(40, 60), picture(40, 60)]]
    sheet = contact_sheet(cells, row_labels=["a", "b"], column_labels=["1", "2"], title="T")
    assert sheet.dtype == np.float32
    ((top, left), (top2, right)), ((low, left2), (low2, right2)) = (
        [places_of(sheet, cell)[0] for cell in row] for row in cells
    )
    assert (top, low, left, right) == (top2, low2, left2, right2)
    assert top + 40 < low
    assert left + 60 < right
    assert sheet.min() >= 0
    assert sheet.max() <= 1


def test_sizes_that_differ_are_centred():
    wide, tall = picture(20, 90), picture(70, 30)
    sheet = contact_sheet([[wide], [tall]])
    (wide_y, wide_x), (tall_y, tall_x) = places_of(sheet, wide)[0], places_of(sheet, tall)[0]
    assert wide_x + 45 == tall_x + 15
    assert wide_y + 20 < tall_y
    beside = contact_sheet([[wide, tall]])
    assert places_of(beside, wide)[0][0] + 10 == places_of(beside, tall)[0][0] + 35


def test_side_scales_down_and_never_up():
    small, large = picture(20, 30), picture(100, 300)
    sheet = contact_sheet([[small, large]], side=60)
    assert places_of(sheet, small)
    assert not places_of(sheet, large)
    assert sheet.shape[1] < 60 + 60 + 60
    assert contact_sheet([[large]]).shape[1] > 300


def test_failed_cells_are_grey_with_their_message_and_missing_ones_white():
    cells = [[picture(80, 120), "the loss became nan"], [None, picture(80, 120)]]
    sheet = contact_sheet(cells)
    y, x = places_of(sheet, cells[0][0])[0]
    low, right = places_of(sheet, cells[1][1])[0]
    failed = sheet[y : y + 80, right : right + 120]
    grey = failed[0, 0]
    assert 0.8 < grey[0] < 0.95
    np.testing.assert_array_equal(failed[[0, 0, -1, -1], [0, -1, 0, -1]], np.tile(grey, (4, 1)))
    inked = (failed.min(-1) < grey[0] - 0.2).sum()
    assert inked > 50
    assert is_white(sheet[low : low + 80, x : x + 120])


def test_a_picture_that_is_not_finite_counts_as_failed():
    whole, broken = picture(80, 120), picture(80, 120)
    broken[3, 4] = np.nan
    said = contact_sheet([[whole, "the picture has values that are not finite"]])
    np.testing.assert_array_equal(contact_sheet([[whole, broken]]), said)


def test_rows_may_differ_in_length():
    cells = [[picture(20, 20)], [picture(20, 20) for _ in range(3)]]
    sheet = contact_sheet(cells, column_labels=["a", "b", "c"])
    assert all(len(places_of(sheet, cell)) == 1 for row in cells for cell in row)


def test_strips_wrap_and_label_each_picture():
    pictures = [picture(50, 50) for _ in range(5)]
    labels = [f"step {step}" for step in range(5)]
    sheet = strip(pictures, labels, columns=2)
    places = [places_of(sheet, each)[0] for each in pictures]
    assert len({y for y, _ in places}) == 3
    assert len({x for _, x in places}) == 2
    for y, x in places:  # ink above each, and a white line between it and the picture
        assert not is_white(sheet[y - 16 : y - 2, x : x + 50])
        assert is_white(sheet[y - 1, x : x + 50])
    in_one = strip(pictures, labels)
    assert len({places_of(in_one, each)[0][0] for each in pictures}) == 1


# --- text ----------------------------------------------------------------------------------------


def overlap(one: tuple[int, ...], two: tuple[int, ...]) -> bool:
    return one[0] < two[2] and two[0] < one[2] and one[1] < two[3] and two[1] < one[3]


def box_of(text: Text) -> tuple[int, int, int, int]:
    width, height = text.content.width, text.content.height
    if text.turned:
        width, height = height, width
    return text.x, text.y, text.x + width, text.y + height


def check_plan(plan: Plan) -> None:
    """All boxes within the sheet; none on another, but messages within their cells."""
    boxes = [(c.x, c.y, c.x + c.width, c.y + c.height) for c in plan.cells]
    failed = [box for box, c in zip(boxes, plan.cells, strict=True) if c.picture is None]
    for text in plan.texts:
        if text.role == "message":
            x0, y0, x1, y1 = box_of(text)
            assert any(b[0] <= x0 and b[1] <= y0 and x1 <= b[2] and y1 <= b[3] for b in failed)
        else:
            boxes.append(box_of(text))
    for x0, y0, x1, y1 in boxes:
        assert x0 >= 0
        assert y0 >= 0
        assert x1 <= plan.width
        assert y1 <= plan.height
    for one, two in combinations(boxes, 2):
        assert not overlap(one, two), (one, two)


LABELS = st.text(max_size=60) | st.sampled_from(
    ["conv1_1, conv2_1, conv3_1, conv4_1, conv5_1", "/a/very_long_folder/" * 4, "W" * 70, "1e-5"]
)


@settings(max_examples=60)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    sizes=st.lists(st.tuples(st.integers(8, 150), st.integers(8, 150)), min_size=9, max_size=9),
    kinds=st.lists(st.sampled_from("pppfn"), min_size=9, max_size=9),
    labels=st.lists(LABELS, min_size=10, max_size=10),
)
def test_nothing_overlaps_or_is_cut_off(shape, sizes, kinds, labels):
    height, width = shape
    cells = [
        {"p": np.zeros((*sizes[3 * r + c], 3), np.float32), "f": labels[c] or "failed", "n": None}
        for r in range(height)
        for c in range(width)
    ]
    flat = [cell[kind] for cell, kind in zip(cells, kinds, strict=False)]
    rows = [flat[r * width : (r + 1) * width] for r in range(height)]
    above = [labels[3 : 3 + width]] + [[]] * (height - 1)
    check_plan(plan_sheet(rows, Words(labels[:height], above, *labels[6:10]), None))
    each = [labels[r : r + width] for r in range(height)]
    check_plan(plan_sheet(rows, Words((), each, "", "", *labels[8:10]), None))


@settings(max_examples=100)
@given(
    text=st.text(max_size=80),
    size=st.integers(SMALLEST, 40),
    width=st.integers(60, 400),
    align=st.sampled_from(["left", "centre", "right"]),
)
@example("jaxstyle --axis f(j)_W", 11, 60, "right")
@example(";", 8, 60, "left")
def test_a_paragraphs_box_holds_its_ink(text, size, width, align):
    content = paragraph(text, size, width)
    assert content.width <= width
    mask = np.asarray(mask_of(content, align=align))
    assert mask.shape == (content.height, content.width)
    # In a box with room on all sides there is not more ink: none was cut off.
    roomy = content._replace(
        lines=("", *content.lines, ""),
        width=content.width + 2 * content.size,
        height=content.height + 2 * line_height(content.size),
    )
    assert np.asarray(mask_of(roomy, align="centre")).sum(dtype=int) == mask.sum(dtype=int)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=90))
def test_wrapping_loses_no_letter(text):
    content = paragraph(text, 14, 70)
    assert "".join(content.lines) == text


def test_words_are_kept_whole_where_they_fit():
    content = paragraph("conv1_1, conv2_1, conv3_1", 14, 80)
    assert content.lines == ("conv1_1,", "conv2_1,", "conv3_1")
    assert paragraph("folder/of_pictures/name.jpg", 14, 110).lines[0].endswith(("/", "_"))
    assert paragraph("extraordinarily", 20, 90).size < 20  # smaller rather than broken


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10⁻³", "10^-3"),
        ("Tübingen", "Tubingen"),
        ("\N{GREEK SMALL LETTER ALPHA}/\N{GREEK CAPITAL LETTER OMEGA}", "alpha/Omega"),
        ("256\N{MULTIPLICATION SIGN}256", "256x256"),
        ("a\tb\x00c", "a b c"),
        ("bad\udcffname", "bad?name"),
    ],
)
def test_what_the_font_lacks_is_said_in_other_words(text, expected):
    assert legible(text) == expected


@pytest.mark.parametrize(
    "text", ["日本語", "עברית", "العربية", "🎨🖼️", "e\u0301\u0323", "\ud800", "\n\n"]
)
def test_any_script_can_be_drawn(text):
    cells = [[picture(30, 30), text]]
    sheet = contact_sheet(
        cells, row_labels=[text], column_labels=[text] * 2, row_title=text, title=text, caption=text
    )
    assert places_of(sheet, cells[0][0])


def test_text_grows_with_the_pictures():
    def ink_height(side: int) -> int:
        sheet = strip([np.ones((side, side, 3), np.float32)], ["content"])
        return int((sheet.min(axis=(1, 2)) < 1).sum())

    assert ink_height(600) > 2 * ink_height(150)


def test_title_and_caption_are_above_and_below():
    cell = picture(60, 60)
    plain, full = strip([cell], [""]), strip([cell], [""], title="Figure 1", caption=COMMAND)
    y, x = places_of(full, cell)[0]
    assert not is_white(full[:y])
    assert not is_white(full[y + 60 :])
    assert is_white(plain[: places_of(plain, cell)[0][0]])
    for edge in (full[:4], full[-4:], full[:, :4], full[:, -4:]):
        assert is_white(edge)
    assert x >= 12


# --- refusals ------------------------------------------------------------------------------------


def test_refusals():
    cell = picture(8, 8)
    assert "no pictures" in refusal(contact_sheet, [])
    assert "no pictures" in refusal(strip, [], [])
    message = refusal(contact_sheet, [[cell]], row_labels=["a", "b"])
    assert message == "got 2 row labels for 1 rows: give one each"
    assert "column labels" in refusal(contact_sheet, [[cell, cell]], column_labels=["a"])
    assert "(8, 8)" in refusal(contact_sheet, [[cell[..., 0]]])
    assert "at least 1 px" in refusal(contact_sheet, [[cell]], side=0)
    assert "2 labels for 1 pictures" in refusal(strip, [cell], ["a", "b"])
    assert "at least 1 is needed" in refusal(strip, [cell], ["a"], columns=0)
