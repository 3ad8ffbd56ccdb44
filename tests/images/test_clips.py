"""Clips as FFmpeg reads them: whatever pixels, times and orientation, and no other file."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from moving_pictures import HEIGHT, WIDTH, make_clip, scene

from jaxstyle.errors import ImageError

pytest.importorskip("av")
from jaxstyle.images import clips
from jaxstyle.images.clips import Clip


def read(path):
    return list(Clip(path).frames())


def refusal(path) -> str:
    with pytest.raises(ImageError) as caught:
        read(path)
    message = str(caught.value)
    assert "\n" not in message and path.name in message
    return message


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("hevc10.mp4", "libx265", "yuv420p10le"),
        ("prores422.mov", "prores_ks", "yuv422p10le"),
        ("prores4444.mov", "prores_ks", "yuva444p10le"),
        ("qtrle.mov", "qtrle", "argb"),
        ("ffv1.mkv", "ffv1", "bgr0"),
        ("raw.avi", "rawvideo", "bgr24"),
        ("rgb264.mp4", "libx264rgb", "rgb24"),
        ("gbrp.webm", "libvpx-vp9", "gbrp"),
        ("vp9alpha.webm", "libvpx-vp9", "yuva420p"),
        ("full.mp4", "libx264", "yuvj420p"),
        ("grey.mkv", "ffv1", "gray16le"),
    ],
)
def test_all_kinds_of_pixels_are_read(tmp_path, name, codec, pixels):
    alpha = 128 if "a" in pixels.replace("gray", "") else 255
    given = [scene(index, alpha=alpha) for index in range(3)]
    quiet = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    frames = read(make_clip(tmp_path / name, codec, pixels, frames=given, **quiet))
    assert [round(shown.seconds, 3) for shown in frames] == [0.2, 0.2, 0.2]
    for shown, rgba in zip(frames, given, strict=True):
        rgb, alpha_seen = shown.picture.rgb, shown.picture.alpha
        expected = rgba[..., :3] / np.float32(255)
        if pixels == "gray16le":
            expected = (expected @ np.float32([0.299, 0.587, 0.114]))[..., None]
        assert np.abs(rgb - expected).mean() < 0.03
        if alpha == 255:
            assert alpha_seen is None
        else:
            np.testing.assert_allclose(alpha_seen, 128 / 255, atol=0.02)


def test_each_frame_is_there_once_for_its_time(tmp_path):
    times = [0.0, 0.067, 0.134, 0.201, 3.2, 3.267]
    frames = read(make_clip(tmp_path / "rec.webm", "libvpx", times=times))
    assert len(frames) == 6
    assert [round(shown.seconds, 3) for shown in frames[:5]] == [0.067] * 3 + [2.999, 0.067]


def test_what_has_no_times_goes_by_its_rate(tmp_path):
    frames = read(make_clip(tmp_path / "plain.h264"))
    assert [round(shown.seconds, 3) for shown in frames] == [0.04, 0.04, 0.04]


def test_a_clock_that_jumps_holds_no_frame_for_hours(tmp_path):
    early = make_clip(tmp_path / "a.ts", "mpeg2video").read_bytes()
    late = make_clip(tmp_path / "b.ts", "mpeg2video", times=(7000.0, 7000.2, 7000.4)).read_bytes()
    for name, data in (("on.ts", early + late), ("back.ts", late + early)):
        (tmp_path / name).write_bytes(data)
        frames = read(tmp_path / name)
        assert len(frames) == 6
        assert sum(shown.seconds for shown in frames) == pytest.approx(0.88, abs=0.02)


@pytest.mark.parametrize(
    ("aspect", "size"), [("2", (2 * WIDTH, HEIGHT)), ("1/2", (WIDTH, 2 * HEIGHT))]
)
def test_pixels_become_square(tmp_path, aspect, size):
    shown, *_ = read(make_clip(tmp_path / "sar.mp4", aspect=Fraction(aspect)))
    assert shown.picture.size == size


@pytest.mark.parametrize(
    ("matrix", "turned"),
    [
        ((0, -1, 1, 0), lambda picture: np.rot90(picture)),
        ((0, 1, -1, 0), lambda picture: np.rot90(picture, -1)),
        ((-1, 0, 0, -1), lambda picture: picture[::-1, ::-1]),
        ((-1, 0, 0, 1), lambda picture: picture[:, ::-1]),
        ((0, 1, 1, 0), lambda picture: picture.swapaxes(0, 1)),
    ],
)
def test_clips_of_phones_are_turned_upright(tmp_path, matrix, turned):
    path = make_clip(tmp_path / "phone.mp4")
    data = path.read_bytes()
    at = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (number * 65536 for number in matrix)
    told = b"".join(n.to_bytes(4, "big", signed=True) for n in (a, b, 0, c, d, 0, 0, 0, 1 << 30))
    upright = read(path)[0].picture.rgb
    path.write_bytes(data[:at] + told + data[at + 36 :])
    np.testing.assert_array_equal(read(path)[0].picture.rgb, turned(upright))


def test_interlaced_frames_lose_their_combs(tmp_path):
    woven = []
    for index in range(4):  # even lines of one moment, odd ones of a later one
        frame = scene(index)
        frame[1::2] = scene(index + 2)[1::2]
        woven.append(frame)
    options = {"flags": "+ildct+ilme", "b": "2M"}
    path = make_clip(
        tmp_path / "dv.ts", "mpeg2video", frames=woven, times=(0, 0.04, 0.08, 0.12), **options
    )
    frames = read(path)
    assert len(frames) == 4
    assert [round(shown.seconds, 3) for shown in frames] == [0.04] * 4
    for shown, frame in zip(frames, woven, strict=True):
        combs = np.abs(np.diff(shown.picture.rgb[16:24, :, 0], axis=0)).mean()
        assert combs < 0.3 * np.abs(np.diff(frame[16:24, :, 0] / 255.0, axis=0)).mean()


@pytest.mark.parametrize(
    ("transfer", "primaries", "wanted"),
    [
        ("SMPTE2084", "BT2020", "IEC61966_2_1"),
        ("ARIB_STD_B67", "UNSPECIFIED", "IEC61966_2_1"),
        ("BT2020_10", "BT2020", "BT709"),
        ("BT709", "BT709", None),
    ],
)
def test_hdr_and_wide_colours_become_srgb(tmp_path, transfer, primaries, wanted):
    """What is asked of FFmpeg: it thinks for six seconds before it does it."""
    told = {
        "color_trc": clips.ColorTrc[transfer],
        "color_primaries": clips.ColorPrimaries[primaries],
    }
    colours = {**told, "colorspace": 9, "color_range": 1}
    path = make_clip(
        tmp_path / "hdr.mkv", "ffv1", "yuv420p10le", frames=[scene(0)], times=[0], colours=colours
    )
    clip, asked = Clip(path), []
    converter = clip._converter

    class Asked:
        def reformat(self, frame, *size, dst_color_trc=None, dst_color_primaries=None, **options):
            asked.append((dst_color_trc, dst_color_primaries, int(frame.color_primaries)))
            return converter.reformat(frame, *size, **options)

    clip._converter = Asked()
    assert len(list(clip.frames())) == 1
    if wanted is None:
        assert asked == [(None, None, 1)]
    else:
        assert asked == [(clips.ColorTrc[wanted], clips.ColorPrimaries.BT709, 9)]


@pytest.mark.parametrize(("height", "matrix"), [(720, 1), (480, 5)])
def test_colours_that_a_clip_does_not_name_go_by_its_size(tmp_path, height, matrix):
    colour = np.full((height, 64, 4), (200, 60, 60, 255), np.uint8)
    av = pytest.importorskip("av")
    path = make_clip(
        tmp_path / "clip.mkv", "ffv1", "yuv444p", frames=[colour], times=[0]
    )  # by BT.601
    read_as = read(path)[0].picture.rgb[9, 9] * 255
    frame = av.VideoFrame.from_ndarray(colour, "rgba").reformat(format="yuv444p")
    expected = frame.reformat(format="rgb24", src_colorspace=matrix).to_ndarray()[9, 9]
    np.testing.assert_allclose(read_as, expected, atol=3)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.mp4", "ffconcat version 1.0\nfile other.ts\n"),
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nother.ts\n#EXT-X-ENDLIST\n"),
    ],
)
def test_a_text_opens_no_other_file(tmp_path, monkeypatch, name, text):
    assert len(read(make_clip(tmp_path / "other.ts", "mpeg2video"))) == 3
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(text)
    assert "cannot read" in refusal(tmp_path / name)


def test_sound_and_covers_are_no_pictures(tmp_path):
    av = pytest.importorskip("av")
    path = make_clip(tmp_path / "song.mkv", "mjpeg", "yuvj420p", sound="aac", times=[0.0])
    with av.open(str(path)) as source, av.open(str(tmp_path / "cover.mp4"), "w") as output:
        copies = {s.index: output.add_stream_from_template(s) for s in source.streams}
        copies[0].disposition = av.stream.Disposition.attached_pic
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream_index]
                output.mux(packet)
    assert len(read(path)) == 1
    assert "has no moving pictures: give a video" in refusal(tmp_path / "cover.mp4")


def test_ffmpeg_is_asked_why(tmp_path):
    whole = make_clip(tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    assert "(ffmpeg: moov atom not found)" in refusal(tmp_path / "cut.mp4")
    (tmp_path / "text.ts").write_text("no video")
    assert "(ffmpeg: Invalid data found" in refusal(tmp_path / "text.ts")
    (tmp_path / "empty.mp4").write_bytes(b"")
    assert "cannot read" in refusal(tmp_path / "empty.mp4")


def test_what_ffmpeg_reads_in_spite_of_is_told(tmp_path):
    data = make_clip(tmp_path / "whole.mkv", "ffv1", "bgr0").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(data[: len(data) * 3 // 4])
    clip = Clip(tmp_path / "cut.mkv")
    assert 0 < len(list(clip.frames())) < 3
    assert clip.complaint == "File ended prematurely"
    clip = Clip(tmp_path / "whole.mkv")
    assert len(list(clip.frames())) == 3 and clip.complaint == ""


def test_damaged_frames_are_refused(tmp_path):
    path = make_clip(tmp_path / "clip.avi", "mjpeg", "yuvj420p")
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"00dc", 0, data.index(b"idx1")) + 300])
    assert "(ffmpeg: " in refusal(path)


def test_too_many_pixels_are_refused_before_they_are_made(tmp_path, monkeypatch):
    monkeypatch.setattr(clips, "MAX_PIXELS", 2 * WIDTH * HEIGHT)
    path = make_clip(tmp_path / "wide.mp4", aspect=Fraction(3))
    assert "is 216x48, more than the 6,912 pixels allowed" in refusal(path)


def test_frames_of_another_size_take_the_first_ones(tmp_path):
    small = make_clip(tmp_path / "a.ts", "mpeg2video").read_bytes()
    large = [scene(index, height=96, width=144) for index in range(3)]
    path = make_clip(tmp_path / "b.ts", "mpeg2video", frames=large, times=(0.6, 0.8, 1.0))
    path.write_bytes(small + path.read_bytes())
    assert {shown.picture.size for shown in read(path)} == {(WIDTH, HEIGHT)}
