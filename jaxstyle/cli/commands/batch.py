"""``jaxstyle batch``: many pictures in the same style."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxstyle.cli.options.checkpoint import deterministic_note
from jaxstyle.cli.options.inputs import add_mask_options
from jaxstyle.cli.options.limits import add_limit_options, limits_from
from jaxstyle.cli.options.outputs import check_folder, command_line, ready_folder
from jaxstyle.cli.options.overwrite_guard import Named, check_overwriting, inputs_of, inputs_of_job
from jaxstyle.cli.options.settings import add_settings, given_settings
from jaxstyle.cli.report.manifests import head_of, sha256_of
from jaxstyle.config.stylize_config import config_from
from jaxstyle.errors import InputError
from jaxstyle.runtime.interrupts import EXIT_CODE, begun

if TYPE_CHECKING:
    from jaxstyle.images.masks import Mask
    from jaxstyle.pipelines.batch import Entry
    from jaxstyle.run.result import Stylized

MANIFEST = "manifest.json"


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "batch",
        help="many pictures in the same style",
        description="Paint many pictures in the same style, with the same settings. Pictures of "
        "one shape are one program and run together, spread over all devices. A picture that "
        "cannot be read or used does not stop the others, and is listed at the end. Leaves a "
        "folder of pictures and manifest.json, with all settings, hashes and losses.",
        epilog="Example: jaxstyle batch photos/ --style painting.jpg -o painted/ --size 512. "
        "--max-seconds is for all pictures of one shape together.",
    )
    parser.add_argument("contents", nargs="+", help="pictures, folders, patterns")
    parser.add_argument(
        "--style",
        dest="styles",
        nargs="+",
        action="extend",
        required=True,
        metavar="STYLE",
        help="as in stylize; several are blended: --style a.jpg:0.7 b.jpg:0.3",
    )
    add_mask_options(
        parser,
        ". The same for all pictures, which must have its shape; or a folder with a mask for each, "
        "of the picture's name",
    )
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("batch"), help="the folder (default: batch)"
    )
    parser.add_argument(
        "--format",
        choices=("png", "jpg", "webp", "tif"),
        default="png",
        help="of the results (default: %(default)s)",
    )
    parser.add_argument(
        "--resume", action="store_true", help="keep what an earlier run finished in the folder"
    )
    parser.add_argument("--json", action="store_true", help="print the manifest")
    parser.add_argument("--quiet", action="store_true", help="show nothing but errors")
    add_limit_options(parser)
    add_settings(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Paint all, write each when it is finished.

    Returns:
        The exit code: 0; 1 if a picture or the manifest has failed; 130 if interrupted.
    """
    settings = given_settings(arguments)
    config_from(settings)  # a wrong setting is refused at once
    limits = limits_from(arguments)
    # Imported late: a wrong option or --help should not wait for Flax.
    from jaxstyle.cli.report.reporters import GridReporter
    from jaxstyle.pipelines.batch import prepare_many, run_many
    from jaxstyle.run.same_run import is_made
    from jaxstyle.runtime.compilation_cache import keep_compiled_programs
    from jaxstyle.runtime.processes import gather, is_first

    begun()
    check_folder(arguments.output)
    keep_compiled_programs()
    command = command_line()
    entries = prepare_many(
        arguments.contents,
        arguments.styles,
        masks=arguments.masks,
        freeze=arguments.freeze,
        note={"command": command},
        max_memory=limits.max_memory,
        **settings,
    )
    outputs = [arguments.output / f"{entry.name}.{arguments.format}" for entry in entries]
    _check_inputs(arguments, entries, outputs)
    ready_folder(arguments.output)
    _check_writable(entries, outputs[0])
    manifest = Manifest(arguments.output, entries, outputs, command)
    made = [
        index
        for index, entry in enumerate(entries)
        if arguments.resume
        and not isinstance(entry.job, InputError)
        and is_made(outputs[index], entry.job)
    ]
    skip = frozenset(gather(made)[0])
    for index in skip:
        manifest.keep(index)
    interrupted, writes = False, is_first()
    with GridReporter(quiet=arguments.quiet or not writes) as reporter:
        if note := deterministic_note(arguments):
            reporter.say(note)
        if skip:
            reporter.say(f"{len(skip)} of {len(entries)} are there already")
        try:
            for results in run_many(entries, limits, reporter, skip):
                for index, result in results.items():
                    interrupted |= manifest.take(index, result, writes)
                if writes:
                    manifest.write()
        except KeyboardInterrupt:  # while a program was compiled, or the second one
            interrupted = True
    if not writes:
        return EXIT_CODE if interrupted else 0
    manifest.write()
    failures = manifest.failures()
    lost = manifest.problem
    for line in [*failures, *filter(None, [lost])]:
        print(line, file=sys.stderr)
    waiting = sum(row["message"] == Manifest.WAITING for row in manifest.rows)
    reporter.say(
        f"{arguments.output}: {len(entries) - len(failures) - waiting} of {len(entries)} pictures"
        + ("; go on with --resume" if interrupted else "")
    )
    if arguments.json:
        print(manifest.text(), end="")
    if interrupted:
        return EXIT_CODE
    return 1 if failures or lost else 0


class Manifest:
    """What a batch has made so far, as ``manifest.json``.

    Attributes:
        rows: one per picture; ``message`` is empty once it is finished.
        problem: why the file could not be written the last time; empty if it could.
    """

    WAITING = "not finished"

    def __init__(
        self, folder: Path, entries: Sequence[Entry], outputs: Sequence[Path], command: str
    ) -> None:
        from jaxstyle.run.record import record_of

        self.problem = ""
        self.path, self.outputs = folder / MANIFEST, outputs
        before = _rows_of(self.path)
        self.before = {row.get("output"): row for row in before if isinstance(row, dict)}
        self.rows: list[dict[str, Any]] = []
        job = next(entry.job for entry in entries if not isinstance(entry.job, InputError))
        record = record_of(job)
        self.head = head_of("batch", command, [record])
        self.head["settings"] = json.loads(record)["config"]
        self.head.pop("content", None)  # each row has its own
        for entry, output in zip(entries, outputs, strict=True):
            row: dict[str, Any] = {"input": str(entry.source), "sha256": "", "output": output.name}
            row["message"] = self.WAITING
            if isinstance(entry.job, InputError):
                row |= {"output": "", "message": str(entry.job)}
            else:
                row["sha256"] = entry.job.contents[0].picture.sha256
                if masks := [_told(region.mask) for region in entry.job.regions]:
                    row["masks"] = masks
                if entry.job.freeze is not None:
                    row["freeze"] = _told(entry.job.freeze)
            self.rows.append(row)

    def keep(self, index: int) -> None:
        """Note a picture that an earlier run has made."""
        row = self.rows[index]
        old = self.before.get(row["output"], {})
        same = old.get("sha256") == row["sha256"] and old.get("message") == ""
        self.rows[index] = {**(old if same else {}), **row, "message": ""}
        self.rows[index]["output_sha256"] = sha256_of(self.outputs[index])

    def take(self, index: int, result: Stylized | InputError, writes: bool) -> bool:
        """Write what a picture has become.

        Returns:
            Whether it was interrupted, and has nothing to be written.
        """
        from jaxstyle.optimize.ending import Ending

        row = self.rows[index]
        if isinstance(result, InputError):
            row |= {"output": "", "message": str(result)}
            return False
        if result.reason is Ending.INTERRUPTED:
            return True
        try:
            if writes:
                result.save(self.outputs[index])
        except InputError as error:
            row |= {"output": "", "message": str(error)}
            return False
        height, width = result.image.shape[:2]
        row |= {
            "width": width,
            "height": height,
            "loss": result.loss,
            "terms": result.terms,
            "steps": result.steps,
            "seconds": round(result.seconds, 3),
            "reason": result.reason,
            "losses": [losses[-1] for losses in result.losses],  # where each level ended
            "output_sha256": sha256_of(self.outputs[index]) if writes else "",
            "message": "",
        }
        return False

    def write(self) -> None:
        """Write the file; where that fails the pictures go on, and ``problem`` says so."""
        from jaxstyle.display.figures import write_json

        try:
            write_json(self.path, {**self.head, "files": self.rows})
            self.problem = ""
        except InputError as error:
            self.problem = str(error)

    def text(self) -> str:
        """What the file holds."""
        from jaxstyle.runtime.json_and_csv import json_text

        return json_text({**self.head, "files": self.rows})

    def failures(self) -> list[str]:
        """A line for every picture that has failed."""
        return [
            f"{row['input']}: {' '.join(row['message'].split())}"
            for row in self.rows
            if row["message"] not in ("", self.WAITING)
        ]


def _told(mask: Mask) -> dict[str, str]:
    return {"path": mask.source, "sha256": mask.sha256}


def _rows_of(path: Path) -> list[Any]:
    """The rows of a manifest that an earlier run has left, if it can be read."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []
    return rows if isinstance(rows, list) else []


def _check_inputs(
    arguments: argparse.Namespace, entries: Sequence[Entry], outputs: Sequence[Path]
) -> None:
    """Refuse to write over what is read."""
    inputs: list[Named] = [
        ("the content picture", entry.source) for entry in entries if isinstance(entry.source, str)
    ]
    inputs += [(what, path) for what, path in inputs_of(arguments) if "content" not in what]
    jobs = [entry.job for entry in entries if not isinstance(entry.job, InputError)]
    inputs += inputs_of_job(jobs[0])
    for job in jobs:  # masks may be of each picture
        inputs += [("a mask", region.mask.source) for region in job.regions]
        inputs += [("the freeze mask", job.freeze.source)] if job.freeze is not None else []
    manifest = arguments.output / MANIFEST
    check_overwriting(inputs, [("-o", output) for output in (*outputs, manifest)])


def _check_writable(entries: Sequence[Entry], output: Path) -> None:
    """Find out early whether anything can be written."""
    from jaxstyle.images import check_writable

    job = next(entry.job for entry in entries if not isinstance(entry.job, InputError))
    check_writable(output, bits=job.config.bits)
