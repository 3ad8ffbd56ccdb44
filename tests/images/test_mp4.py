"""MP4 as it is written: each picture at its time, with the sound of another clip."""

from __future__ import annotations

import numpy as np
import pytest
from moving_pictures import make_clip, scene

av = pytest.importorskip("av")
from jaxstyle.images.clips import Clip  # noqa: E402
from jaxstyle.images.mp4 import write_mp4  # noqa: E402


def written(path, seconds, sound=None) -> str:
    return write_mp4(path, (scene(i)[..., :3] for i in range(len(seconds))), seconds, sound)


def test_each_picture_keeps_its_time(tmp_path):
    seconds = [0.1, 0.14, 1001 / 30000, 3.0, 0.02, 0.5]
    assert written(tmp_path / "a.mp4", seconds) == ""
    with av.open(str(tmp_path / "a.mp4")) as clip:
        assert clip.duration / 1e6 == pytest.approx(sum(seconds), abs=0.001)
    frames = list(Clip(tmp_path / "a.mp4").frames())
    np.testing.assert_allclose([shown.seconds for shown in frames], seconds, atol=1e-4)
    for index, shown in enumerate(frames):
        assert np.abs(shown.picture.rgb - scene(index)[..., :3] / 255).mean() < 0.03


def test_one_picture_may_be_held_for_an_hour(tmp_path):
    written(tmp_path / "a.mp4", [3600.0])
    assert [shown.seconds for shown in Clip(tmp_path / "a.mp4").frames()] == [3600.0]


def packets(path) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as clip:
        stream = clip.streams.audio[0]
        return [
            (float(packet.pts * packet.time_base), bytes(packet))
            for packet in clip.demux(stream)
            if packet.dts is not None
        ]


@pytest.mark.parametrize(
    ("name", "codec", "sound"),
    [
        ("in.mp4", "libx264", "aac"),
        ("in.webm", "libvpx", "libopus"),
        ("in.avi", "mjpeg", "mp3"),
        ("in.mov", "qtrle", "pcm_s16le"),
    ],
)
def test_sound_is_copied(tmp_path, name, codec, sound):
    pixels = {"mjpeg": "yuvj420p", "qtrle": "argb"}.get(codec, "yuv420p")
    clip = Clip(make_clip(tmp_path / name, codec, pixels, sound=sound))
    seconds = [shown.seconds for shown in clip.frames()]
    assert written(tmp_path / "out.mp4", seconds, clip.sound) == ""
    before, after = packets(tmp_path / name), packets(tmp_path / "out.mp4")
    assert [data for _, data in after] == [data for _, data in before]
    np.testing.assert_allclose([t for t, _ in after], [t for t, _ in before], atol=0.002)


def test_sound_stays_with_its_picture(tmp_path):
    """It begins with the first picture, and ends where fewer are there."""
    path = make_clip(tmp_path / "late.mkv", sound="aac", times=(1.0, 1.2, 1.4), sound_seconds=2)
    clip = Clip(path)
    assert len(list(clip.frames())) == 3
    assert clip.sound is not None and clip.sound.start == pytest.approx(1.0, abs=0.03)
    written(tmp_path / "out.mp4", [0.2], clip.sound._replace(end=0.2))
    before = dict((data, time) for time, data in packets(path))
    after = packets(tmp_path / "out.mp4")
    assert 13 <= len(after) <= 15  # of 1024 samples: 0.2 s, and 0.1 s that decoders begin with
    assert -0.1 <= after[0][0] < after[-1][0] < 0.2
    for time, data in after:
        assert time == pytest.approx(before[data] - clip.sound.start, abs=0.002)


def test_sound_that_mp4_cannot_hold_is_named(tmp_path):
    clip = Clip(make_clip(tmp_path / "in.avi", "mjpeg", "yuvj420p", sound="pcm_u8"))
    seconds = [shown.seconds for shown in clip.frames()]
    told = written(tmp_path / "out.mp4", seconds, clip.sound)
    assert told == "left out: sound that MP4 cannot hold (pcm_u8)"
    assert len(list(Clip(tmp_path / "out.mp4").frames())) == 3
