"""Pictures one after another: GIF, WebP and MP4."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence

import numpy as np

from jaxstyle.errors import InputError, quoted
from jaxstyle.images import ImageError, checked_rgb, resize
from jaxstyle.images.animations import Pixels, write_animation
from jaxstyle.runtime.atomic_files import check_file, extension_of

ANIMATION_EXTENSIONS = (".gif", ".webp", ".mp4")
_SHORTEST = 0.02  # s; browsers show GIF frames of less much longer
_LONGEST = 600  # s
_MOST_PIXELS = {".gif": 65535, ".webp": 16383, ".mp4": 16384}  # on a side
_VIDEO_RATE = 25  # players stumble over videos of few frames per second


def save_animation(
    path: str | os.PathLike[str],
    frames: Sequence[np.ndarray],
    *,
    seconds_per_frame: float = 0.25,
    hold_seconds: float = 1.5,
) -> None:
    """Write pictures as an animation that plays for ever (GIF, WebP) or once (MP4).

    GIF has one palette for all frames, so that colours do not flicker, and Floyd-Steinberg
    dithering. MP4 is H.264 (yuv420p, BT.709) at 25 frames per second; odd sides get one more row
    or column, as the one beside it.

    Args:
        path: ends in .gif, .webp or .mp4.
        frames: (h, w, 3) in [0, 1]; all are resized to the last one's size.
        seconds_per_frame: each is shown for, rounded to 10 ms in a GIF.
        hold_seconds: the last is shown for, if that is longer.

    Raises:
        ImageError: there is no frame, a frame is no picture or too large, or there is no ffmpeg.
        InputError: the file cannot be written, or times are out of range.
    """
    check_animation_path(path)
    for name, value, least in (
        ("seconds_per_frame", seconds_per_frame, _SHORTEST),
        ("hold_seconds", hold_seconds, 0),
    ):
        if not least <= value <= _LONGEST:
            raise InputError(f"{name} is {value}: give a number from {least} to {_LONGEST}")
    extension = extension_of(path)
    pictures = _of_one_size(path, frames, _MOST_PIXELS[extension])
    seconds = [seconds_per_frame] * len(pictures)
    seconds[-1] = max(seconds_per_frame, hold_seconds)
    if extension == ".mp4":
        _write_mp4(path, pictures, seconds)
    else:
        write_animation(path, lambda: pictures, seconds)


def check_animation_path(path: str | os.PathLike[str]) -> None:
    """See before a long run whether ``save_animation`` will be able to write there.

    Raises:
        ImageError: an .mp4 is asked for and there is no ffmpeg.
        InputError: unknown extension, no such folder, or no right to write into it.
    """
    check_file(path, ANIMATION_EXTENSIONS)
    if extension_of(path) == ".mp4":
        check_ffmpeg(path)


def check_ffmpeg(path: str | os.PathLike[str]) -> None:
    """See whether FFmpeg is there to read or write a clip.

    Raises:
        ImageError: it is not; the message names the clip, and what to install.
    """
    try:
        import av  # noqa: F401
    except ImportError:
        raise ImageError(
            f"{quoted(path)} needs ffmpeg: pip install 'jaxstyle[video]', or use .gif, .webp or a "
            "folder of pictures"
        ) from None


def _of_one_size(
    path: str | os.PathLike[str], frames: Sequence[np.ndarray], most: int
) -> list[Pixels]:
    if not len(frames):
        raise ImageError(f"cannot write {quoted(path)}: there are no frames: give at least one")
    for index, frame in enumerate(frames):
        which = f"cannot write {quoted(path)}: frame {index}"
        if not np.isfinite(checked_rgb(frame, which)).all():
            raise ImageError(f"{which} has values that are not finite: leave it out")
    height, width = frames[-1].shape[:2]
    if max(height, width) > most:
        raise ImageError(
            f"cannot write {quoted(path)}: {width}x{height} is more than the {most} px on a side "
            f"that {extension_of(path)} allows: use smaller pictures"
        )
    return [np.rint(resize(frame, width, height) * 255).astype(np.uint8) for frame in frames]


def _write_mp4(
    path: str | os.PathLike[str], pictures: Sequence[Pixels], seconds: Sequence[float]
) -> None:
    from jaxstyle.images.mp4 import write_mp4

    parts = [max(1, round(_VIDEO_RATE * each)) for each in seconds]
    repeated = itertools.chain.from_iterable(map(itertools.repeat, pictures, parts))
    each = [time / count for time, count in zip(seconds, parts, strict=True) for _ in range(count)]
    write_mp4(path, repeated, each)
