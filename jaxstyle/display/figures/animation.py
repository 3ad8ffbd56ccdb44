"""Pictures one after another: GIF, WebP and MP4."""

from __future__ import annotations

import io
import itertools
import math
import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from jaxstyle.errors import InputError, quoted, reason_of
from jaxstyle.images import ImageError, checked_rgb, resize
from jaxstyle.runtime.atomic_files import check_file, extension_of, new_file, write_bytes

ANIMATION_EXTENSIONS = (".gif", ".webp", ".mp4")
_SHORTEST = 0.02  # s; browsers show GIF frames of less much longer
_LONGEST = 600  # s; a GIF has 16 bits of hundredths
_MOST_PIXELS = {".gif": 65535, ".webp": 16383, ".mp4": 16384}  # on a side
_PALETTE_SAMPLE = 30_000  # pixels of all frames; more makes k-means slow and nothing better
_DITHER = Image.Dither.FLOYDSTEINBERG
_VIDEO_RATE = 25  # players stumble over videos of few frames per second

Frame = UInt8[np.ndarray, "height width 3"]


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
        return
    images = [Image.fromarray(picture) for picture in pictures]
    options: dict[str, Any] = {"quality": 85}
    times = [round(1000 * each) for each in seconds]
    if extension == ".gif":
        palette = _shared_palette(pictures)
        images = [image.quantize(palette=palette, dither=_DITHER) for image in images]
        # The palette is written once, not with each frame.
        options = {"palette": bytearray(palette.getpalette() or ()), "optimize": False}
        times = [10 * round(100 * each) for each in seconds]
    options |= {"save_all": True, "append_images": images[1:], "duration": times, "loop": 0}
    file = io.BytesIO()
    images[0].save(file, extension[1:], **options)
    write_bytes(path, file.getvalue())


def check_animation_path(path: str | os.PathLike[str]) -> None:
    """See before a long run whether ``save_animation`` will be able to write there.

    Raises:
        ImageError: an .mp4 is asked for and there is no ffmpeg.
        InputError: unknown extension, no such folder, or no right to write into it.
    """
    check_file(path, ANIMATION_EXTENSIONS)
    if extension_of(path) == ".mp4" and find_ffmpeg() is None:
        raise ImageError(
            f"cannot write {quoted(path)}: MP4 needs ffmpeg: pip install 'jaxstyle[video]' or "
            "write .gif or .webp"
        )


def find_ffmpeg() -> str | None:
    """The program that ``imageio-ffmpeg`` brings along, else the one on PATH."""
    try:
        from imageio_ffmpeg import get_ffmpeg_exe

        return get_ffmpeg_exe()
    except (ImportError, RuntimeError):  # RuntimeError: a wheel without a program in it
        return shutil.which("ffmpeg")


def _of_one_size(
    path: str | os.PathLike[str], frames: Sequence[np.ndarray], most: int
) -> list[Frame]:
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


def _shared_palette(frames: Sequence[Frame]) -> Image.Image:
    """256 colours for all frames, from a sample of their pixels."""
    chance = np.random.default_rng(0)
    each = max(1, _PALETTE_SAMPLE // len(frames))
    flat = [frame.reshape(-1, 3) for frame in frames]
    sample = np.concatenate([pixels[chance.integers(len(pixels), size=each)] for pixels in flat])
    return Image.fromarray(sample[None]).quantize(256, Image.Quantize.MEDIANCUT, kmeans=1)


def _write_mp4(
    path: str | os.PathLike[str], frames: Sequence[Frame], seconds: Sequence[float]
) -> None:
    held = [frames[-1]] * (math.ceil(seconds[-1] / seconds[0]) - 1)
    rate = 1 / Fraction(seconds[0]).limit_denominator(1000)
    write_mp4(path, [*frames, *held], rate, least_rate=_VIDEO_RATE)


def write_mp4(
    path: str | os.PathLike[str],
    frames: Iterable[Frame],
    rate: Fraction,
    *,
    least_rate: int = 0,
) -> None:
    """Write an MP4 frame by frame: H.264 (yuv420p, BT.709).

    Args:
        frames: of one size; odd sides get one more row or column, as the one beside it.
        rate: frames per second.
        least_rate: repeat frames up to a rate of at least this; 0 leaves them as they are.

    Raises:
        ImageError: there is no frame, or ffmpeg fails.
    """
    coming = iter(frames)
    first = next(coming, None)
    if first is None:
        raise ImageError(f"cannot write {quoted(path)}: there are no frames: give at least one")
    height, width = (side + side % 2 for side in first.shape[:2])
    program = find_ffmpeg()
    assert program is not None  # check_animation_path has seen to it
    with new_file(path) as temporary:
        command = [program, "-loglevel", "error", "-y"]
        command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"]
        command += ["-framerate", f"{rate.numerator}/{rate.denominator}", "-i", "pipe:0"]
        matrix = "scale=in_range=full:out_range=tv:out_color_matrix=bt709"
        more = f",fps={max(least_rate, math.ceil(rate))}" if least_rate else ""
        command += ["-vf", matrix + more]
        command += ["-c:v", "libx264", "-preset", "medium", "-crf", "18", "-pix_fmt", "yuv420p"]
        # Named, since players guess by the size of the picture where it is not.
        command += ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"]
        command += ["-color_range", "tv", "-movflags", "+faststart", "-f", "mp4", str(temporary)]
        _pipe(path, command, map(_even, itertools.chain([first], coming)), temporary)


def _even(frame: Frame) -> Frame:
    height, width = frame.shape[:2]
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def _pipe(
    path: str | os.PathLike[str], command: list[str], frames: Iterable[Frame], output: Path
) -> None:
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
    except OSError as error:
        raise ImageError(
            f"cannot write {quoted(path)}: cannot start {quoted(command[0])}: {reason_of(error)}"
        ) from None
    with process:
        assert process.stdin is not None
        try:
            with suppress(BrokenPipeError):  # it has given up; its message says why
                for frame in frames:
                    process.stdin.write(np.ascontiguousarray(frame).data)
            _, said = process.communicate()
        except BaseException:
            process.kill()
            raise
    if process.returncode or not output.stat().st_size:
        lines = said.decode("utf-8", errors="replace").strip().splitlines() or ["no reason given"]
        raise ImageError(
            f"cannot write {quoted(path)}: ffmpeg failed: {' '.join(lines[-1].split())}"
        )
