"""The frames of a video: pictures in a folder, a GIF or WebP, or a clip that ffmpeg reads."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from PIL import ImageSequence

from jaxstyle.config.command_defaults import CLIPS
from jaxstyle.display.figures import save_animation
from jaxstyle.display.figures.animation import find_ffmpeg, write_mp4
from jaxstyle.errors import InputError, quoted, reason_of
from jaxstyle.images import Picture, image_size, load_image
from jaxstyle.images.picture_files import pictures_at
from jaxstyle.images.pillow import open_image, picture_endings, pillow_settings
from jaxstyle.runtime.atomic_files import check_file

ANIMATIONS = (".gif", ".webp")
_NEEDS = "needs ffmpeg: pip install 'jaxstyle[video]', or use a folder of pictures"
_SHORTEST = 0.02  # s; see figures.animation


class Frames(NamedTuple):
    """The pictures of a video, in order.

    Attributes:
        each: read one by one: paths, or ``Picture``s.
        fps: per second; None if that is not known.
        count: how many, as far as that is known; 0 if not.
    """

    each: Iterator[Any]
    fps: float | None
    count: int


def read_frames(source: str | os.PathLike[str]) -> Frames:
    """Open a video.

    Args:
        source: a folder, whose pictures are taken in the order of the numbers in their names; or
            an animated GIF or WebP; or any clip that ffmpeg reads. Sound is left out.

    Raises:
        InputError: there is no such video, or no ffmpeg to read it; or pictures of a folder are
            none, or differ in size. Damage further in shows only when a frame is taken from
            ``each``.
    """
    path = Path(source)
    if path.is_dir():
        found = [Path(one) for one in pictures_at(path) or ()]
        if not found:
            raise InputError(f"there is no picture in {path}: give a folder of frames, or a clip")
        ordered = sorted(found, key=lambda one: _by_number(one.name))
        _check_sizes(ordered)
        return Frames((str(one) for one in ordered), None, len(ordered))
    if not path.is_file():
        raise InputError(f"video {quoted(path)} does not exist: check the path")
    if path.suffix.lower() in ANIMATIONS:
        return _animation(path)
    if path.suffix.lower() in picture_endings():
        raise InputError(f"{path} is one picture: give a folder of frames or a clip, or `stylize`")
    return _clip(path)


def check_clip(path: str | os.PathLike[str]) -> None:
    """See before a long run whether ``write_clip`` will be able to write there.

    Raises:
        InputError: another ending than those of ``CLIPS``, or no right to write, or no ffmpeg.
    """
    check_file(path, CLIPS)
    if Path(path).suffix.lower() == ".mp4":
        _ffmpeg(path)


def write_clip(path: str | os.PathLike[str], frames: Sequence[Path], fps: float) -> None:
    """Make a clip of pictures in files; an MP4 is H.264 (yuv420p, BT.709).

    An odd side of an MP4 gets one more row or column, as the one beside it. GIF and WebP show at
    most 50 frames a second.

    Raises:
        InputError: as ``check_clip``, or a frame cannot be read.
    """
    pictures = (load_image(frame, name="frame").rgb for frame in frames)
    if Path(path).suffix.lower() != ".mp4":
        seconds = max(1 / fps, _SHORTEST)
        save_animation(path, list(pictures), seconds_per_frame=seconds, hold_seconds=0)
        return
    _ffmpeg(path)
    coded = (np.rint(rgb * 255).astype(np.uint8) for rgb in pictures)
    write_mp4(path, coded, Fraction(fps).limit_denominator(1001))


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


def _animation(path: Path) -> Frames:
    try:
        with open(path, "rb") as file, pillow_settings(), open_image(file) as image:
            times = []
            for frame in ImageSequence.Iterator(image):
                frame.load()  # some formats know the time of a frame only then
                times.append(float(frame.info.get("duration", 0)))
    except Exception as error:  # decoders raise anything there is on damaged files
        raise InputError(f"cannot read {quoted(path)}: {reason_of(error)}") from None

    # What is shown for longer is several frames that are alike.
    shortest = min(filter(None, times), default=0.0)
    counts = [max(1, round(time / shortest)) if shortest else 1 for time in times]

    def each() -> Iterator[Picture]:
        with open(path, "rb") as file, pillow_settings(), open_image(file) as image:
            for index, frame in enumerate(ImageSequence.Iterator(image)):
                picture = _picture(np.asarray(frame.convert("RGB")), path, index)
                yield from itertools.repeat(picture, counts[index])

    return Frames(each(), 1000 / shortest if shortest else None, sum(counts))


def _clip(path: Path) -> Frames:
    program = _ffmpeg(path)
    with _output_of(path, program, "-frames:v", "1", "-f", "yuv4mpegpipe") as probe:
        header = probe.readline(1000).decode("latin-1")
        probe.read()
    match = re.search(r" W(\d+) H(\d+) F(\d+):(\d+)", header)
    if match is None:  # ffmpeg has ended well and has seen no picture
        raise InputError(f"there is no picture in {quoted(path)}: give a video")
    width, height, number, per = map(int, match.groups())

    def each() -> Iterator[Picture]:
        size = width * height * 3
        with _output_of(path, program, "-f", "rawvideo", "-pix_fmt", "rgb24") as frames:
            for index in itertools.count():
                data = frames.read(size)
                if len(data) < size:
                    return
                pixels = np.frombuffer(data, np.uint8).reshape(height, width, 3)
                yield _picture(pixels, path, index)

    return Frames(each(), number / per if number and per else None, 0)


@contextmanager
def _output_of(path: Path, program: str, *options: str) -> Iterator[IO[bytes]]:
    """What ffmpeg makes of a clip; in the end it must have been content with all of it.

    Raises:
        InputError: it was not, and the block has come to its end.
    """
    # As a path, whatever it is called: ffmpeg knows protocols, and options begin with a dash.
    command = [program, "-loglevel", "error", "-xerror", "-nostdin", "-i", f"file:{path}"]
    command += ["-map", "0:v:0", *options, "pipe:1"]
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said) as process,
    ):
        assert process.stdout is not None
        try:
            yield process.stdout
        except BaseException:
            process.kill()
            raise
        if process.wait():
            said.seek(0)
            text = said.read().decode("utf-8", errors="replace").strip().splitlines()
            reason = " ".join(text[-1].split())[:200] if text else "no reason given"
            raise InputError(
                f"cannot read {quoted(path)} as a video (ffmpeg: {reason}): it is none, or "
                "damaged: if it plays, take its frames out with ffmpeg, and give their folder"
            )


def _picture(pixels: np.ndarray, path: Path, index: int) -> Picture:
    digest = hashlib.sha256(pixels.tobytes()).hexdigest()
    rgb = pixels.astype(np.float32) / np.float32(255)
    return Picture(rgb, None, None, 8, digest, f"{path}#{index + 1}")


def _ffmpeg(path: str | os.PathLike[str]) -> str:
    program = find_ffmpeg()
    if program is None:
        raise InputError(f"{quoted(path)} {_NEEDS}")
    return program
