"""Clips, read by FFmpeg's libraries, which PyAV brings along (extra ``video``)."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from fractions import Fraction
from hashlib import sha256
from typing import Any, NamedTuple

import av
import av.filter
import av.logging
import numpy as np
from av.error import FFmpegError, InvalidDataError
from av.format import Flags
from av.stream import Disposition
from av.video.reformatter import (
    ColorPrimaries,
    Colorspace,
    ColorTrc,
    Interpolation,
    VideoReformatter,
)

from jaxstyle.errors import ImageError, quoted, reason_of
from jaxstyle.images.animations import Shown
from jaxstyle.images.pillow import MAX_PIXELS
from jaxstyle.images.reading import as_picture

_LAST = 0.04  # s, of a last frame of which nobody says how long it is shown
_MOST_GAP = 10  # s; more, or less than none, is a jump of a broadcast's clock
_HD_LINES = 576  # clips of more lines that do not say so are BT.709 for all players
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # FFmpeg's own leave alpha out
_HDR = (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)  # PQ and HLG
_UNSAID = (0, 2, 3)  # reserved, and unspecified
_WIDE = (ColorPrimaries.BT2020, ColorPrimaries.SMPTE431, ColorPrimaries.SMPTE432)
EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


class Sound(NamedTuple):
    """The sound of a clip.

    Attributes:
        path: of the clip.
        start: when in it the first picture is shown, in seconds.
        end: seconds of it that are wanted.
    """

    path: str | os.PathLike[str]
    start: float
    end: float = math.inf


class Clip:
    """A clip that FFmpeg reads.

    Attributes:
        path: of the file.
        sound: None if it has none; known once a frame has been read.
        complaint: FFmpeg's first that did not keep it from reading on, or empty; known once all
            frames have been read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path, self.complaint = path, ""
        self.sound: Sound | None = None
        self._converter = VideoReformatter()  # to convert HDR it thinks for seconds, once

    def frames(self) -> Iterator[Shown]:
        """All frames one by one: upright, with square pixels, in sRGB, of the first one's size.

        What HDR has that is brighter than white becomes white.

        Raises:
            ImageError: there is no picture in it, or FFmpeg cannot read it, or not all of it.
        """
        said: list[str] = []
        try:
            with listening(said), opened(self.path) as container:
                stream = self._pictures(container)
                frames = _without_combs(_decoded(container, stream), stream)
                for index, (frame, seconds) in enumerate(_timed(frames, stream)):
                    if index == 0:
                        size = _square(frame, stream.sample_aspect_ratio)
                        if container.streams.audio:
                            self.sound = Sound(self.path, frame.time or 0.0)
                    yield Shown(self._picture(frame, size, index), seconds)
        except ImageError as error:
            raise ImageError(f"{quoted(self.path)} {error}") from None
        except (FFmpegError, OSError) as error:
            reason = said[0] if said else reason_of(error)
            raise ImageError(
                f"cannot read {quoted(self.path)} as a video (ffmpeg: {reason}): it is none, or "
                "damaged: if it plays, take its frames out with ffmpeg, and give their folder"
            ) from None
        self.complaint = said[0] if said else ""

    def _pictures(self, container: Any) -> Any:
        """The stream of pictures, which is no cover of an album."""
        for stream in container.streams.video:
            if not stream.disposition & Disposition.attached_pic:
                return stream
        raise ImageError("has no moving pictures: give a video")

    def _picture(self, frame: Any, size: tuple[int, int], index: int) -> Any:
        options: dict[str, Any] = {}
        is_hdr = frame.color_trc in _HDR
        if is_hdr and frame.color_primaries in _UNSAID:
            frame.color_primaries = ColorPrimaries.BT2020
        if is_hdr or frame.color_primaries in _WIDE:
            if not is_hdr:
                frame.color_trc = ColorTrc.BT709
            options["dst_color_trc"] = ColorTrc.IEC61966_2_1 if is_hdr else ColorTrc.BT709
            options["dst_color_primaries"] = ColorPrimaries.BT709
        if frame.colorspace in _UNSAID and frame.height > _HD_LINES and not frame.format.is_rgb:
            options["src_colorspace"] = Colorspace.ITU709
        converted = self._converter.reformat(
            frame, *size, format="rgba", interpolation=EXACT, **options
        )
        pixels = _upright(converted.to_ndarray(), frame)
        picture = as_picture(pixels, name=f"frame {index + 1}")
        digest = sha256(pixels.tobytes()).hexdigest()
        return replace(picture, sha256=digest, source=f"{os.fsdecode(self.path)}#{index + 1}")


@contextmanager
def listening(said: list[str]) -> Iterator[None]:
    """Take down, sentence by sentence, what FFmpeg complains of within the block."""
    before = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    av.logging.set_skip_repeated(False)  # which would put off some to the next file
    try:
        with av.logging.Capture(local=False) as logs:
            yield
    finally:
        av.logging.set_level(before)
        said += [" ".join(message.split())[:200] for _, _, message in logs]


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[Any]:
    """A clip's file, from which no other can be opened: some formats are lists of files."""
    with open(path, "rb") as file:
        with av.open(file, "r", options={"protocol_whitelist": "none"}) as container:
            yield container


def _is_broadcast(stream: Any) -> bool:
    """Whether its clock may jump, and its packets be said to be damaged where it does."""
    return bool(stream.container.format.flags & Flags.ts_discont.value)


def _decoded(container: Any, stream: Any) -> Iterator[Any]:
    forgiving = _is_broadcast(stream)
    decoder: Any = stream.codec_context
    if stream.metadata.get("alpha_mode") == "1" and decoder.name in _ALPHA_DECODERS:
        decoder = av.CodecContext.create(_ALPHA_DECODERS[decoder.name], "r")
    for packet in container.demux(stream):
        frames = decoder.decode(packet)
        if (packet.is_corrupt and not forgiving) or any(frame.is_corrupt for frame in frames):
            raise InvalidDataError(0, "it is damaged, or not whole")
        yield from frames


def _without_combs(frames: Iterator[Any], stream: Any) -> Iterator[Any]:
    """Frames of one moment each: interlaced ones are two half frames of two moments."""
    first = next(frames, None)
    if first is None or not first.interlaced_frame:
        yield from itertools.chain(filter(None, [first]), frames)
        return
    graph = av.filter.Graph()
    links = (
        graph.add_buffer(template=stream),
        graph.add("bwdif", "mode=send_frame:deint=interlaced"),
    )
    graph.link_nodes(*links, graph.add("buffersink")).configure()
    for frame in itertools.chain([first], frames, [None]):
        graph.push(frame)
        with suppress(BlockingIOError, EOFError):  # it waits for the next one, or has no more
            while True:
                yield graph.pull()


def _timed(frames: Iterable[Any], stream: Any) -> Iterator[tuple[Any, float]]:
    """Frames, and for how many seconds each is shown: until the next one."""
    usual = float(1 / stream.average_rate) if stream.average_rate else _LAST
    may_jump = _is_broadcast(stream)

    def own_time(frame: Any) -> float:
        return float(frame.duration * frame.time_base) if frame.duration else usual

    before: Any = None
    for frame in frames:
        if before is not None:
            seconds = own_time(before)
            if frame.time is not None and before.time is not None:
                gap = frame.time - before.time
                if gap >= 0 and not (may_jump and gap > _MOST_GAP):
                    seconds = gap
            yield before, seconds
        before = frame
    if before is not None:
        yield before, own_time(before)


def _square(frame: Any, aspect: Fraction | None) -> tuple[int, int]:
    """Width and height of a frame in square pixels, with no line or column the less.

    Args:
        aspect: of its pixels, width over height.
    """
    width, height = frame.width, frame.height
    if aspect and aspect > 1:
        width = round(width * aspect)
    elif aspect:
        height = round(height / aspect)
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"is {width}x{height}, more than the {MAX_PIXELS:,} pixels allowed: make it smaller"
        )
    return width, height


def _upright(pixels: np.ndarray, frame: Any) -> np.ndarray:
    """Turned and mirrored as the clip asks for, as those of phones do."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return pixels
    # Where x and y of the stored frame go: (x a + y c, x b + y d).
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
    if abs(a) < abs(b):
        pixels, a, d = pixels.swapaxes(0, 1), c, b
    return np.ascontiguousarray(pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])
