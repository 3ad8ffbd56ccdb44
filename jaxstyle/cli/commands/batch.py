"""``jaxstyle batch``: many pictures in the same style."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxstyle.cli.options.checkpoint import deterministic_note
from jaxstyle.cli.options.inputs import add_mask_options, left_out_notes
from jaxstyle.cli.options.limits import add_limit_options, limits_from
from jaxstyle.cli.options.outputs import check_folder, command_line, ready_folder
from jaxstyle.cli.options.overwrite_guard import Named, check_overwriting, inputs_of, inputs_of_job
from jaxstyle.cli.options.settings import add_settings, given_settings, network_note
from jaxstyle.cli.report.manifests import (
    check_manifest,
    head_of_many,
    sha256_of,
    write_manifest,
)
from jaxstyle.cli.report.messages import tell
from jaxstyle.errors import InputError, counted
from jaxstyle.runtime.interrupts import EXIT_CODE, begun

if TYPE_CHECKING:
    from jaxstyle.cli.report.reporters import GridReporter
    from jaxstyle.images.masks import Mask
    from jaxstyle.pipelines.batch import Entry
    from jaxstyle.pipelines.chunks import Limits
    from jaxstyle.run.result import Stylized


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "batch",
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
    limits = limits_from(arguments)
    # Imported late: a wrong option or --help should not wait for Flax.
    from jaxstyle.cli.report.reporters import GridReporter
    from jaxstyle.pipelines.batch import listed, prepare_many
    from jaxstyle.runtime.compilation_cache import keep_compiled_programs
    from jaxstyle.runtime.json_and_csv import json_text
    from jaxstyle.runtime.processes import gather, is_first

    begun()
    check_folder(arguments.output)
    keep_compiled_programs(tell)
    contents = listed(arguments.contents)
    # Of all processes, before the first one writes anything.
    painted = gather(painted_before(arguments.output))[0]
    sources = [one for one in contents if os.path.realpath(one) not in painted]
    if not sources:
        raise InputError(
            f"all pictures given are results of this command in {arguments.output}: name others, "
            "or another folder with -o"
        )
    entries = prepare_many(
        sources,
        arguments.styles,
        masks=arguments.masks,
        freeze=arguments.freeze,
        note={"command": command_line(settings.get("record", "names"))},
        max_memory=limits.max_memory,
        **settings,
    )
    batch = Batch(arguments.output, entries, arguments.format, painted, writes=is_first())
    batch.check(arguments)
    finished = batch.keep_finished() if arguments.resume else frozenset()
    with GridReporter(quiet=arguments.quiet or not batch.writes) as reporter:
        reporter.say(deterministic_note(arguments))
        if skipped := len(contents) - len(sources):
            reporter.say(f"left out {skipped} that this command has painted before")
        for line in left_out_notes(arguments):
            reporter.say(line)
        reporter.opening = network_note(settings)
        if finished:
            reporter.say(f"{len(finished)} of {len(entries)} are there already")
        interrupted = batch.paint(limits, reporter, finished)
    failures = batch.end()
    for line in failures:
        tell(line)
    if batch.writes:
        made = sum(row["message"] == "" for row in batch.rows)
        reporter.say(
            f"{arguments.output}: {made} of {counted(len(entries), 'picture')}"
            + ("; go on with --resume" if interrupted else "")
        )
        if arguments.json:
            print(json_text(batch.manifest(), ascii=True), end="")
    if interrupted:
        return EXIT_CODE
    return 1 if failures else 0


class Batch:
    """A folder of pictures, and ``manifest.json``, which says what has become of each so far.

    Args:
        ending: of the pictures, without a dot.
        painted: what is there of earlier runs, see ``painted_before``.
        writes: whether this process writes the files.

    Attributes:
        jobs: of the entries that have one, by their index.
        rows: one per picture; ``message`` is empty once it is finished.
    """

    WAITING = "not finished"

    def __init__(
        self,
        folder: Path,
        entries: Sequence[Entry],
        ending: str,
        painted: Mapping[str, str],
        writes: bool,
    ) -> None:
        from jaxstyle.run.record import record_of

        self.entries, self.writes = entries, writes
        self.path = folder / "manifest.json"
        self.outputs = [folder / f"{entry.name}.{ending}" for entry in entries]
        self.jobs = {
            index: entry.job
            for index, entry in enumerate(entries)
            if not isinstance(entry.job, InputError)
        }
        self.first_job = next(iter(self.jobs.values()))
        self.head = head_of_many("batch", record_of(self.first_job))
        self.rows = [self._row(index) for index in range(len(entries))]
        names = {os.path.basename(path): digest for path, digest in painted.items()}
        self.earlier = [
            {"output": name, "output_sha256": digest}
            for name, digest in names.items()
            if name not in {output.name for output in self.outputs}
        ]

    def _row(self, index: int) -> dict[str, Any]:
        entry, job = self.entries[index], self.jobs.get(index)
        row: dict[str, Any] = {"input": self._told(str(entry.source)), "sha256": "", "output": ""}
        if job is None:
            return {**row, "message": str(entry.job)}
        row["sha256"] = job.contents[0].picture.sha256
        row |= {"output": self.outputs[index].name, "message": self.WAITING}
        if job.regions:
            row["masks"] = [self._file_of(region.mask) for region in job.regions]
        if job.freeze is not None:
            row["freeze"] = self._file_of(job.freeze)
        return row

    def _file_of(self, mask: Mask) -> dict[str, str]:
        return {"path": self._told(mask.source), "sha256": mask.sha256}

    def _told(self, path: str) -> str:
        """A path as the manifest has it."""
        return path if self.first_job.config.record == "full" else os.path.basename(path)

    def check(self, arguments: argparse.Namespace) -> None:
        """Refuse to write over what is read, and make the folder.

        Raises:
            InputError: an output is an input, or nothing can be written.
        """
        from jaxstyle.images import check_writable

        inputs: list[Named] = [
            ("the content picture", entry.source)
            for entry in self.entries
            if isinstance(entry.source, str)
        ]
        inputs += inputs_of(arguments)
        for job in self.jobs.values():
            inputs += inputs_of_job(job)
        check_overwriting(inputs, [("-o", output) for output in (*self.outputs, self.path)])
        check_manifest(self.path, "batch")
        ready_folder(self.path.parent)
        check_writable(self.outputs[0], bits=self.first_job.config.bits)

    def keep_finished(self) -> frozenset[int]:
        """Keep the pictures that an earlier run has finished, as the first process sees them."""
        from jaxstyle.run.same_run import is_made
        from jaxstyle.runtime.processes import gather

        earlier = {str(row.get("output")): row for row in _rows_of(self.path, "files")}
        made = [index for index, job in self.jobs.items() if is_made(self.outputs[index], job)]
        finished = frozenset(gather(made)[0])
        for index in finished:
            row = self.rows[index]
            row |= {"message": "", "output_sha256": sha256_of(self.outputs[index])}
            figures = earlier.get(row["output"], {})
            if figures.get("sha256") == row["sha256"] and figures.get("message") == "":
                self.rows[index] = {**figures, **row}
        return finished

    def paint(self, limits: Limits, reporter: GridReporter, finished: frozenset[int]) -> bool:
        """Paint the others, and write each with the manifest when it is done.

        Returns:
            Whether Ctrl-C ended it.
        """
        from jaxstyle.pipelines.batch import run_many

        interrupted = False
        if self.writes:
            write_manifest(self.path, self.manifest())  # names what a killed run leaves
        try:
            for results in run_many(self.entries, limits, reporter, finished):
                for index, result in results.items():
                    interrupted |= self._take(index, result)
                if self.writes:
                    write_manifest(self.path, self.manifest())  # if it fails, so will the last
        except KeyboardInterrupt:  # while a program was compiled, or the second one
            interrupted = True
        return interrupted

    def _take(self, index: int, result: Stylized | InputError) -> bool:
        """Write what a picture has become; True if it was interrupted, and there is nothing."""
        row = self.rows[index]
        if not isinstance(result, InputError):
            if result.reason.cut_short:
                return True
            try:
                if self.writes:
                    result.save(self.outputs[index])
            except InputError as error:
                result = error
        if isinstance(result, InputError):
            row |= {"output": "", "message": str(result)}
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
            "output_sha256": sha256_of(self.outputs[index]) if self.writes else "",
            "message": "",
        }
        return False

    def end(self) -> list[str]:
        """Write the manifest; a line for every picture that has failed, and for the manifest."""
        if not self.writes:
            return []
        problem = write_manifest(self.path, self.manifest())
        failures = [
            f"{row['input']}: {' '.join(row['message'].split())}"
            for row in self.rows
            if row["message"] not in ("", self.WAITING)
        ]
        return [*failures, *filter(None, [problem])]

    def manifest(self) -> dict[str, Any]:
        """What the file holds."""
        earlier = {"earlier_files": self.earlier} if self.earlier else {}
        return {**self.head, "files": self.rows, **earlier}


def painted_before(folder: Path) -> dict[str, str]:
    """The pictures in a folder that its manifest names, and that still are what was painted.

    Returns:
        Real path -> SHA-256.
    """
    painted = {}
    for row in _rows_of(folder / "manifest.json", "files", "earlier_files"):
        name, digest = str(row.get("output")), row.get("output_sha256")
        is_ours = name == os.path.basename(name) and (folder / name).is_file()
        if is_ours and (now := sha256_of(folder / name)):
            # A run that was killed leaves files without a hash.
            if now == digest or (not digest and _has_record(folder / name)):
                painted[os.path.realpath(folder / name)] = now
    return painted


def _has_record(path: Path) -> bool:
    from jaxstyle.images import read_record

    try:
        return bool(read_record(path))
    except InputError:
        return False


def _rows_of(path: Path, *names: str) -> list[dict[str, Any]]:
    """The rows of a manifest that an earlier run has left, if it can be read."""
    from jaxstyle.runtime.json_schema import Each, misfit, read_json

    try:
        manifest = read_json(path)
    except ValueError:
        return []
    if misfit(manifest, {"files": Each(dict), "earlier_files?": Each(dict)}):
        return []
    return [row for name in names for row in manifest.get(name, [])]
