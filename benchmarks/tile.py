"""Tile by tile against the whole picture, and pictures of which the whole would not fit."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from section import Row, Section, verdict
from section_memory import run_of
from workers import Limit, WorkerLate, answer

from jaxstyle.display.figures import strip
from jaxstyle.images import save_image

EXACT = 1e-5
"""Largest difference of the gradient, relative to its largest value."""
NUDGE = 1e-7
"""What a start is changed by to see what rounding alone makes of a run."""
MOST_BYTES, CONSTANT_BYTES = 6e9, 1e9
"""Wanted of the large pictures; of it, what goes with no size, for smaller ones in a trial."""
AMPLIFIED = 100
LARGE_SIZE = 8192, 6144


class Case(NamedTuple):
    net: str
    width: int
    height: int
    tile: int
    precision: str = "high"


class Large(NamedTuple):
    net: str
    optimizer: str
    settings: dict[str, Any]
    """Of the run; ``strategy`` auto: the planner takes what fits into ``MOST_BYTES``."""


CASES = (
    Case("slim", 1024, 768, 512),
    Case("slim", 1024, 768, 384),
    Case("slim", 1001, 701, 512),
    Case("full", 512, 384, 256),
    Case("full", 501, 381, 256),
    Case("full", 501, 381, 256, "highest"),
)
LARGE = (
    Large("slim", "adam", {}),
    Large("slim", "lbfgs", {}),
    Large("full", "adam", {"tile": 768, "style_scale": 0.25}),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cases",
        nargs="*",
        type=int,
        default=list(range(1, len(CASES) + 1)),
        help="which of the comparisons, from 1 (default: all)",
    )
    parser.add_argument(
        "--scale", type=float, default=1.0, help="of all sides, for a trial (default: 1)"
    )
    parser.add_argument(
        "--steps", type=int, default=10, help="of Adam, for the pictures' difference (default: 10)"
    )
    parser.add_argument(
        "--large",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="also 50 megapixels, for hours (default: yes)",
    )
    parser.add_argument(
        "--large-only",
        nargs="+",
        type=int,
        choices=range(1, len(LARGE) + 1),
        help="which of the large pictures, and nothing else: 1 slim Adam, 2 slim L-BFGS, 3 full",
    )
    parser.add_argument(
        "--large-size",
        nargs=2,
        type=int,
        default=list(LARGE_SIZE),
        metavar=("WIDTH", "HEIGHT"),
        help="of the large pictures; the memory allowed goes with it (default: 8192 6144)",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=150.0,
        help="for each large picture; where they are up, its row says how far it came "
        "(default: 150)",
    )
    parser.add_argument(
        "--picture",
        type=Path,
        help="write whole, tiled and their difference after --steps of case 1 there",
    )


def measure(options: argparse.Namespace) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        if not options.large_only:
            for index in options.cases:
                picture = options.picture if index == 1 else None
                steps = options.steps if index == 1 else 0
                yield _compared(CASES[index - 1], options.scale, steps, picture, Path(folder))
        chosen = options.large_only or (range(1, len(LARGE) + 1) if options.large else ())
        width, height = options.large_size
        for index in chosen:
            yield _large(LARGE[index - 1], width, height, Path(folder), options.minutes)


def _compared(case: Case, scale: float, steps: int, picture: Path | None, folder: Path) -> Row:
    width, height, tile = (round(scale * n) for n in (case.width, case.height, case.tile))
    asked = {"net": case.net, "width": width, "height": height, "steps": steps}
    asked["precision"] = case.precision
    ways = {"whole": (0, 0.0), "tiled": (tile, 0.0)}
    if steps:
        ways["nudged"] = 0, NUDGE
    found, gradients, results = {}, {}, {}
    for way, (side, nudge) in ways.items():
        files = {name: f"{folder}/{name}_{way}.npy" for name in ("gradient", "result")}
        found[way] = answer("tile_worker.py", {**asked, **files, "tile": side, "nudge": nudge})
        gradients[way] = np.load(files["gradient"])
        if steps:
            results[way] = np.load(files["result"])
    whole, tiled = found["whole"], found["tiled"]
    row = {
        "net": case.net,
        "width": width,
        "height": height,
        "tile": tile,
        "precision": case.precision,
        "gradient_difference": _apart(gradients["tiled"], gradients["whole"])
        / _apart(0, gradients["whole"]),
        "loss_difference": abs(tiled["loss"] / whole["loss"] - 1),
        "whole_seconds": whole["seconds"],
        "tiled_seconds": tiled["seconds"],
        "slower": tiled["seconds"] / whole["seconds"],
        "whole_mib": whole["peak"] / 2**20,
        "tiled_mib": tiled["peak"] / 2**20,
    }
    if steps:
        for way, name in (("tiled", "picture_difference"), ("nudged", "nudged_difference")):
            row[name] = _apart(results[way], results["whole"])
        row["steps"] = steps
    if picture is not None and steps:
        _draw(picture, results["whole"], results["tiled"])
    return row


def _apart(one: Any, other: np.ndarray) -> float:
    """In Euclid's norm, as all gradients here; of pictures the root mean square."""
    return float(np.sqrt(np.mean(np.square(one - other, dtype=np.float64))))


def _draw(path: Path, whole: np.ndarray, tiled: np.ndarray) -> None:
    """The middle of both, and what they differ by, which grey is none of."""
    height, width = whole.shape[:2]
    side = min(height, width, 240)
    top, left = (height - side) // 2, (width - side) // 2
    middle = slice(top, top + side), slice(left, left + side)
    difference = np.clip(0.5 + AMPLIFIED * (tiled - whole), 0, 1)
    save_image(
        path,
        strip(
            [whole[middle], tiled[middle], difference[middle]],
            ["whole", "tiled", f"difference x {AMPLIFIED}"],
        ),
    )


def _large(case: Large, width: int, height: int, folder: Path, minutes: float) -> Row:
    share = width * height / (LARGE_SIZE[0] * LARGE_SIZE[1])
    allowed = CONSTANT_BYTES + share * (MOST_BYTES - CONSTANT_BYTES)
    run = {"optimizer": case.optimizer, "steps": 1, **case.settings}
    row: Row = {"net": case.net, "width": width, "height": height, "optimizer": case.optimizer}
    row["allowed_gb"] = allowed / 1e9
    try:
        found = run_of(
            case.net,
            width,
            height,
            folder,
            run,
            round(allowed),
            style=(1024, 768),
            limit=Limit(60 * minutes),
        )
    except WorkerLate as error:
        where = f", {error.at}" if error.at else ""
        held = "" if error.peak is None else f", having held {error.peak / 1e9:.2f} GB at most"
        return {**row, "note": f"stopped after {minutes:g} minutes{where}{held}"}
    return {
        **row,
        "tile": found["tile"],
        "history": found["history"],
        "content": "again" if found["recompute_content"] else "kept",
        "peak_gb": found["peak"] / 1e9,
        "estimate_gb": found["estimate"] / 1e9,
        "step_seconds": found["step_seconds"],
        "seconds": found["seconds"],
        "loss": found["loss"],
    }


def key(row: Row) -> tuple[Any, ...]:
    """The tile is part of a comparison's case; of a large picture the planner chooses it."""
    compared = (row["tile"], row.get("precision", "high")) if "gradient_difference" in row else ()
    return (row["net"], row["width"], row["height"], row.get("optimizer"), *compared)


def case(row: Row) -> str:
    large = "gradient_difference" not in row
    return "One step of a picture larger than memory" if large else "Tiled and whole"


def verdicts(rows: list[Row]) -> list[str]:
    found = []
    compared = [row for row in rows if "gradient_difference" in row]
    if compared:
        worst = max(row["gradient_difference"] for row in compared)
        found.append(
            verdict(
                f"gradient within {EXACT:g} of the whole picture's, relative, in norm",
                f"{worst:.1e} at most",
                worst <= EXACT,
            )
        )
    for row in compared:
        if "picture_difference" in row:
            found.append(
                f"after {row['steps']} steps of Adam the pictures differ by "
                f"{row['picture_difference']:.1e} (root mean square); two of the whole picture, of "
                f"which one starts {NUDGE:g} off, by {row['nudged_difference']:.1e}; a grey level "
                f"of 8 bits is {1 / 255:.1e}"
            )
    for row in rows:
        if "note" in row:
            what = f"{row['width']}x{row['height']}, {row['net']}, {row['optimizer']}"
            found.append(f"{what}: {row['note']}, not reached")
        if "peak_gb" in row:
            found.append(
                verdict(
                    f"{row['width']}x{row['height']}, {row['net']}, {row['optimizer']}: resident "
                    f"size below {row['allowed_gb']:.3g} GB",
                    f"{row['peak_gb']:.2f} GB",
                    row["peak_gb"] < row["allowed_gb"],
                )
            )
    return found


SECTION = Section(
    name="tile",
    title="Tiles",
    about=(
        "One value-and-gradient of noise, of the whole picture and tile by tile, each in a process "
        "of its own: how much the gradients differ, time and peak resident size; then what the two "
        "results differ by after some steps of Adam from the same start, with the example pictures "
        "for content and style; and, for comparison, what comes of a start that is a little off. "
        "And a picture of 50 megapixels from PNG to PNG, its style enlarged to the same longest "
        "side (with the full network to a quarter of it, to save time), one step of the optimiser "
        "and the loss of its result, as `jaxstyle stylize --max-memory 6GB` runs it: the planner "
        "chooses tile and history, and whether the content's features are kept. Its peak is that "
        "of the whole process, Python and JAX included."
    ),
    columns={
        "net": "VGG-19",
        "width": "width",
        "height": "height",
        "tile": "tile, px",
        "precision": "precision",
        "optimizer": "optimiser",
        "history": "history",
        "content": "content's features",
        "gradient_difference": "gradient, relative difference",
        "loss_difference": "loss, relative difference",
        "picture_difference": "pictures' difference",
        "nudged_difference": "of another start",
        "whole_seconds": "whole, s",
        "tiled_seconds": "tiled, s",
        "slower": "tiled / whole",
        "whole_mib": "whole, peak MiB",
        "tiled_mib": "tiled, peak MiB",
        "peak_gb": "peak, GB",
        "estimate_gb": "estimate, GB",
        "step_seconds": "step, s",
        "seconds": "in all, s",
        "note": "note",
    },
    add_options=add_options,
    measure=measure,
    verdicts=verdicts,
    remarks=(
        "![Whole, tiled, and their difference](benchmarks/tiled_difference.png)\n\n"
        "A tile computes the surroundings that its own positions depend on, 70 px on each side "
        "for conv5_1, and all features twice; small tiles are mostly surroundings. Optimiser, "
        "picture and gradient are as large as the picture whatever the tile: at 50 megapixels "
        "each is 0.6 GB; Adam and its gradient take five, L-BFGS with one pair six, the content "
        "one. The full network's features of the content would take 1.6 GB more: they are computed "
        "again for every tile, twice a step, for about half as much time again. With the full "
        "network the wide layers go by Winograd's "
        "way, in blocks of 4x4 positions that lie otherwise in a tile than in the whole: they "
        "round otherwise, and where a feature is all but 0 its ReLU magnifies that. Direct sums "
        "(`--precision highest`) do not."
    ),
    case=case,
    key=key,
    picture="tiled_difference.png",
)
