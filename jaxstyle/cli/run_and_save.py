"""Runs a prepared job, shows it and writes the result: what stylize, texture and replay share."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from jaxstyle.cli.options.checkpoint import checkpoint_from, deterministic_note, recorded_in
from jaxstyle.cli.options.inputs import left_out_notes
from jaxstyle.cli.options.outputs import command_line, preset_note
from jaxstyle.cli.options.overwrite_guard import (
    Named,
    Series,
    check_overwriting,
    inputs_of,
    inputs_of_job,
)
from jaxstyle.cli.options.preview import add_watch_options, preview_from
from jaxstyle.cli.options.settings import idle_settings
from jaxstyle.cli.report.messages import tell
from jaxstyle.cli.report.recorder import FILES, Recorder, add_recording_options, snapshot_names
from jaxstyle.cli.report.rescue import save_or_rescue
from jaxstyle.errors import counted
from jaxstyle.runtime.interrupts import EXIT_CODE

if TYPE_CHECKING:
    from jaxstyle.cli.report.reporters import Reporter
    from jaxstyle.display.progress import LevelProgress
    from jaxstyle.run.job import Job
    from jaxstyle.run.result import Stylized


CARD = "jaxstyle/network/weights/data/CARD.md"


def add_output_options(
    parser: argparse.ArgumentParser, *, required: bool, default: str = "CONTENT-STYLE.png"
) -> None:
    """Options on what is written and shown; they do not change the picture."""
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=required,
        help="where to write the result: .png, .jpg, .webp or .tif"
        + ("" if required else f" (default: {default})"),
    )
    parser.add_argument("--quiet", action="store_true", help="show nothing but errors")
    parser.add_argument("--json", action="store_true", help="print the result's figures as JSON")
    add_recording_options(parser)
    add_watch_options(parser)


def run_and_save(job: Job, output: Path, arguments: argparse.Namespace, note: str = "") -> int:
    """Run a job with its progress shown, and write what it gives.

    Returns:
        The exit code: 0; 1 if a file besides the picture could not be written; 130 if the run was
        interrupted (its picture is saved all the same).
    """
    from jaxstyle.cli.report.reporters import Reporter
    from jaxstyle.optimize.ending import Ending
    from jaxstyle.run.coarse_to_fine import run
    from jaxstyle.run.record import record_of
    from jaxstyle.run.replay import replayed, steps_of
    from jaxstyle.runtime.compilation_cache import keep_compiled_programs
    from jaxstyle.runtime.processes import is_first

    first = is_first()
    inputs = [*inputs_of_job(job), *_more_inputs(arguments)]
    check_overwriting(inputs, *_written_by(arguments, output))
    told = None if job.config.record == "none" else record_of(job)
    recorder = Recorder(arguments, output, steps_of(job), record=told, writes=first)
    keep_compiled_programs(tell)
    reporter = Reporter(quiet=arguments.quiet or not first)
    record = {"recording": recorder.note}
    checkpoint = checkpoint_from(arguments, output, reporter.say, record, recorder.files)
    missing = "" if checkpoint is None else recorder.go_on(*recorded_in(checkpoint.path))
    notes = note, preset_note(arguments, job.network), deterministic_note(arguments), missing
    notes = *notes, *left_out_notes(arguments)
    made = replace(job.config, levels=len(job.sizes))
    for line in [*_introduction(job), *notes, *idle_settings(made, job.is_masked)]:
        reporter.say(line)

    preview = preview_from(arguments, job, output) if first else None

    def show(event: LevelProgress) -> bool:
        recorder(event)
        reporter(event)
        return preview is not None and preview(event)

    with preview or nullcontext():
        with reporter:
            if "session" in job.note:
                result = replayed(job, show)
            else:
                result = run(job, show, checkpoint)
        if first:
            save_or_rescue(result.save, output, checkpoint)
        if checkpoint is not None and not result.reason.cut_short:
            checkpoint.remove()
        if preview is not None:
            preview.finish(result.image, f"saved to {output}")
    if first:
        # Of a run that was resumed, the command that began it.
        command = str(job.note.get("command") or command_line(job.config.record))
        for path in recorder.finish(result.image, command):
            reporter.say(str(path))
        _say_result(result, output, arguments, recorder, reporter)
    if result.reason is Ending.INTERRUPTED:
        return EXIT_CODE
    return 1 if recorder.problems else 0


def _more_inputs(arguments: argparse.Namespace) -> Iterator[Named]:
    """What is read besides what is of the job."""
    yield from ((what, path) for what, path in inputs_of(arguments) if what == "the settings file")
    if getattr(arguments, "picture", None) is not None:
        yield "the picture that is replayed", arguments.picture


def _written_by(arguments: argparse.Namespace, output: Path) -> tuple[list[Named], list[Series]]:
    """The files that a run of one picture leaves, alone and in series."""
    options = {
        f"--{name.replace('_', '-')}": getattr(arguments, name, None)
        for name in (*FILES, "checkpoint", "snapshots", "save_every")
    }
    series = [name for name in ("--snapshots", "--save-every") if options.pop(name)]
    files = [(name, path) for name, path in options.items() if path is not None]
    return [("-o", output), *files], [
        Series(name, output.parent, snapshot_names(output)) for name in series
    ]


def _say_result(
    result: Stylized,
    output: Path,
    arguments: argparse.Namespace,
    recorder: Recorder,
    reporter: Reporter,
) -> None:
    """Say what there is."""
    for line in recorder.problems[:1]:
        more = len(recorder.problems) - 1
        tell(line + (f"; and {more} more" if more else ""))
    width, height = result.image.shape[1::-1]
    in_time = not result.reason.cut_short and result.reason != "max_seconds"
    steps, early = counted(result.steps, "step"), "" if in_time else f" ({result.reason})"
    reporter.say(
        f"{output}: {width}x{height}, loss {result.loss:.4g} after {steps}, "
        f"{result.seconds:.1f} s{early}"
    )
    if arguments.json:
        json.dump(summary(result, output), sys.stdout, indent=2)
        print()


def summary(result: Stylized, output: Path) -> dict:
    """The figures of a result, for ``--json``."""
    return {
        "output": str(output),
        "width": result.image.shape[1],
        "height": result.image.shape[0],
        "loss": result.loss,
        "terms": result.terms,
        "steps": result.steps,
        "seconds": round(result.seconds, 3),
        "reason": result.reason,
        "config": result.config.as_dict(),
        "record": json.loads(result.record),
        "losses": result.losses,
    }


def _introduction(job: Job) -> Iterator[str]:
    """What a run says of itself before it begins."""
    config, source = job.config, job.network.source
    assert config.content_weight is not None and config.style_weight is not None
    yield f"network: {source.replace('CARD.md', CARD)}"  # the file of weights names no folder
    if source.startswith("vgg19-slim"):
        yield (
            "  the small network that comes with jaxstyle; `jaxstyle convert-weights` gets the "
            "real VGG-19"
        )
    yield (
        f"convention {config.convention}: content weight {config.content_weight:g}, "
        f"style weight {config.style_weight:g}, tv weight {config.tv_weight:g}"
    )
    yield f"strategy {job.plan}"
    if config.levels > len(job.sizes):
        yield (
            f"--levels {config.levels}: {counted(len(job.sizes), 'level')} of it, for at a smaller "
            "size the deepest layer would see too little: a larger --size allows more"
        )
    if config.convention == "paper" and config.content_weight >= 1e-6 * config.style_weight:
        yield (
            "  in the paper's printed formulas a ratio like 1e-3 leaves the content nearly as it "
            "was; what it calls 1e-3 is about 2.4e-10 here (see the README)"
        )
