"""What a run leaves besides its result: snapshots, a strip, an animation, the loss curve."""

from __future__ import annotations

import argparse
import io
import itertools
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxstyle.cli.options.recorded_paths import seen_from
from jaxstyle.errors import InputError
from jaxstyle.runtime.json_schema import Each

if TYPE_CHECKING:
    import numpy as np

    from jaxstyle.display.progress import LevelProgress

MOST_SNAPSHOTS = 500
FILES = ("strip", "animation", "loss_plot")
OPTIONS = ("save_every", "snapshots", *FILES)
CURVES = ("content", "style", "tv", "total", "other")
NOTE = {
    "options?": {"save_every?": int, **{f"{name}?": (str, None) for name in ("snapshots", *FILES)}},
    "curves?": {f"{name}?": Each(float) for name in CURVES},
    "breaks?": Each(int),
}
"""The schema of ``Recorder.note``."""


def add_recording_options(parser: argparse.ArgumentParser) -> None:
    """Options for what is kept of the way to the result."""
    group = parser.add_argument_group("on the way")
    group.add_argument(
        "--save-every", type=int, default=0, metavar="K", help="write every K-th step too"
    )
    group.add_argument(
        "--snapshots",
        metavar="STEPS",
        help="write these steps too, counted over all levels, such as 1,2,5,10,20,50 "
        "(default with --strip or --animation: 1,2,5,10,20,50,100 ...)",
    )
    for option, words in (
        ("--strip", "the snapshots side by side, labelled"),
        (
            "--animation",
            "the snapshots as .gif, .webp or .mp4 (for mp4: pip install 'jaxstyle[video]')",
        ),
        (
            "--loss-plot",
            "the loss by term over the steps, .png, .svg or .pdf (pip install 'jaxstyle[plot]')",
        ),
    ):
        group.add_argument(option, type=Path, metavar="FILE", help=words)


def one_two_five(most: int) -> list[int]:
    """1, 2, 5, 10, 20, 50 ... up to a number, and that number itself."""
    series = (digit * 10**power for power in itertools.count() for digit in (1, 2, 5))
    return [*itertools.takewhile(lambda step: step < most, series), most]


def parse_steps(text: str) -> list[int]:
    """Read ``1,2,5``.

    Raises:
        InputError: not whole numbers of at least 1, or too many.
    """
    try:
        steps = sorted({int(part) for part in text.split(",")})
    except ValueError:
        steps = []
    if not steps or steps[0] < 1 or len(steps) > MOST_SNAPSHOTS:
        raise InputError(
            f"--snapshots is {text!r}: give up to {MOST_SNAPSHOTS} whole numbers from 1 up, "
            "such as 1,2,5,10"
        )
    return steps


def take_options(
    arguments: argparse.Namespace, kept: Mapping[str, Any], path_of: Callable[[str, str], Path]
) -> list[str]:
    """Set the options that are not given to those that a run was begun with.

    Args:
        kept: ``Recorder.note`` of that run.
        path_of: gives where to write, for what the note names and the option's name.

    Returns:
        The options that were set.
    """
    taken = []
    for name in OPTIONS:
        value = kept.get("options", {}).get(name)
        if value and not getattr(arguments, name):
            option = f"--{name.replace('_', '-')}"
            setattr(arguments, name, path_of(value, option) if name in FILES else value)
            taken.append(name)
    return taken


class Recorder:
    """A callback for ``run`` that keeps what the options ask for.

    Args:
        output: names the snapshots: out.png gives out-00050.png.
        steps: of the whole run, over all levels.
        record: of the run, for what is written of it; None for none.
        writes: False in all but one of several processes: they keep pace, and write nothing.

    Attributes:
        note: JSON values, always up to date, from which another recorder can go on,
        files: and the frames that go with them, as PNG.
        problems: why files could not be written.

    Raises:
        InputError: an option that makes no sense, or a file that cannot be written.
    """

    def __init__(
        self,
        arguments: argparse.Namespace,
        output: Path,
        steps: int,
        *,
        record: str | None = None,
        writes: bool = True,
    ) -> None:
        self.options, self.output, self.writes = arguments, output, writes
        self.record = record
        _check(arguments)
        self.written = [] if arguments.snapshots is None else parse_steps(arguments.snapshots)
        self.keeps_frames = arguments.strip is not None or arguments.animation is not None
        self.shown = set(self.written or (one_two_five(steps) if self.keeps_frames else []))
        self.frames: list[tuple[int, np.ndarray]] = []
        self.curves: dict[str, list[float]] = {name: [] for name in CURVES}
        self.breaks: list[int] = []
        self.last_step = 0
        self.problems: list[str] = []
        options = {name: getattr(arguments, name) for name in OPTIONS}
        if (checkpoint := getattr(arguments, "checkpoint", None)) is not None:
            options |= {
                name: seen_from(checkpoint, options[name]) for name in FILES if options[name]
            }
        self.note = {"options": options, "curves": self.curves, "breaks": self.breaks}
        self.files: dict[str, bytes] = {}

    def go_on(self, kept: Mapping[str, Any], files: Mapping[str, bytes], done: int) -> str:
        """Take over what a run has recorded that was cut off.

        Args:
            kept, files: its ``note`` and ``files``, empty if there are none.
            done: steps that it had made.

        Returns:
            What is missing, in one line; empty if nothing is.
        """
        self.last_step = done
        for name, curve in self.curves.items():
            curve.extend(kept.get("curves", {}).get(name, []))
        self.breaks.extend(kept.get("breaks", []))
        cut_curves = self.options.loss_plot and len(self.curves["total"]) < done
        missing = ["--loss-plot"] if cut_curves else []
        if self.keeps_frames:
            for step in sorted(self.shown):
                if (content := files.get(_frame_name(step))) is not None:
                    self.files[_frame_name(step)] = content
                    self.frames.append((step, _picture(content)))
            if any(step <= done and _frame_name(step) not in files for step in self.shown):
                missing += [f"--{name}" for name in FILES[:2] if getattr(self.options, name)]
        if not missing:
            return ""
        return f"{' and '.join(missing)}: what was before step {done} was not kept, and is missing"

    def __call__(self, event: LevelProgress) -> None:
        """Keep one step."""
        step, terms = event.total_step, event.progress.terms
        # Not counted by steps: a run that goes on from a checkpoint has some before the first.
        if event.step == 1 and self.curves["total"]:
            self.breaks.append(len(self.curves["total"]))
        self.last_step = step
        values = terms.content, terms.style, terms.tv, event.progress.value, terms.other
        for curve, value in zip(self.curves.values(), values, strict=True):
            curve.append(float(value))
        every = self.options.save_every
        wanted = step in self.written or (every and step % every == 0)
        if not wanted and step not in self.shown:
            return
        picture = event.progress.current().clip(0, 1)
        if wanted and self.writes:
            self._write(step, picture)
        if step in self.shown and self.keeps_frames:
            self.frames.append((step, picture))
            self.files[_frame_name(step)] = _png(picture)

    def finish(self, image: np.ndarray, caption: str) -> list[Path]:
        """Write strip, animation and plot.

        Args:
            image: the result, which is the last frame.
            caption: of the strip.

        Returns:
            What was written.
        """
        from jaxstyle.display.figures import save_animation, save_loss_plot, strip
        from jaxstyle.images import resize, save_image

        height, width = image.shape[:2]
        # A snapshot of the last step is the result, but for colours matched at the end.
        before = [(step, frame) for step, frame in self.frames if step < self.last_step]
        labels = [*(f"step {step}" for step, _ in before), "result"]
        pictures = [*(resize(frame, width, height) for _, frame in before), image]

        def save_strip(path: Path) -> None:
            columns = len(labels) if len(labels) <= 6 else -(-len(labels) // 2)
            sheet = strip(pictures, labels, caption=caption, side=320, columns=min(columns, 8))
            save_image(path, sheet, quality=88, record=self._record_at(self.last_step))

        savers: dict[str, Callable[[Path], None]] = {
            "strip": save_strip,
            "animation": lambda path: save_animation(path, pictures),
            "loss_plot": lambda path: save_loss_plot(path, self.curves, breaks=self.breaks),
        }
        paths = {name: getattr(self.options, name) for name in FILES}
        return [path for name, path in paths.items() if path and self._saved(savers[name], path)]

    def _write(self, step: int, picture: np.ndarray) -> None:
        from jaxstyle.images import save_image

        name = f"{self.output.stem}-{step:05d}{self.output.suffix}"
        record = self._record_at(step)
        path = self.output.with_name(name)
        self._saved(lambda path: save_image(path, picture, record=record), path)

    def _record_at(self, step: int) -> str | None:
        """The record of the run, with the step that a picture shows."""
        if self.record is None:
            return None
        record = json.loads(self.record)
        return json.dumps({**record, "extra": {**record["extra"], "step": step}}, sort_keys=True)

    def _saved(self, save: Callable[[Path], None], path: Path) -> bool:
        """Write a file; a full disk is no reason to lose the run."""
        try:
            save(path)
        except InputError as error:
            self.problems.append(str(error))
            return False
        return True


def snapshot_names(output: Path) -> str:
    """A pattern, a regular expression, of what the snapshots of a result are called."""
    return rf"{re.escape(output.stem)}-\d{{5,}}{re.escape(output.suffix)}"


def _frame_name(step: int) -> str:
    return f"frame-{step:05d}.png"


def _png(picture: np.ndarray) -> bytes:
    """A picture in 8 bits."""
    import numpy as np
    from PIL import Image

    file = io.BytesIO()
    pixels = np.rint(picture * 255).astype(np.uint8)
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _picture(png: bytes) -> np.ndarray:
    from jaxstyle.images import as_picture
    from jaxstyle.images.pillow import MAX_PIXELS, open_image, pillow_settings

    try:
        with pillow_settings(MAX_PIXELS), open_image(io.BytesIO(png)) as image:
            return as_picture(image).rgb
    except Exception:  # decoders raise anything there is on damaged files
        raise InputError(
            "a snapshot in the checkpoint is damaged: remove it to start anew"
        ) from None


def _check(arguments: argparse.Namespace) -> None:
    """Refuse, before the run, what could not be written after it."""
    from jaxstyle.display.figures import check_animation_path, check_plot_path
    from jaxstyle.images import check_writable

    if arguments.save_every < 0:
        raise InputError(f"--save-every is {arguments.save_every}; it must be at least 0")
    checks = check_writable, check_animation_path, check_plot_path
    for name, check in zip(FILES, checks, strict=True):
        if getattr(arguments, name) is not None:
            check(getattr(arguments, name))
