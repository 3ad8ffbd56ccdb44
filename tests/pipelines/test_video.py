"""The video command and its files: gone on with to the bit, clips of all kinds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from moving_pictures import PAN, SETTINGS, STYLE, make_clip
from PIL import Image
from samples import prepare_replay

from jaxstyle import InputError
from jaxstyle.cli.commands import video as command
from jaxstyle.cli.options.parser import Parser
from jaxstyle.images import load_image, save_image
from jaxstyle.pipelines import video
from jaxstyle.pipelines.video_files import check_clip, read_frames, write_clip


@pytest.fixture
def frames(tmp_path) -> Path:
    folder = tmp_path / "frames"
    folder.mkdir()
    for index, picture in enumerate(PAN[:4]):
        save_image(folder / f"f{index + 8}.png", picture)  # f8, f9, f10: not in order by letters
    save_image(tmp_path / "style.png", STYLE)
    return folder


def run(source: Path, output: Path, *options: str) -> int:
    parser = Parser()
    command.add_parser(parser.add_subparsers())
    given = {**SETTINGS, "steps": 3, "steps_next": 2}
    settings = [t for n, v in given.items() for t in (f"--{n.replace('_', '-')}", str(v))]
    style = str(output.parent / "style.png")
    arguments = parser.parse_args(["video", str(source), style, "-o", str(output), *settings])
    arguments = parser.parse_args(
        ["video", str(source), style, "-o", str(output), *settings, *options], arguments
    )
    return arguments.run(arguments)


def interrupted_at_the_third(monkeypatch) -> list[tuple]:
    """Ctrl-C in the third frame that is painted; what each is painted from, as it comes."""
    painted, real = [], video.run

    def third_is_interrupted(*given):
        painted.append(given)
        if len(painted) == 3:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(video, "run", third_is_interrupted)
    return painted


def test_an_interrupted_video_goes_on_to_the_same_frames(tmp_path, frames, monkeypatch, capsys):
    assert run(frames, tmp_path / "whole", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [frame["anew"] for frame in told["frames"]] == [True, False, False, False]
    painted = interrupted_at_the_third(monkeypatch)
    assert run(frames, tmp_path / "parts") == 130
    assert "2 frames in" in capsys.readouterr().err
    assert run(frames, tmp_path / "parts", "--resume") == 0
    assert len(painted) == 5  # two, the interrupted one, and two
    names = [f"frame-00000{index}.png" for index in (1, 2, 3, 4)]
    assert sorted(path.name for path in (tmp_path / "parts").glob("*.png")) == names
    for name in names:
        parts, whole = tmp_path / "parts" / name, tmp_path / "whole" / name
        np.testing.assert_array_equal(load_image(parts).rgb, load_image(whole).rgb)
    with pytest.raises(InputError, match="is a frame of a video, which began with the one before"):
        prepare_replay(tmp_path / "whole" / names[1])
    inputs = {"content": str(frames / "f8.png"), "style": str(tmp_path / "style.png")}
    prepare_replay(tmp_path / "whole" / names[0], **inputs)
    # Another style: nothing is taken over.
    save_image(tmp_path / "style.png", STYLE[::-1])
    assert run(frames, tmp_path / "parts", "--resume") == 0
    assert len(painted) == 9


def test_a_film_that_is_shorter_leaves_no_stale_frames(tmp_path, frames, capsys):
    from hashlib import sha256

    out = tmp_path / "out"
    assert run(frames, out, "--quiet") == 0
    told = json.loads((out / "video.json").read_text())
    assert told["format"] == "jaxstyle-video" and told["versions"]["jaxstyle"]
    assert [row["output"] for row in told["frames"]] == [
        f"frame-00000{i}.png" for i in (1, 2, 3, 4)
    ]
    for row, source in zip(told["frames"], ("f8", "f9", "f10", "f11"), strict=True):
        assert row["sha256"] == sha256((frames / f"{source}.png").read_bytes()).hexdigest()
        assert row["output_sha256"] == sha256((out / row["output"]).read_bytes()).hexdigest()
    (frames / "f11.png").unlink()
    with pytest.raises(InputError, match="holds frames of an earlier run: go on with it by --res"):
        run(frames, out)
    assert len(list(out.glob("*.png"))) == 4
    save_image(out / "frame-000009.png", PAN[0])  # not of jaxstyle
    assert run(frames, out, "--resume", "--quiet") == 0
    names = sorted(path.name for path in out.glob("*.png"))
    assert names == [f"frame-00000{index}.png" for index in (1, 2, 3, 9)]


@pytest.mark.parametrize("broken", [b"no picture", None])
def test_frames_that_do_not_fit_are_found_at_once(tmp_path, frames, broken):
    if broken is None:
        save_image(frames / "f10.png", PAN[0][:60])
    else:
        (frames / "f10.png").write_bytes(broken)
    with pytest.raises(InputError, match=r"frame .*f10.png. (is 80x60, the first one|cannot be)"):
        run(frames, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_ctrl_c_leaves_a_clip_of_what_there_is(tmp_path, frames, monkeypatch, capsys):
    interrupted_at_the_third(monkeypatch)
    assert run(frames, tmp_path / "out.gif") == 130
    assert "out.gif: those frames" in capsys.readouterr().err
    assert len(list(read_frames(tmp_path / "out.gif").each)) == 2
    assert run(frames, tmp_path / "out.gif", "--resume", "--quiet") == 0
    assert len(list(read_frames(tmp_path / "out.gif").each)) == 4
    assert not (tmp_path / "out-frames").exists()
    assert len(json.loads((tmp_path / "out.gif.json").read_text())["frames"]) == 4


def test_from_clip_to_clip(tmp_path, frames, capsys):
    """Times and sound stay; with other frames a second the sound would not fit."""
    times, pictures = (0, 0.08, 0.16, 0.5), [rgba(picture) for picture in PAN[:4]]
    clip = make_clip(tmp_path / "in.mp4", times=times, frames=pictures, sound="aac")
    assert run(clip, tmp_path / "out.mp4") == 0
    assert "sound" not in capsys.readouterr().err
    found = read_frames(tmp_path / "out.mp4")
    np.testing.assert_allclose(found.seconds[:3], [0.08, 0.08, 0.34], atol=1e-3)
    assert found.sound is not None
    assert [picture.size for picture in found.each] == [(80, 64)] * 4
    assert not (tmp_path / "out-frames").exists()
    rows = json.loads((tmp_path / "out.mp4.json").read_text())["frames"]
    np.testing.assert_allclose(
        [row["shown_for_seconds"] for row in rows[:3]], found.seconds[:3], atol=1e-3
    )
    fps = read_frames(clip).fps
    assert fps is not None
    assert run(clip, tmp_path / "fast.mp4", "--fps", str(2 * fps)) == 0
    assert "the sound is left out: it would not fit" in capsys.readouterr().err
    fast = read_frames(tmp_path / "fast.mp4")
    np.testing.assert_allclose(fast.seconds[:3], [0.04, 0.04, 0.17], atol=1e-3)
    assert fast.sound is None
    assert run(clip, tmp_path / "out.webp") == 0
    assert "the sound is left out: an .mp4 would keep it" in capsys.readouterr().err


def test_an_animation_keeps_times_plays_and_transparency(tmp_path, frames):
    """What is shown for long, or twice running, is painted once."""
    holes = [rgba(picture, hole=True) for picture in PAN[:3]]
    pictures = [holes[0], holes[1], holes[1], holes[2]]
    images = [Image.fromarray(picture) for picture in pictures]
    times = [100, 140, 140, 3000]
    images[0].save(
        tmp_path / "in.webp",
        save_all=True,
        append_images=images[1:],
        duration=times,
        loop=2,
        lossless=True,
        exact=True,
    )
    few = ["--style-layers", "relu1_1", "--content-layers", "relu1_1", "--optimizer", "adam"]
    assert run(tmp_path / "in.webp", tmp_path / "out.gif", "--quiet", *few) == 0
    found = read_frames(tmp_path / "out.gif")
    np.testing.assert_allclose(found.seconds, [0.1, 0.28, 3.0])
    assert found.plays == 2
    for picture in found.each:
        np.testing.assert_array_equal(picture.alpha == 0, holes[0][..., 3] == 0)


def test_an_mp4_has_what_is_transparent_on_white(tmp_path, frames):
    needs_ffmpeg()
    for index in range(2):
        picture = rgba(PAN[index], hole=True)
        Image.fromarray(picture).save(tmp_path / f"{index}.png")
    write_clip(tmp_path / "a.mp4", [tmp_path / "0.png", tmp_path / "1.png"], [0.1, 0.1])
    for picture in read_frames(tmp_path / "a.mp4").each:
        assert picture.rgb[24:36, 24:36].min() > 0.9


def animated(path: Path) -> Path:
    images = [Image.fromarray(rgba(picture)) for picture in PAN[:3]]
    images[0].save(path, save_all=True, append_images=images[1:], duration=100)
    return path


def rgba(picture: np.ndarray, hole: bool = False) -> np.ndarray:
    """In 8 bits, with a part that is transparent, and of a colour that nobody is to see."""
    pixels = np.dstack([np.rint(picture * 255), np.full(picture.shape[:2], 255)]).astype(np.uint8)
    if hole:
        pixels[20:40, 20:40] = (255, 0, 255, 0)
    return pixels


def test_frames_are_read_in_the_order_of_their_numbers(frames):
    found = read_frames(frames)
    assert [Path(path).stem for path in found.each] == ["f8", "f9", "f10", "f11"]
    assert found.count == 4


@pytest.mark.parametrize("ending", [".gif", ".webp", ".mp4"])
def test_clips_come_back(tmp_path, frames, ending):
    if ending == ".mp4":
        needs_ffmpeg()
    path = tmp_path / f"clip{ending}"
    odd = [tmp_path / f"odd{index}.png" for index in range(3)]
    for file, picture in zip(odd, PAN, strict=False):
        save_image(file, picture[:63, :79])
    write_clip(path, odd, [0.05, 0.1, 0.05])
    found = read_frames(path)
    assert found.fps == pytest.approx(15)
    np.testing.assert_allclose(found.seconds, [0.05, 0.1, 0.05])
    pictures = list(found.each)
    assert len(pictures) == found.count == 3
    for index, picture in enumerate(pictures):
        assert np.abs(picture.rgb[:63, :79] - PAN[index][:63, :79]).mean() < 0.05


def test_damaged_clips_are_refused_before_anything_is_painted(tmp_path):
    needs_ffmpeg()
    clip = make_clip(tmp_path / "clip.avi", "mjpeg", "yuvj420p")
    assert len(list(read_frames(clip).each)) == 3
    data = clip.read_bytes()
    (tmp_path / "cut.avi").write_bytes(data[: data.rindex(b"00dc", 0, data.index(b"idx1")) + 300])
    with pytest.raises(InputError, match=r"cannot read .*cut.avi. as a video \(ffmpeg: "):
        read_frames(tmp_path / "cut.avi")
    animation = animated(tmp_path / "whole.webp").read_bytes()
    (tmp_path / "cut.webp").write_bytes(animation[: len(animation) * 2 // 3])
    with pytest.raises(InputError, match=r"cut.webp"):
        read_frames(tmp_path / "cut.webp")
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(InputError, match="it is none, or damaged"):
        read_frames(tmp_path / "text.mp4")


def test_what_is_no_video_is_refused(tmp_path, frames):
    for source, message in (
        (tmp_path / "absent.mp4", "does not exist: check the path"),
        (frames / "f8.png", "is one picture"),
        (frames.parent / "empty", "there is no picture in"),
    ):
        (frames.parent / "empty").mkdir(exist_ok=True)
        with pytest.raises(InputError, match=message):
            read_frames(source)
    with pytest.raises(InputError, match="use one of"):
        check_clip(tmp_path / "out.avi")
    with pytest.raises(InputError, match="holds the frames to be read"):
        run(frames, frames)


def needs_ffmpeg() -> None:
    pytest.importorskip("av")
