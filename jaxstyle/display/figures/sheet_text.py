"""Text on pictures: what the font can show of it, broken into lines that fit."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from itertools import accumulate
from typing import Any, NamedTuple

from PIL import Image, ImageDraw, ImageFont

SMALLEST = 8
"""Pixels; smaller letters cannot be read."""

_FINE = 4
# Text is drawn larger by this and reduced: at small sizes letters placed on whole pixels stand
# unevenly, and blanks between words almost close.

_PAIRS = "\u00d7x \u2212- \u2013- —- →-> ≤<= ≥>= ≈~ •- ßss øo ØO æae ÆAE łl µu ∞inf"
_IN_ASCII = {pair[0]: pair[1:] for pair in _PAIRS.split()}  # what the font lacks, in other words

_UNKNOWN = "\uffff"  # shows as an empty box, as whatever the font lacks


class Paragraph(NamedTuple):
    """Lines of text and the box in px that holds them when drawn with letters of ``size`` px."""

    lines: tuple[str, ...]
    size: int
    width: int
    height: int


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """Pillow's own font, which is the same on every machine."""
    found = ImageFont.load_default(size)
    assert isinstance(found, ImageFont.FreeTypeFont)
    return found


def legible(text: str) -> str:
    """``text`` with what the font lacks in other words: 10⁻³ as 10^-3, ü as u, Greek by name.

    What remains unknown to it shows as an empty box. Control characters become spaces, but line
    feeds stay; lone surrogates, as undecodable file names have them, become question marks.
    """
    text = re.sub("[⁰¹²³⁴-⁹⁺⁻]+", lambda run: "^" + unicodedata.normalize("NFKC", run[0]), text)
    return "".join(_shown(character) for character in unicodedata.normalize("NFC", text))


@cache
def _shown(character: str) -> str:
    category = unicodedata.category(character)
    if character == "\n":
        return character
    if category == "Cs":
        return "?"
    if category in ("Cc", "Zl", "Zp", "Zs"):
        return " "
    if category in ("Cf", "Cn", "Mn", "Me"):
        return ""
    if _ink(character) != _ink(_UNKNOWN):
        return character
    if character in _IN_ASCII:
        return _IN_ASCII[character]
    name = unicodedata.name(character, "")
    if greek := re.fullmatch(r"GREEK (SMALL|CAPITAL) LETTER (\w+)", name):
        return greek[2].lower() if greek[1] == "SMALL" else greek[2].capitalize()
    parts = unicodedata.normalize("NFKD", character)
    if parts != character:
        return "".join(_shown(part) for part in parts)
    return character


@cache
def _ink(character: str) -> bytes:
    mask: Any = font(20).getmask(character)
    return bytes(mask)


def width_of(text: str, size: int) -> int:
    """Pixels that one line takes, ink that leans out of the last letter's own box included."""
    part, start = _parts(text, size)[-1]
    fine = font(_FINE * size)
    return math.ceil((start + max(fine.getlength(part), fine.getbbox(part)[2])) / _FINE)


def _parts(text: str, size: int) -> list[tuple[str, float]]:
    """A line cut between neighbouring hyphens, which would touch, and where each part starts."""
    parts = re.split("(?<=-)(?=-)", text)
    lengths = [font(_FINE * size).getlength(part) + _FINE * size / 9 for part in parts[:-1]]
    leaning_out = max(0.0, -font(_FINE * size).getbbox(parts[0])[0])
    return list(zip(parts, accumulate(lengths, initial=leaning_out), strict=True))


def natural_width(text: str, size: int) -> int:
    """Pixels that ``text`` takes if lines are broken only where it says so."""
    return max((width_of(line, size) for line in legible(text).split("\n")), default=0)


def longest_word(text: str, size: int) -> int:
    """Pixels of the widest part that holds no blank."""
    return max((width_of(word, size) for word in legible(text).split()), default=0)


def paragraph(text: str, size: int, width: int) -> Paragraph:
    """Break ``text`` into lines of at most ``width`` px.

    Between words; where one is too wide after punctuation in it; else with smaller letters, down
    to ``SMALLEST``; and at last anywhere.
    """
    text = legible(text)
    while size > SMALLEST and not _breaks_well(text, size, width):
        size -= 1
    lines = tuple(line for part in text.split("\n") for line in _wrapped(part, size, width))
    widest = max((width_of(line, size) for line in lines), default=0)
    return Paragraph(lines, size, widest, line_height(size) * len(lines))


def line_height(size: int) -> int:
    ascent, descent = font(_FINE * size).getmetrics()
    return math.ceil((ascent + descent) / _FINE)


def mask_of(content: Paragraph, *, align: str = "left") -> Image.Image:
    """Ink of a paragraph as a grey picture of exactly its width and height.

    Args:
        align: of the lines within the width: left, centre or right.
    """
    if 0 in (content.width, content.height):
        return Image.new("L", (content.width, content.height))
    mask = Image.new("L", (_FINE * content.width, _FINE * content.height))
    draw = ImageDraw.Draw(mask)
    for index, line in enumerate(content.lines):
        free = content.width - width_of(line, content.size)
        offset = {"left": 0, "centre": free // 2, "right": free}[align]
        y = _FINE * index * line_height(content.size)
        for part, start in _parts(line, content.size):
            draw.text((_FINE * offset + start, y), part, fill=255, font=font(_FINE * content.size))
    return mask.reduce(_FINE)


def _pieces(word: str) -> list[str]:
    """Parts between which a word may be broken if it has to be: a/b_c -> a/, b_, c."""
    return re.findall(r"[^/\\_,;:=.+-]*[/\\_,;:=.+-]+|[^/\\_,;:=.+-]+", word)


def _breaks_well(text: str, size: int, width: int) -> bool:
    return all(width_of(piece, size) <= width for w in text.split() for piece in _pieces(w))


def _wrapped(text: str, size: int, width: int) -> Iterator[str]:
    """Lines of one paragraph, filled greedily with words, else their pieces, else letters."""
    line = ""
    for word in text.split():
        joined = f"{line} {word}" if line else word
        if width_of(joined, size) <= width:
            line = joined
            continue
        if line:
            yield line
            line = ""
        for piece in _pieces(word):
            for part in [piece] if width_of(piece, size) <= width else piece:
                if line and width_of(line + part, size) > width:
                    yield line
                    line = ""
                line += part
    if line:
        yield line
