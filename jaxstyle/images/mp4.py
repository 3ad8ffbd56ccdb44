"""MP4 files, written by FFmpeg's libraries, which PyAV brings along (extra ``video``)."""

from __future__ import annotations

import heapq
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from jaxstyle.errors import ImageError, quoted, reason_of
from jaxstyle.images.animations import Pixels, whole_times
from jaxstyle.images.clips import EXACT, Sound, listening, opened
from jaxstyle.runtime.atomic_files import new_file

_TICKS = 90_000  # a second, as in MPEG: a frame of all usual rates has a whole number of them
_PREROLL = 0.1  # s of sound that nobody hears, but that decoders begin with


def write_mp4(
    path: str | os.PathLike[str],
    frames: Iterable[Pixels],
    seconds: Sequence[float],
    sound: Sound | None = None,
) -> str:
    """Write RGB frames as H.264 (yuv420p, BT.709), each shown for its time.

    An odd side gets one more row or column, as the one beside it.

    Args:
        sound: is copied as it is, where MP4 can hold it.

    Returns:
        What is left out; empty if nothing is.

    Raises:
        ImageError: there is no frame, or FFmpeg fails.
    """
    coming = iter(frames)
    first = next(coming, None)
    if first is None:
        raise ImageError(f"cannot write {quoted(path)}: there are no frames: give at least one")
    said: list[str] = []
    file: Any = nullcontext() if sound is None else opened(sound.path)
    try:
        with (
            new_file(path) as temporary,
            listening(said),
            file as source,
            _mp4(temporary) as output,
        ):
            packets = [_encoded(output, itertools.chain([first], coming), seconds)]
            note = ""
            if sound is not None:
                copied, note = _copied(source, output, sound)
                packets.append(copied)
            for packet in heapq.merge(*packets, key=lambda packet: packet.dts * packet.time_base):
                output.mux(packet)
    except FFmpegError as error:
        reason = said[0] if said else reason_of(error)
        raise ImageError(f"cannot write {quoted(path)}: ffmpeg failed: {reason}") from None
    return note


def _mp4(path: Path) -> Any:
    return av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})


def _encoded(output: Any, frames: Iterator[Pixels], seconds: Sequence[float]) -> Iterator[Any]:
    first = next(frames)
    rate = Fraction(max(1.0, len(seconds) / max(sum(seconds), 0.001))).limit_denominator(1001)
    # Without B-frames, as with them the file would hold a wrong time for the last frame.
    stream = output.add_stream("libx264", rate, {"preset": "medium", "crf": "18", "bf": "0"})
    height, width = (side + side % 2 for side in first.shape[:2])
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    coder = stream.codec_context
    coder.time_base = Fraction(1, _TICKS)
    # Named, since players guess by the size of the picture where it is not.
    coder.colorspace, coder.color_range = Colorspace.ITU709, ColorRange.MPEG
    coder.color_primaries, coder.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
    ticks, start = whole_times(seconds, _TICKS, 1), 0
    durations = {}
    for pixels, duration in zip(itertools.chain([first], frames), ticks, strict=True):
        if duration:
            durations[start] = duration
            yield from _timed_packets(stream.encode(_yuv(pixels, start)), durations)
            start += duration
    yield from _timed_packets(stream.encode(None), durations)


def _timed_packets(packets: Iterable[Any], durations: dict[int, int]) -> Iterator[Any]:
    """Packets with the times of their frames, which the encoder takes from the mean rate."""
    for packet in packets:
        packet.duration = durations.pop(packet.pts)
        yield packet


def _yuv(pixels: Pixels, start: int) -> Any:
    height, width = pixels.shape[:2]
    even = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    frame = av.VideoFrame.from_ndarray(even, "rgb24").reformat(
        format="yuv420p",
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
        interpolation=EXACT,
    )
    frame.pts, frame.time_base = start, Fraction(1, _TICKS)
    return frame


def _copied(source: Any, output: Any, sound: Sound) -> tuple[Iterator[Any], str]:
    """The packets of a clip's sound for another file, and what of it that cannot hold."""
    streams = {s: s.codec.canonical_name for s in source.streams.audio}
    left_out = [name for name in streams.values() if name not in output.supported_codecs]
    copies = {
        stream.index: output.add_stream_from_template(stream)
        for stream, name in streams.items()
        if name not in left_out
    }

    def packets() -> Iterator[Any]:
        for packet in source.demux(*(source.streams[index] for index in copies)):
            if packet.dts is None or packet.pts is None:
                continue
            start = sound.start / packet.time_base
            first, end = start - _PREROLL / packet.time_base, start + sound.end / packet.time_base
            if first < packet.pts < end:
                packet.stream = copies[packet.stream_index]
                packet.pts, packet.dts = packet.pts - round(start), packet.dts - round(start)
                yield packet

    note = f"left out: sound that MP4 cannot hold ({', '.join(left_out)})" if left_out else ""
    return packets() if copies else iter(()), note
