"""``jaxstyle video``: the frames of a video in the style of a picture, without flicker."""

from __future__ import annotations

import argparse
import json
import math
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxstyle.cli.options.checkpoint import add_deterministic_option, deterministic_note
from jaxstyle.cli.options.inputs import add_mask_options, add_style_options, styles_from
from jaxstyle.cli.options.limits import add_memory_option, memory_from
from jaxstyle.cli.options.outputs import FILE_ENDINGS, command_line, ready_folder
from jaxstyle.cli.options.overwrite_guard import Named, Series, check_overwriting, inputs_of
from jaxstyle.cli.options.settings import add_settings, given_settings, network_note
from jaxstyle.cli.report.manifests import (
    check_manifest,
    head_of_many,
    sha256_of,
    write_manifest,
)
from jaxstyle.cli.report.messages import tell
from jaxstyle.config.command_defaults import CLIPS, LEVELS_NEXT, STEPS_NEXT, VIDEO
from jaxstyle.errors import InputError
from jaxstyle.runtime.interrupts import EXIT_CODE, begun

if TYPE_CHECKING:
    from jaxstyle.cli.report.reporters import FrameReporter
    from jaxstyle.images.clips import Sound
    from jaxstyle.pipelines.video import Frame
    from jaxstyle.pipelines.video_files import Frames
    from jaxstyle.run.job import Job
    from jaxstyle.run.result import Stylized

FRAME = r"frame-\d{6,}\.png"


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "video",
        description="Paint the frames of a video. The first one is worked out as by stylize; each "
        "other one starts from the last result, moved by optical flow, and is held there by a "
        "temporal loss wherever the flow can be trusted (Ruder et al. 2016). --steps and --levels "
        "are for the first frame, and for the first after a cut; all others take --steps-next and "
        "--levels-next. A picture that is shown for longer is painted once. For the flow: pip "
        "install 'jaxstyle[flow]'; for videos: 'jaxstyle[video]'. An .mp4 keeps a video's sound.",
        epilog="Example: jaxstyle video clip.mp4 painting.jpg -o painted.mp4 --size 512",
    )
    parser.add_argument(
        "frames", help="a folder of numbered pictures, or a clip: GIF, WebP, APNG, AVIF, or a video"
    )
    add_style_options(parser, parser, "as in stylize; several are blended")
    add_mask_options(parser, ". The same for all frames")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("video"),
        help="a folder for frame-000001.png and so on, or .mp4, .gif or .webp (default: video)",
    )
    parser.add_argument(
        "--steps-next",
        type=int,
        default=STEPS_NEXT,
        metavar="INT",
        help="steps of each frame that starts from the last one, whatever --steps is (default: "
        "%(default)s)",
    )
    parser.add_argument(
        "--levels-next",
        type=int,
        default=LEVELS_NEXT,
        metavar="INT",
        help="sizes that these are worked out at, whatever --levels is (default: %(default)s)",
    )
    parser.add_argument(
        "--fps",
        type=float,
        metavar="NUMBER",
        help="frames a second of the clip that is written; other than those of the clip that is "
        "read, all is faster or slower, and without sound (default: as it is; of a folder 25)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on after the last frame that an earlier run finished",
    )
    parser.add_argument("--json", action="store_true", help="print figures of each frame as JSON")
    parser.add_argument("--quiet", action="store_true", help="show nothing but errors")
    add_memory_option(parser)
    add_deterministic_option(parser)
    add_settings(parser, VIDEO)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Paint frame by frame; a clip is made of them in the end.

    Returns:
        The exit code: 0; 1 if the manifest could not be written; 130 if interrupted; what is
        finished stays for ``--resume``, and a clip is made of it.
    """
    settings, styles = given_settings(arguments), styles_from(arguments, "frames")
    if arguments.fps is not None and not 0 < arguments.fps <= 1000:
        raise InputError(f"--fps is {arguments.fps:g}: give a number above 0 and up to 1000")
    # Imported late: a wrong option or --help should not wait for Flax.
    from jaxstyle.cli.report.reporters import FrameReporter
    from jaxstyle.pipelines.optical_flow import opencv
    from jaxstyle.pipelines.video import stylize_video
    from jaxstyle.pipelines.video_files import read_frames
    from jaxstyle.runtime.compilation_cache import keep_compiled_programs

    begun()
    film = Film(arguments.output, arguments.resume)
    if film.folder.resolve() == Path(arguments.frames).resolve():
        raise InputError(f"{film.folder} holds the frames to be read: choose another -o")
    film.check([("the video", arguments.frames), *inputs_of(arguments, settings.get("init", ""))])
    source = read_frames(arguments.frames)
    left_out = film.take(source, arguments.fps)
    keep_compiled_programs(tell)
    with FrameReporter(quiet=arguments.quiet, count=source.count) as reporter:
        for line in (source.note, left_out, deterministic_note(arguments)):
            reporter.say(line)
        reporter.opening = network_note(settings)
        if opencv() is None:
            reporter.say(
                "no optical flow without OpenCV: each frame starts from the last one as it is "
                "(pip install 'jaxstyle[flow]')"
            )
        frames = stylize_video(
            source.each,
            styles,
            masks=arguments.masks,
            freeze=arguments.freeze,
            steps_next=arguments.steps_next,
            levels_next=arguments.levels_next,
            note={"command": command_line(settings.get("record", "names"))},
            max_memory=memory_from(arguments),
            callback=reporter,
            keep=film.keep,
            find=film.find,
            **settings,
        )
        done, interrupted = _painted(frames, reporter)
        if interrupted:
            reporter.say(f"{len(done)} frames in {film.folder}; go on with --resume")
            if film.is_clip and done:
                reporter.say(film.write_clip())
                reporter.say(f"{film.output}: those frames")
            return EXIT_CODE
        problem = film.finish(done)
        if problem:
            tell(problem)
        reporter.say(film.left_out)
        flickers = [frame.flicker for frame in done if not math.isnan(frame.flicker)]
        mean = sum(flickers) / len(flickers) if flickers else 0.0
        unsteady = f", {mean:.4f} from frame to frame" if flickers else ""
        reporter.say(f"{film.output}: {len(done)} frames{unsteady}")
    if arguments.json:
        figures = [_figures(frame) for frame in done]
        print(json.dumps({"output": str(film.output), "frames": figures}))
    return 1 if problem else 0


def _painted(frames: Iterable[Frame], reporter: FrameReporter) -> tuple[list[Frame], bool]:
    """The frames that are done, without their pictures, and whether Ctrl-C ended them."""
    done: list[Frame] = []
    try:
        for frame in frames:
            reporter.finished(frame)
            done.append(_without_pictures(frame))
    except KeyboardInterrupt:
        return done, True
    return done, False


class Film:
    """The frames of a video as files in a folder, and the clip that is made of them.

    Args:
        output: the folder, or the clip.
        resume: whether frames of an earlier run are taken, up to the first that does not fit.

    Raises:
        InputError: the output can be neither.
    """

    def __init__(self, output: Path, resume: bool) -> None:
        from jaxstyle.pipelines.video_files import check_clip

        self.output, self.resume = output, resume
        self.is_clip = output.suffix.lower() in CLIPS
        if self.is_clip:
            check_clip(output)
        elif output.suffix.lower() in FILE_ENDINGS and not output.is_dir():
            raise InputError(
                f"cannot write {output}: use {' '.join(CLIPS)}, or a folder for frames"
            )
        self.folder = output.with_name(f"{output.stem}-frames") if self.is_clip else output
        self.manifest = output / "video.json"
        if self.is_clip:
            self.manifest = output.with_name(f"{output.name}.json")
        self.seconds: list[float] = []
        self.plays, self.left_out = 0, ""
        self.sound: Sound | None = None
        self.paths: list[Path] = []
        self.records: list[str] = []
        self.earlier = self._frames()

    def check(self, inputs: Sequence[Named]) -> None:
        """Refuse to write over what is read, and a folder of other frames.

        A longer film would show through at the end.

        Raises:
            InputError: there are some, and ``--resume`` was not given; or an output is an input.
        """
        outputs: list[Named] = [("-o", self.manifest)]
        outputs += [("-o", self.output)] if self.is_clip else []
        check_overwriting(inputs, outputs, [Series("-o", self.folder, FRAME)])
        check_manifest(self.manifest, "video")
        if self.earlier and not self.resume:
            raise InputError(
                f"{self.folder} holds frames of an earlier run: go on with it by --resume, or "
                "remove it, or choose another -o"
            )

    def take(self, source: Frames, fps: float | None) -> str:
        """Get to know what is painted, and at how many frames a second it is to be shown.

        Returns:
            What of it is left out; empty if nothing is.
        """
        self.seconds, self.plays, self.sound = source.seconds_at(fps), source.plays, source.sound
        if source.sound is None:
            return ""
        if self.output.suffix.lower() != ".mp4":
            why = "an .mp4 would keep it"
        elif fps and source.fps and not math.isclose(fps, source.fps, rel_tol=1e-3):
            why = f"it would not fit {fps:g} frames a second instead of {source.fps:g}"
        else:
            return ""
        self.sound = None
        return f"the sound is left out: {why}"

    def find(self, index: int, job: Job) -> Any:
        """A frame that an earlier run has finished; see ``stylize_video``.

        Makes the folder: all inputs have been read by then.
        """
        from jaxstyle.run.record import record_of
        from jaxstyle.run.same_run import is_made

        ready_folder(self.folder)
        self.records.append(record_of(job))
        path = self._path(index)
        self.resume = self.resume and is_made(path, job)
        return self._taken(path) if self.resume else None

    def keep(self, index: int, result: Stylized) -> Any:
        """Write a frame, and read it again: what it has lost in 8 bits the next one never sees."""
        path = self._path(index)
        result.save(path)
        return self._taken(path)

    def write_clip(self) -> str:
        """Make the clip of the frames so far; gives what had to be left out."""
        from jaxstyle.pipelines.video_files import write_clip

        seconds, sound = self.seconds[: len(self.paths)], self.sound
        if sound is not None and len(seconds) < len(self.seconds):
            sound = sound._replace(end=sum(seconds))
        return write_clip(self.output, self.paths, seconds, plays=self.plays, sound=sound)

    def finish(self, frames: Sequence[Frame]) -> str:
        """Make the clip, take away what is of no use any more, and write the manifest.

        Returns:
            Why the manifest could not be written; empty if it could.

        Raises:
            InputError: the clip cannot be made.
        """
        manifest = self._manifest(frames)
        if self.is_clip:
            try:
                self.left_out = self.write_clip()
            except InputError as error:
                raise InputError(
                    f"{error}: all frames are in {self.folder}: --resume makes the clip of them"
                ) from None
            for path in self.paths:
                path.unlink(missing_ok=True)
            with suppress(OSError):  # there is something else in it
                self.folder.rmdir()
            manifest["sha256"] = sha256_of(self.output)
        self._remove_earlier()
        return write_manifest(self.manifest, manifest)

    def _manifest(self, frames: Sequence[Frame]) -> dict[str, Any]:
        """What made the frames, and a row for each."""
        inputs = [json.loads(record)["inputs"]["content"] for record in self.records]
        rows = [
            {
                "input": content["path"],
                "sha256": content["sha256"],
                "output": path.name,
                "output_sha256": sha256_of(path),
                "shown_for_seconds": seconds,
                **_figures(frame),
            }
            for content, path, seconds, frame in zip(
                inputs, self.paths, self.seconds, frames, strict=True
            )
        ]
        return {**head_of_many("video", self.records[0]), "frames": rows}

    def _remove_earlier(self) -> None:
        """Take away the frames of an earlier run that are not of this one."""
        from jaxstyle.run.same_run import record_in

        for path in set(self.earlier) - set(self.paths):
            record = record_in(path)
            if record is not None and "frame" in record.get("extra", {}):  # else it stays
                path.unlink(missing_ok=True)

    def _frames(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return [path for path in self.folder.iterdir() if re.fullmatch(FRAME, path.name)]

    def _path(self, index: int) -> Path:
        return self.folder / f"frame-{index + 1:06d}.png"

    def _taken(self, path: Path) -> Any:
        """Count a frame among those of the film, and read it."""
        from jaxstyle.images import load_image

        self.paths.append(path)
        return load_image(path, name="frame").rgb


def _without_pictures(frame: Frame) -> Frame:
    """A film fills the memory. (A view such as ``[:0]`` holds the whole.)"""
    import numpy as np

    nothing = np.zeros((0, 0, 3), np.float32)
    result = None if frame.result is None else replace(frame.result, image=nothing, alpha=None)
    return frame._replace(picture=nothing, result=result)


def _figures(frame: Frame) -> dict[str, Any]:
    result = frame.result
    return {
        "frame": frame.index + 1,
        "anew": frame.anew,
        "flicker": None if math.isnan(frame.flicker) else frame.flicker,
        "loss": None if result is None else result.loss,
        "steps": None if result is None else result.steps,
        "seconds": None if result is None else round(result.seconds, 3),
    }
