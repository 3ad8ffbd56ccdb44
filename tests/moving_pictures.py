"""Pictures that move: small clips that tests make for themselves, by PyAV, and a pan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT

from jaxstyle.images import load_image, resize

WIDE = resize(load_image(ROOT / "examples/content.jpg").rgb, 240, 160)
STYLE = resize(load_image(ROOT / "examples/style.jpg").rgb, 96, 96)
PAN = [WIDE[40:104, 60 + 5 * k : 140 + 5 * k] for k in range(6)]
"""The camera moves 5 px to the right from picture to picture."""
SETTINGS = {
    "size": 80,
    "levels": 1,
    "steps": 12,
    "steps_next": 8,
    "content_layers": "relu2_2",
    "style_layers": "relu1_1,relu2_1,relu3_1",
    "weights": "slim",
}
"""Of a quick run of a video."""

WIDTH, HEIGHT = 72, 48
TIMES = (0.0, 0.2, 0.4)


def scene(index: int, *, alpha: int = 255, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """One of several RGBA pictures: smooth colours, and a bright block that moves to the right."""
    y, x = np.mgrid[:height, :width]
    rgba = np.stack([40 + 150 * x // width, 40 + 150 * y // height, 0 * x + 90, 0 * x + alpha], 2)
    left = 8 + 8 * index
    rgba[height // 3 : height // 2, left : left + 12, :3] = 220
    return rgba.astype(np.uint8)


def make_clip(
    path: Path,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    *,
    times: Sequence[float] = TIMES,
    frames: Sequence[np.ndarray] | None = None,
    aspect: Fraction | None = None,
    colours: dict[str, int] | None = None,
    sound: str = "",
    sound_seconds: float = 0.6,
    **options: Any,
) -> Path:
    """A clip of ``scene``s that begin at those seconds, with a tone if ``sound`` names a codec.

    Skips the test where the codec is missing.
    """
    av = pytest.importorskip("av")
    frames = [scene(index) for index in range(len(times))] if frames is None else frames
    rate = 25 if codec == "mpeg2video" else 5  # MPEG-2 knows few others
    base = Fraction(1, rate if codec == "mpeg2video" or path.suffix == ".avi" else 1000)
    try:
        output = av.open(str(path), "w")
        video = output.add_stream(
            codec, rate, {name: str(value) for name, value in options.items()}
        )
        audio = output.add_stream(sound, 48000, layout="mono") if sound else None
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"there is no {codec} or {sound} here")
    with output:
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt, video.codec_context.time_base = pixels, base
        if aspect is not None:
            video.codec_context.sample_aspect_ratio = aspect
        for name, value in (colours or {}).items():
            setattr(video.codec_context, name, value)
        for rgba, time in zip(frames, times, strict=True):
            frame = av.VideoFrame.from_ndarray(rgba, "rgba").reformat(format=pixels)
            frame.pts, frame.time_base = round(time / base), base
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        if audio is not None:
            for frame in _tone(av, audio.codec_context.format.name, sound_seconds):
                output.mux(audio.encode(frame))
            output.mux(audio.encode(None))
    return path


def _tone(av: Any, kind: str, seconds: float) -> Iterator[Any]:
    wave = np.sin(np.arange(round(48000 * seconds)) * 0.05).astype(np.float32)[None]
    resampler = av.AudioResampler(kind, "mono", 48000)
    frame = av.AudioFrame.from_ndarray(wave, "fltp", "mono")
    frame.sample_rate, frame.pts = 48000, 0
    yield from resampler.resample(frame)
