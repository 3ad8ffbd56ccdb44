"""``jaxstyle video``: the frames of a video in the style of a picture, without flicker."""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxstyle.cli.options.checkpoint import add_deterministic_option, deterministic_note
from jaxstyle.cli.options.inputs import add_mask_options
from jaxstyle.cli.options.limits import add_memory_option, memory_from
from jaxstyle.cli.options.outputs import FILE_ENDINGS, command_line, ready_folder
from jaxstyle.cli.options.overwrite_guard import Named, Series, check_overwriting, inputs_of
from jaxstyle.cli.options.settings import add_settings, given_settings
from jaxstyle.cli.report.manifests import head_of, sha256_of
from jaxstyle.config.command_defaults import CLIPS, LEVELS_NEXT, STEPS_NEXT, VIDEO
from jaxstyle.config.stylize_config import config_from
from jaxstyle.errors import InputError
from jaxstyle.runtime.interrupts import EXIT_CODE, begun

if TYPE_CHECKING:
    from jaxstyle.pipelines.video import Frame
    from jaxstyle.run.job import Job
    from jaxstyle.run.result import Stylized

DEFAULT_FPS = 25.0
MANIFEST = "video.json"
FRAME = r"frame-\d{6,}\.png"


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "video",
        help="the frames of a video, each from the last",
        description="Paint the frames of a video. The first one is worked out as by stylize; each "
        "other one starts from the last result, moved by optical flow, and is held there by a "
        "temporal loss wherever the flow can be trusted (Ruder et al. 2016). For the flow: pip "
        "install 'jaxstyle[flow]'; for clips: 'jaxstyle[video]'. Sound is left out.",
        epilog="Example: jaxstyle video clip.mp4 painting.jpg -o painted.mp4 --size 512",
    )
    parser.add_argument("frames", help="a folder of numbered pictures, or a clip")
    parser.add_argument("style", nargs="*", help="as in stylize; several are blended")
    parser.add_argument(
        "--style",
        dest="more_styles",
        nargs="+",
        action="extend",
        default=[],
        metavar="STYLE",
        help="styles, as above: --style a.jpg:0.7 b.jpg:0.3",
    )
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
        help="steps of all frames that start from the last one (default: %(default)s)",
    )
    parser.add_argument(
        "--levels-next",
        type=int,
        default=LEVELS_NEXT,
        metavar="INT",
        help="sizes that these are worked out at (default: %(default)s)",
    )
    parser.add_argument(
        "--fps",
        type=float,
        metavar="NUMBER",
        help="of the clip that is written (default: as the clip that is read, else 25)",
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
    settings = given_settings(arguments)
    config_from(settings)  # a wrong setting is refused at once
    styles = [*arguments.style, *arguments.more_styles]
    if not styles:
        raise InputError("no style picture is given: name one after the frames, or by --style")
    if arguments.fps is not None and not 0 < arguments.fps <= 1000:
        raise InputError(f"--fps is {arguments.fps:g}: give a number above 0 and up to 1000")
    # Imported late: a wrong option or --help should not wait for Flax.
    from jaxstyle.cli.report.reporters import FrameReporter
    from jaxstyle.display.figures import write_json
    from jaxstyle.pipelines.optical_flow import opencv
    from jaxstyle.pipelines.video import stylize_video
    from jaxstyle.pipelines.video_files import check_clip, read_frames, write_clip
    from jaxstyle.runtime.compilation_cache import keep_compiled_programs

    begun()
    output, clip = arguments.output, arguments.output.suffix.lower() in CLIPS
    if clip:
        check_clip(output)
    elif output.suffix.lower() in FILE_ENDINGS and not output.is_dir():
        raise InputError(f"cannot write {output}: use {' '.join(CLIPS)}, or a folder for frames")
    store = Store(output.with_name(f"{output.stem}-frames") if clip else output, arguments.resume)
    if store.folder.resolve() == Path(arguments.frames).resolve():
        raise InputError(f"{store.folder} holds the frames to be read: choose another -o")
    source = read_frames(arguments.frames)
    manifest = output.with_name(f"{output.name}.json") if clip else output / MANIFEST
    read: list[Named] = [("the video", arguments.frames)]
    read += inputs_of(arguments, settings.get("init", ""))
    written: list[Named] = [("-o", manifest), *([("-o", output)] if clip else [])]
    check_overwriting(read, written, [Series("-o", store.folder, FRAME)])
    store.check()
    keep_compiled_programs()
    with FrameReporter(quiet=arguments.quiet, count=source.count) as reporter:
        if note := deterministic_note(arguments):
            reporter.say(note)
        if opencv() is None:
            reporter.say(
                "no optical flow without OpenCV: each frame starts from the last one as it is "
                "(pip install 'jaxstyle[flow]')"
            )
        done: list[Frame] = []
        unwritten = False
        try:
            for frame in stylize_video(
                source.each,
                styles,
                masks=arguments.masks,
                freeze=arguments.freeze,
                steps_next=arguments.steps_next,
                levels_next=arguments.levels_next,
                note={"command": command_line()},
                max_memory=memory_from(arguments),
                callback=reporter,
                keep=store.keep,
                find=store.find,
                **settings,
            ):
                reporter.finished(frame)
                done.append(_light(frame))
        except KeyboardInterrupt:
            reporter.say(f"{len(done)} frames in {store.folder}; go on with --resume")
            if clip and done:
                write_clip(output, store.paths, arguments.fps or source.fps or DEFAULT_FPS)
                reporter.say(f"{output}: those frames")
            return EXIT_CODE
        if not done:
            raise InputError(f"{arguments.frames} has no frames")
        described = store.described(done)
        if clip:
            try:
                write_clip(output, store.paths, arguments.fps or source.fps or DEFAULT_FPS)
            except InputError as error:
                raise InputError(
                    f"{error}: all frames are in {store.folder}: --resume makes the clip of them"
                ) from None
            store.remove()
            described["sha256"] = sha256_of(output)
        store.remove_rest()
        try:
            write_json(manifest, described)
        except InputError as error:  # the frames are there all the same
            print(error, file=sys.stderr)
            unwritten = True
        unsteady = [frame.flicker for frame in done if not math.isnan(frame.flicker)]
        told = f", {np.mean(unsteady):.4f} from frame to frame" if unsteady else ""
        reporter.say(f"{output}: {len(done)} frames{told}")
    if arguments.json:
        json.dump({"output": str(output), "frames": [_figures(f) for f in done]}, sys.stdout)
        print()
    return 1 if unwritten else 0


@dataclass
class Store:
    """The frames that are finished, as files.

    Attributes:
        resume: whether those of an earlier run are taken; up to the first one that does not fit.
    """

    folder: Path
    resume: bool

    def __post_init__(self) -> None:
        self.paths: list[Path] = []
        self.records: list[str] = []
        self.rest = self._frames() if self.resume else []

    def check(self) -> None:
        """Refuse a folder of other frames: a longer film would show through at the end.

        Raises:
            InputError: there are some, and ``--resume`` was not given.
        """
        if not self.resume and self._frames():
            raise InputError(
                f"{self.folder} holds frames of an earlier run: go on with it by --resume, or "
                "remove it, or choose another -o"
            )

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
        if not self.resume:
            return None
        self.paths.append(path)
        return _read(path)

    def keep(self, index: int, result: Stylized) -> Any:
        """Write a frame, and read it again: what it has lost in 8 bits the next one never sees."""
        path = self._path(index)
        result.save(path)
        self.paths.append(path)
        return _read(path)

    def described(self, frames: Sequence[Frame]) -> dict[str, Any]:
        """The manifest: what made the frames, and a row for each."""
        records = [json.loads(record) for record in self.records]
        found = head_of("video", command_line(), self.records[:1])
        found.pop("content", None)
        found["settings"] = records[0]["config"]
        found["frames"] = [
            {
                "input": record["inputs"]["content"]["path"],
                "sha256": record["inputs"]["content"]["sha256"],
                "output": path.name,
                "output_sha256": sha256_of(path),
                **_figures(frame),
            }
            for record, path, frame in zip(records, self.paths, frames, strict=True)
        ]
        return found

    def remove_rest(self) -> None:
        """Take away the frames of an earlier run that are not of this one."""
        from jaxstyle.images import read_record

        for path in set(self.rest) - set(self.paths):
            with suppress(OSError, ValueError, KeyError, TypeError):  # not of jaxstyle: it stays
                if "frame" in json.loads(read_record(path))["extra"]:
                    path.unlink(missing_ok=True)

    def _frames(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return [path for path in self.folder.iterdir() if re.fullmatch(FRAME, path.name)]

    def remove(self) -> None:
        """Take away the frames, which are in a clip now."""
        for path in self.paths:
            path.unlink(missing_ok=True)
        with suppress(OSError):  # there is something else in it
            self.folder.rmdir()

    def _path(self, index: int) -> Path:
        return self.folder / f"frame-{index + 1:06d}.png"


def _read(path: Path) -> Any:
    from jaxstyle.images import load_image

    return load_image(path, name="frame").rgb


def _light(frame: Frame) -> Frame:
    """Without its pictures: a film fills the memory. (A view such as ``[:0]`` holds the whole.)"""
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
