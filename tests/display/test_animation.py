"""Animations: the frames that come out are those that went in, at their times."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from picture_checks import refusal
from PIL import Image
from samples import landscape, waves

from jaxstyle.display.figures import check_animation_path, save_animation
from jaxstyle.errors import InputError
from jaxstyle.images import resize

START, END = np.asarray(landscape(96, 128)), np.asarray(waves(96, 128))
FRAMES = [(1 - t) * START + t * END for t in np.linspace(0, 1, 5, dtype=np.float32)]


def read(path: Path) -> tuple[list[np.ndarray], list[float]]:
    """Frames in [0, 1] and the seconds that each is shown."""
    frames, seconds = [], []
    with Image.open(path) as image:
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            frames.append(np.asarray(image.convert("RGB"), np.float32) / 255)
            seconds.append(image.info["duration"] / 1000)
        assert image.info["loop"] == 0
    return frames, seconds


def psnr(one: np.ndarray, two: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((one - two) ** 2)))


def check_video_frame(frame: np.ndarray, expected: np.ndarray) -> None:
    """Brightness is kept pixel by pixel; colour, which has half the resolution, on average."""
    luma = np.array([0.2126, 0.7152, 0.0722], np.float32)
    assert psnr(frame @ luma, expected @ luma) > 31
    assert np.abs(frame.mean((0, 1)) - expected.mean((0, 1))).max() < 0.01


@pytest.mark.parametrize("ending", [".gif", ".webp"])
def test_frames_and_times_survive(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    save_animation(path, FRAMES, seconds_per_frame=0.2, hold_seconds=1.3)
    frames, seconds = read(path)
    assert seconds == [0.2, 0.2, 0.2, 0.2, 1.3]
    for frame, expected in zip(frames, FRAMES, strict=True):
        if ending == ".webp":
            check_video_frame(frame, expected)
        else:
            assert psnr(frame, expected) > 27


@pytest.mark.parametrize("ending", [".gif", ".webp"])
def test_hold_never_shortens_the_last(tmp_path, ending):
    save_animation(tmp_path / f"a{ending}", FRAMES, seconds_per_frame=0.5, hold_seconds=0)
    assert read(tmp_path / f"a{ending}")[1][-1] == 0.5


def test_a_gif_has_one_palette_for_all_frames(tmp_path):
    path = tmp_path / "a.gif"
    save_animation(path, FRAMES)
    data = path.read_bytes()
    assert data[10] & 0x80  # a palette for all
    at, local = 13 + 3 * 2 ** ((data[10] & 7) + 1), []
    while data[at] != 0x3B:
        if data[at] == 0x21:
            at += 2
        else:
            flags = data[at + 9]
            local.append(flags & 0x80)
            at += 11 + (3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0)
        while data[at]:
            at += data[at] + 1
        at += 1
    assert local == [0] * len(FRAMES)


def test_what_does_not_change_does_not_flicker(tmp_path):
    still = [np.where(np.arange(128)[None, :, None] < 64, START, f) for f in FRAMES]
    save_animation(tmp_path / "a.gif", still)
    frames, _ = read(tmp_path / "a.gif")
    for frame in frames[1:]:
        np.testing.assert_allclose(frame[:, :56], frames[0][:, :56], atol=0.15)
        assert abs(float((frame - frames[0])[:, :56].mean())) < 0.004


@pytest.mark.parametrize("ending", [".gif", ".webp"])
def test_other_sizes_become_the_last_ones(tmp_path, ending):
    small = resize(START, 64, 48)
    save_animation(tmp_path / f"a{ending}", [small, END])
    frames, _ = read(tmp_path / f"a{ending}")
    assert {frame.shape for frame in frames} == {END.shape}
    assert psnr(frames[0], resize(small, 128, 96)) > 26


@pytest.mark.parametrize("ending", [".gif", ".webp"])
def test_one_frame_and_the_same_bytes_again(tmp_path, ending):
    for name in "ab":
        save_animation(tmp_path / (name + ending), FRAMES[:1])
    assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()
    with Image.open(tmp_path / f"a{ending}") as image:
        assert psnr(np.asarray(image.convert("RGB"), np.float32) / 255, FRAMES[0]) > 27


# --- MP4 -----------------------------------------------------------------------------------------


def decode(path: Path) -> tuple[list[np.ndarray], Any]:
    """All frames in [0, 1] by BT.709, and the first one as FFmpeg has it."""
    av = pytest.importorskip("av")
    with av.open(str(path)) as clip:
        frames = list(clip.decode(video=0))
    return [frame.to_ndarray(format="rgb24") / np.float32(255) for frame in frames], frames[0]


def test_mp4_shows_each_frame_at_its_time(tmp_path):
    path = tmp_path / "a.mp4"
    pytest.importorskip("av")
    save_animation(path, FRAMES, seconds_per_frame=0.2, hold_seconds=1)
    video, first = decode(path)
    assert len(video) == 25 * (4 * 0.2 + 1)
    for index, expected in enumerate(FRAMES):
        for at in (0.1, 0.5, 0.9):
            check_video_frame(video[int(25 * 0.2 * (index + at))], expected)
    check_video_frame(video[-1], FRAMES[-1])
    assert first.format.name == "yuv420p"
    told = first.color_range, first.colorspace, first.color_primaries, first.color_trc
    assert told == (1, 1, 1, 1)  # limited range, BT.709
    data = path.read_bytes()
    assert b"avc1" in data
    assert data.index(b"moov") < data.index(b"mdat")  # plays before all of it is there


def test_mp4_of_odd_sizes_repeats_the_edge(tmp_path):
    pytest.importorskip("av")
    odd = [np.full((15, 21, 3), value, np.float32) for value in (0.2, 0.7)]
    odd[-1][-1] = [1, 0, 0]
    save_animation(tmp_path / "a.mp4", odd)
    video, _ = decode(tmp_path / "a.mp4")
    assert video[-1].shape == (16, 22, 3)
    np.testing.assert_allclose(video[-1][:12], 0.7, atol=0.04)
    np.testing.assert_allclose(video[-1][-1, 2:-2], video[-1][-2, 2:-2], atol=0.1)


def test_mp4_is_whole_or_not_there(tmp_path, monkeypatch):
    pytest.importorskip("av")
    from jaxstyle.images import mp4

    def refused(packets, durations):
        raise mp4.FFmpegError(22, "no H.264 here")

    monkeypatch.setattr(mp4, "_timed_packets", refused)
    message = refusal(save_animation, tmp_path / "a.mp4", FRAMES)
    assert message.endswith("ffmpeg failed: no H.264 here")
    assert list(tmp_path.iterdir()) == []


def test_mp4_without_ffmpeg_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    for call in (check_animation_path, lambda path: save_animation(path, FRAMES)):
        message = refusal(call, tmp_path / "a.mp4")
        assert "needs ffmpeg: pip install 'jaxstyle[video]', or use .gif, .webp or" in message
    check_animation_path(tmp_path / "a.gif")
    assert list(tmp_path.iterdir()) == []


# --- refusals ------------------------------------------------------------------------------------


def test_refusals(tmp_path):
    path = tmp_path / "a.gif"
    with pytest.raises(InputError, match=r"'\.avi': use one of \.gif \.webp \.mp4"):
        check_animation_path(tmp_path / "a.avi")
    with pytest.raises(InputError, match="there is no folder"):
        check_animation_path(tmp_path / "none" / "a.gif")
    assert "there are no frames" in refusal(save_animation, path, [])
    assert "frame 1 has shape (4, 5)" in refusal(
        save_animation, path, [START, np.zeros((4, 5), np.float32)]
    )
    broken = START.copy()
    broken[0, 0] = np.nan
    assert "frame 0 has values that are not finite" in refusal(save_animation, path, [broken])
    long = np.zeros((1, 16384, 3), np.float32)
    assert "more than the 16383 px" in refusal(save_animation, tmp_path / "a.webp", [long])
    for seconds in (0, -1, float("nan"), 1e9):
        with pytest.raises(InputError, match="seconds_per_frame is"):
            save_animation(path, FRAMES, seconds_per_frame=seconds)
    with pytest.raises(InputError, match="hold_seconds is -1"):
        save_animation(path, FRAMES, hold_seconds=-1)
    assert list(tmp_path.iterdir()) == []
