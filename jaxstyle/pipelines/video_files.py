"""The frames of a video: pictures in a folder, an animation, or a clip that FFmpeg reads."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import UnidentifiedImageError

from jaxstyle.config.command_defaults import CLIPS
from jaxstyle.display.figures.animation import check_ffmpeg
from jaxstyle.errors import InputError, quoted, reason_of
from jaxstyle.images import image_size, load_image
from jaxstyle.images.animations import (
    Pixels,
    Shown,
    plays_of,
    read_animation,
    write_animation,
)
from jaxstyle.images.picture_files import pictures_at
from jaxstyle.images.transparency import on_white
from jaxstyle.runtime.atomic_files import check_file, extension_of

if TYPE_CHECKING:
    from jaxstyle.images.clips import Sound

DEFAULT_FPS = 25.0
"""Of a folder's pictures."""


class Frames(NamedTuple):
    """The pictures of a video, in order.

    Attributes:
        each: read one by one: paths, or ``Picture``s. One that follows itself is there once.
        count: how many they are.
        seconds: each is shown for; empty where nobody says.
        fps: frames a second, in the mean; None where nobody says.
        plays: how often all is shown; 0 for ever.
        sound: None if there is none.
        note: what is to be said about it; empty if nothing is.
    """

    each: Iterator[Any]
    count: int
    seconds: Sequence[float] = ()
    fps: float | None = None
    plays: int = 0
    sound: Sound | None = None
    note: str = ""

    def seconds_at(self, fps: float | None) -> list[float]:
        """Seconds that each is shown for; faster or slower at other frames a second."""
        if self.fps is None:
            return [1 / (fps or DEFAULT_FPS)] * self.count
        return [seconds * self.fps / (fps or self.fps) for seconds in self.seconds]


def read_frames(source: str | os.PathLike[str]) -> Frames:
    """Open a video.

    A file is read once from end to end: what is damaged shows before anything is made of it.

    Args:
        source: a folder, whose pictures are taken in the order of the numbers in their names; or
            an animated GIF, WebP, PNG or AVIF; or any clip that FFmpeg reads.

    Raises:
        InputError: there is no such video, or no FFmpeg to read it; or it is damaged; or pictures
            of a folder are none, or differ in size.
    """
    path = Path(source)
    if path.is_dir():
        found = [Path(one) for one in pictures_at(path) or ()]
        if not found:
            raise InputError(f"there is no picture in {path}: give a folder of frames, or a clip")
        ordered = sorted(found, key=lambda one: _by_number(one.name))
        _check_sizes(ordered)
        return Frames((str(one) for one in ordered), len(ordered))
    if not path.is_file():
        raise InputError(f"video {quoted(path)} does not exist: check the path")
    try:
        plays, clip = plays_of(path), None
        frames: Callable[[], Iterator[Shown]] = partial(read_animation, path)
    except UnidentifiedImageError:
        check_ffmpeg(path)
        from jaxstyle.images.clips import Clip

        plays, clip = 0, Clip(path)
        frames = clip.frames
    except OSError as error:
        raise InputError(f"cannot read {quoted(path)}: {reason_of(error)}") from None
    times = [(_digest(shown), shown.seconds) for shown in frames()]
    if not times:
        raise InputError(f"there is no picture in {quoted(path)}: give a video")
    seconds = [sum(time for _, time in alike) for _, alike in groupby(times, lambda one: one[0])]
    each = (next(alike).picture for _, alike in groupby(frames(), _digest))
    fps = len(times) / max(sum(seconds), 1e-3)
    if clip is None:
        return Frames(each, len(seconds), seconds, fps, plays)
    note = f"{path}: ffmpeg says: {clip.complaint}" if clip.complaint else ""
    return Frames(each, len(seconds), seconds, fps, plays, clip.sound, note)


def check_clip(path: str | os.PathLike[str]) -> None:
    """See before a long run whether ``write_clip`` will be able to write there.

    Raises:
        InputError: another ending than those of ``CLIPS``, or no right to write, or no FFmpeg.
    """
    check_file(path, CLIPS)
    if extension_of(path) == ".mp4":
        check_ffmpeg(path)


def write_clip(
    path: str | os.PathLike[str],
    frames: Sequence[Path],
    seconds: Sequence[float],
    *,
    plays: int = 0,
    sound: Sound | None = None,
) -> str:
    """Make a clip of pictures in files, see ``write_mp4`` and ``write_animation``.

    Args:
        seconds: each is shown for.
        plays: how often a GIF or WebP is played; 0 for ever.
        sound: of an MP4, which has no transparency: it is on white.

    Returns:
        What had to be left out; empty if nothing had.

    Raises:
        InputError: as ``check_clip``, or a frame cannot be read.
    """
    if extension_of(path) == ".mp4":
        from jaxstyle.images.mp4 import write_mp4

        opaque = (_pixels(frame, on_white_ground=True) for frame in frames)
        return write_mp4(path, opaque, seconds, sound)
    write_animation(path, lambda: map(_pixels, frames), seconds, plays=plays)
    return ""


def _pixels(path: Path, on_white_ground: bool = False) -> Pixels:
    picture = load_image(path, name="frame")
    rgb, alpha = picture.rgb, picture.alpha
    if on_white_ground:
        rgb = on_white(rgb, alpha)
    else:
        rgb = np.dstack([rgb, np.ones_like(rgb[..., 0]) if alpha is None else alpha])
    return np.rint(rgb * 255).astype(np.uint8)


def _digest(shown: Shown) -> str:
    return shown.picture.sha256


def _check_sizes(frames: Sequence[Path]) -> None:
    """Refuse pictures that are none, or differ in size, by how they begin."""
    sizes = (image_size(frame, name="frame") for frame in frames)
    first = next(sizes)
    for frame, size in zip(frames[1:], sizes, strict=True):
        if size != first:
            raise InputError(
                f"frame {quoted(frame)} is {size[0]}x{size[1]}, the first one, {frames[0].name}, "
                f"{first[0]}x{first[1]}: give frames of one size"
            )


def _by_number(name: str) -> list[Any]:
    """frame-9 before frame-10."""
    parts = re.split(r"(\d+)", name.casefold())
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]
