"""Pictures that move, in files of Pillow's: GIF, WebP, APNG and AVIF, a frame at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import IO, Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import GifImagePlugin, Image, ImageChops

from jaxstyle.errors import ImageError, quoted, reason_of
from jaxstyle.images.picture import Picture
from jaxstyle.images.pillow import MAX_PIXELS, open_image, pillow_settings
from jaxstyle.images.reading import as_picture
from jaxstyle.runtime.atomic_files import extension_of, replacing

ANIMATED = ("GIF", "WEBP", "PNG", "AVIF")
"""In other formats several pictures are pages or views."""

_TOO_SHORT = 10  # ms; whatever is to be shown for no longer, browsers show for ten times as long
_SLOW = 100
_GIF_TICK, _LEAST_TICKS, _MOST_TICKS = 10, 2, 65535  # ms, and by the rule above
_PALETTE_SAMPLE = 30_000  # pixels of all frames; more makes k-means slow and nothing better
_DITHER = Image.Dither.FLOYDSTEINBERG
_HOLE = 255  # of the palette: what is transparent

Pixels = UInt8[np.ndarray, "height width channels"]
"""Three channels, or with alpha four."""


class Shown(NamedTuple):
    """A picture, and for how many seconds it is shown."""

    picture: Picture
    seconds: float


def plays_of(path: str | os.PathLike[str]) -> int:
    """How often an animation is played; 0 for ever.

    Raises:
        ImageError: it is a single picture, or pages.
        PIL.UnidentifiedImageError: it is no picture.
    """
    with open(path, "rb") as file, pillow_settings(), open_image(file) as image:
        if image.format not in ANIMATED or not getattr(image, "is_animated", False):
            raise ImageError(f"{quoted(path)} is one picture: give a clip, or use `stylize`")
        if image.width * image.height > MAX_PIXELS:
            raise ImageError(
                f"{quoted(path)} is {image.width}x{image.height}, more than the {MAX_PIXELS:,} "
                "pixels allowed: make it smaller first"
            )
        loop = image.info.get("loop")
        if image.format == "GIF":  # which counts how often it is played again
            return 1 if loop is None else loop + 1 if loop else 0
        return loop or 0


def read_animation(path: str | os.PathLike[str]) -> Iterator[Shown]:
    """Frames of an animation one by one, with the times that browsers show them for.

    Raises:
        ImageError: a frame is damaged.
    """
    with open(path, "rb") as file:
        with pillow_settings():
            image: Any = open_image(file)
        # A PNG may have one more for programs that know of no animations.
        for index in range(int(bool(image.info.get("default_image"))), image.n_frames):
            what = f"frame {index + 1} of {quoted(path)}"
            with pillow_settings():
                try:
                    image.seek(index)
                except Exception as error:  # decoders raise anything there is on damaged files
                    raise ImageError(f"{what} cannot be read: {reason_of(error)}") from None
                picture = as_picture(image, name=what)
                digest = sha256(image.convert("RGBA").tobytes()).hexdigest()
            time = image.info.get("duration") or 0
            seconds = (time if time > _TOO_SHORT else _SLOW) / 1000
            yield Shown(replace(picture, sha256=digest, source=f"{path}#{index + 1}"), seconds)


def whole_times(seconds: Sequence[float], per_second: int, least: int) -> list[int]:
    """Times in whole ticks, of which the sum is right: what rounding takes is carried on.

    Args:
        per_second: ticks.
        least: that a picture can be shown for. For less it is left out, 0 ticks, and the next one
            comes as much earlier; the last one is shown for that.
    """
    times: list[int] = []
    begun, end = 0, 0.0
    for each in seconds:
        end += each * per_second
        ticks = round(end) - begun
        times.append(ticks if ticks >= least else 0)
        begun += times[-1]
    if times and not times[-1]:
        times[-1] = least
    return times


def write_animation(
    path: str | os.PathLike[str],
    frames: Callable[[], Iterable[Pixels]],
    seconds: Sequence[float],
    *,
    plays: int = 0,
) -> None:
    """Write a GIF or an animated WebP, with one frame in memory at a time.

    GIF has one palette for all frames, so that colours do not flicker, Floyd-Steinberg dithering,
    and pixels are opaque or not at all. Frames that browsers would slow down are left out.

    Args:
        frames: gives all frames, of one size, from the first on, whenever it is called.
        seconds: of each frame.
        plays: how often; 0 for ever.

    Raises:
        ImageError: the file cannot be written.
    """
    write = _write_gif if extension_of(path) == ".gif" else _write_webp
    with replacing(path) as file:
        write(file, frames, seconds, plays)


def _write_gif(
    file: IO[bytes], frames: Callable[[], Iterable[Pixels]], seconds: Sequence[float], plays: int
) -> None:
    times = whole_times(seconds, 1000 // _GIF_TICK, _LEAST_TICKS)
    palette, has_holes = _shared_palette(frames(), len(times))
    # All of a frame with holes is taken away before the next one, of others what does not change
    # stays.
    options = {"transparency": _HOLE, "disposal": 2} if has_holes else {}
    loop = {} if plays == 1 else {"loop": max(plays - 1, 0)}
    before = None
    for pixels, ticks in zip(frames(), times, strict=True):
        if not ticks:
            continue
        image = Image.fromarray(pixels[..., :3]).quantize(palette=palette, dither=_DITHER)
        if has_holes and pixels.shape[2] == 4:
            image.paste(_HOLE, mask=Image.fromarray(pixels[..., 3] < 128))
        box = (0, 0, *image.size)
        if before is None:
            # Pillow's writer of whole animations keeps all of their frames.
            file.writelines(GifImagePlugin.getheader(image, info=options | loop)[0])
        elif not has_holes:
            box = ImageChops.difference(before, image).getbbox() or (0, 0, 1, 1)
        while ticks > 0:
            options["duration"] = _GIF_TICK * min(ticks, _MOST_TICKS)
            file.writelines(GifImagePlugin.getdata(image.crop(box), box[:2], **options))
            ticks -= _MOST_TICKS
        before = image
    file.write(b";")


def _shared_palette(frames: Iterable[Pixels], count: int) -> tuple[Image.Image, bool]:
    """256 colours for all frames, from a sample of their pixels, and whether some have holes."""
    chance = np.random.default_rng(0)
    each = max(1, _PALETTE_SAMPLE // count)
    samples, has_holes = [np.zeros((1, 3), np.uint8)], False
    for pixels in frames:
        flat = pixels.reshape(-1, pixels.shape[2])
        opaque = flat if flat.shape[1] == 3 else flat[flat[:, 3] >= 128]
        has_holes |= len(opaque) < len(flat)
        if len(opaque):
            samples.append(opaque[chance.integers(len(opaque), size=each), :3])
    sample = Image.fromarray(np.concatenate(samples[1:] or samples)[None])
    return sample.quantize(_HOLE if has_holes else 256, Image.Quantize.MEDIANCUT, 1), has_holes


def _write_webp(
    file: IO[bytes], frames: Callable[[], Iterable[Pixels]], seconds: Sequence[float], plays: int
) -> None:
    times = whole_times(seconds, 1000, _TOO_SHORT + 1)
    coming = (pixels for pixels, time in zip(frames(), times, strict=True) if time)
    pixels = next(coming)
    # For Pillow one picture with several frames: it asks for each in its turn.
    reel: Any = Image.fromarray(pixels)
    shown = 0

    def seek(index: int) -> None:
        nonlocal shown
        if index > shown:
            shown = index
            reel.paste(Image.fromarray(next(coming)))

    kept = [time for time in times if time]
    reel.n_frames, reel.seek = len(kept), seek
    reel.save(file, "WEBP", save_all=True, duration=kept, loop=plays, quality=85)
