"""``bench.py pyramid``: what coarse to fine costs and gives, and what its schedule should be."""

# pyright: reportMissingImports=false
from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from section import Row, Section, verdict
from structure import BANDS, LARGE, added_energy, large
from workers import answer

from jaxstyle.display.figures import strip
from jaxstyle.images import fit_longest_side, resize, save_image

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
CONTENT, STYLE = EXAMPLES / "content.jpg", EXAMPLES / "style.jpg"
COMMON: dict[str, Any] = {}
"""Fields of ``StylizeConfig`` in every run, over its defaults."""
PARTS = ("cost", "schedule")
COST, STRUCTURES, CARRIED, OPTIMISERS, OCTAVES = (
    "Time",
    "Size of structures",
    "From level to level: carried or dropped",
    "Optimisers by level",
    "Steps from level to level",
)
SINGLE, DEFAULT = "single scale", "default"
ROOT, MIXED = "sqrt 2", "sqrt 2 up to 512 px, then 2"
SQRT_2 = 2**0.5
MOST_TIME, TIE = 1.5, 0.01
ENOUGH = 0.8
"""How much of the small picture's energy in large structures the large one must have."""
HEIGHT = 420
"""Of the pictures side by side."""

ABOUT = f"""\
`vgg19-slim`, `examples/content.jpg` painted as `examples/style.jpg`, from the content, with the
default settings: L-BFGS, the same number of steps at every level. By default each level is twice as
large as the one before, or sqrt 2 larger where the result has at most 512 px. A single scale is one
level, the final size. Seconds are all in; how much of them went into compiling, from an empty cache
in the first table, is given apart. "Full-size steps" counts a step at a level by its share of the
final picture's pixels.

*Size of structures*: a network sees a fixed number of pixels, so at 1024 px it makes strokes a
quarter as long, as parts of the picture, as at 256 px; the pyramid is there to keep them. What the
style has put in is the result's luminance less the content's. Its variance is split by spatial
frequency in cycles per longest side of the picture, which means the same at every number of pixels
(16 cycles: waves as long as a sixteenth of the picture). Large structures are those of 4 to
{LARGE} cycles; below is tone, and above detail. The figures are variances in units of 1e-4 of the
squared range from black to white.

*Carried or dropped*: enlarged to the next level, bilinearly, Adam's moments (with its count of
steps) and L-BFGS's pairs, the gradients' part of both scaled by the ratio of the levels' pixels;
against a fresh optimiser at each level, which is what jaxstyle does. Here and below at a smaller
size, with fewer steps, where the default is sqrt 2. Losses are the lowest so far at the
last level, and that of the result. "Loss at equal time" is the lowest when the quickest run of its
table was through."""

REMARKS = """\
![The small picture, and the large one both ways](benchmarks/pyramid.jpg)

Halving the pixels from level to level makes as many steps at all levels together cost twice those
at the last; halving the sides, a third more than those at the last. So jaxstyle goes by sqrt 2
where all is cheap, and by 2 to results above 512 px. The table of schedules, at 512 px, says that
halving with more steps would be a little better there too.

Sides of levels are not rounded to multiples of anything (but in circular pictures). A picture has
one program for each level whatever their sizes are, at most five up to 512 px and four up to
1024 px, and pictures of the same size find them in the cache. Rounding would only make pictures of
similar sizes share them, and change proportions: to multiples of 16 px, the stride of conv5_1, a
side by up to 8 px, which of a coarsest level of 96x72 px is 11 %.

The loss is no judge between a pyramid
and a single scale: the network does not see structures larger than its field, so a single scale
with the time of a pyramid gets lower, with small strokes."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Sizes and steps of the parts."""
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--size", type=int, default=1024, help="of the large picture")
    parser.add_argument("--small", type=int, default=256, help="of the small picture")
    parser.add_argument("--steps", type=int, default=100, help="at each level of these")
    parser.add_argument("--schedule-size", type=int, default=512, help="for the schedules")
    parser.add_argument("--schedule-steps", type=int, default=60, help="at each level of these")
    parser.add_argument("--schedule-levels", type=int, default=6, help="of these")
    parser.add_argument(
        "--picture", type=Path, default=None, help="write the pictures side by side to this file"
    )


def measure(options: argparse.Namespace) -> list[Row]:
    """All parts asked for."""
    rows = []
    if "cost" in options.parts:
        rows += _cost_and_structures(options)
    if "schedule" in options.parts:
        rows += _schedules(options)
    return rows


def _run(config: Mapping[str, Any], cache: str, **more: Any) -> dict[str, Any]:
    asked = {
        "content": str(CONTENT),
        "style": str(STYLE),
        "config": {**COMMON, **config},
        "factors": (),
        "optimizers": ("lbfgs", "lbfgs"),
        "history_last": 0,
        "last_steps": 0,
        "carry": False,
        "result": "",
        **more,
    }
    return answer("pyramid_worker.py", asked, {"JAX_COMPILATION_CACHE_DIR": cache})


def _run_and_look(config: Mapping[str, Any], cache: str, **more: Any) -> dict[str, Any]:
    """A run, with the energy of its large structures."""
    file = f"{cache}/result.npz"
    found = _run(config, cache, result=file, **more)
    with np.load(file) as kept:
        energy = added_energy(kept["result"], kept["content"])
    return {**found, "large": 1e4 * large(energy)}


def _cost_and_structures(options: argparse.Namespace) -> list[Row]:
    large_size, small_size = options.size, options.small
    runs = {
        (SINGLE, large_size): {"levels": 1},
        (DEFAULT, large_size): {},
        (ROOT, large_size): {"factors": (SQRT_2, SQRT_2)},
        (MIXED, large_size): {"factors": (SQRT_2, 2)},
        (DEFAULT, small_size): {},
        (SINGLE, small_size): {"levels": 1},
    }
    found, pictures, energies = {}, {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for place, ((name, size), own) in enumerate(runs.items()):
            file = f"{folder}/{place}.npz"
            config = {"size": size, "steps": options.steps, "levels": own.get("levels", 0)}
            cache = f"{folder}/cache{place}"
            run = _run(config, cache, factors=own.get("factors", ()), result=file)
            with np.load(file) as kept:
                pictures[name, size] = kept["result"]
                energies[name, size] = added_energy(kept["result"], kept["content"])
            found[name, size] = run
    if options.picture is not None:
        _save(options.picture, pictures, large_size, small_size)
    single = found[SINGLE, large_size]
    rows = [
        {
            **_row(COST, name, run),
            "ratio": run["seconds"] / single["seconds"],
            "ratio_to_same_loss": _until(run, single["loss"], single["times"][-1]),
        }
        for (name, size), run in found.items()
        if size == large_size
    ]
    reference = large(energies[DEFAULT, small_size])
    for (name, size), energy in energies.items():
        bands = {f"band_{at}": 1e4 * float(e) for at, e in zip(BANDS, energy, strict=False)}
        rows.append(
            {
                "part": STRUCTURES,
                "variant": name,
                "size": size,
                **bands,
                "large": 1e4 * large(energy),
                "large_to_small": large(energy) / reference,
            }
        )
    return rows


def _row(part: str, variant: str, run: Mapping[str, Any]) -> Row:
    return {
        "part": part,
        "variant": variant,
        "size": max(run["sizes"][-1]),
        "levels": len(run["sizes"]),
        "steps": run["steps"][-1],
        "full_evaluations": run["full_evaluations"],
        "seconds": run["seconds"],
        "compile_seconds": run["compile_seconds"],
        "loss": run["loss"],
        "peak_mib": run["peak"] / 2**20,
    }


def _until(run: Mapping[str, Any], loss: float, seconds: float) -> float | None:
    """When the last level of a run was first as low as a loss, in units of seconds."""
    for value, time in zip(run["losses"], run["times"], strict=True):
        if value <= loss:
            return time / seconds
    return None


def _save(
    path: Path, pictures: Mapping[tuple[str, int], np.ndarray], large_size: int, small_size: int
) -> None:
    shown = [(DEFAULT, small_size), (DEFAULT, large_size), (SINGLE, large_size)]
    longest = max(pictures[DEFAULT, large_size].shape[:2])
    side = min(longest, round(HEIGHT * longest / pictures[DEFAULT, large_size].shape[0]))
    labels = [
        f"{small_size} px",
        f"{large_size} px, coarse to fine",
        f"{large_size} px, single scale",
    ]
    sheet = strip([_fit(pictures[key], side) for key in shown], labels, side=side)
    save_image(path, sheet, quality=88)


def _fit(picture: np.ndarray, side: int) -> np.ndarray:
    return resize(picture, *fit_longest_side(picture.shape[1], picture.shape[0], side))


def _schedules(options: argparse.Namespace) -> list[Row]:
    steps = options.schedule_steps
    config = {
        "size": options.schedule_size,
        "steps": steps,
        "levels": options.schedule_levels,
    }
    adam = {"optimizers": ("adam", "adam")}
    with tempfile.TemporaryDirectory() as cache:
        newton = _run_and_look(config, cache)
        newton_carried = _run(config, cache, carry=True)
        moments = _run(config, cache, **adam)
        moments_carried = _run(config, cache, carry=True, **adam)
        mixed = _run(config, cache, optimizers=("lbfgs", "adam"))
        short = _run(config, cache, history_last=3)
        octaves = _run_and_look(config, cache, factors=(2, 2))
        more = round(steps * newton["full_evaluations"] / octaves["full_evaluations"])
        octaves_more = _run_and_look({**config, "steps": more}, cache, factors=(2, 2))
        single = {**config, "levels": 1, "steps": round(newton["full_evaluations"])}
        single_more = _run_and_look(single, cache)
        half = round(steps / 2)
        tapered = _run_and_look(config, cache, last_steps=half)
    optimisers = {
        "L-BFGS at all levels (default)": newton,
        "L-BFGS, 3 pairs at the last level": short,
        "L-BFGS, Adam at the last level": mixed,
        "Adam at all levels": moments,
    }
    schedules = {
        f"sqrt 2, {steps} steps (default)": newton,
        f"sqrt 2, {half} at the last level": tapered,
        f"factor 2, {steps} steps": octaves,
        f"factor 2, {more} steps": octaves_more,
        f"{SINGLE}, {single['steps']} steps": single_more,
    }
    return [
        *_compared(CARRIED, {"L-BFGS, dropped": newton, "L-BFGS, carried": newton_carried}),
        *_compared(CARRIED, {"Adam, dropped": moments, "Adam, carried": moments_carried}),
        *_compared(OPTIMISERS, optimisers),
        *_compared(OCTAVES, schedules),
    ]


def _compared(part: str, runs: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    quickest = min(run["times"][-1] for run in runs.values())
    rows = []
    for variant, run in runs.items():
        losses = run["losses"]
        in_time = [v for v, at in zip(losses, run["times"], strict=True) if at <= quickest]
        early, middle = max(1, len(losses) // 6), max(1, len(losses) // 2)
        rows.append(
            {
                **_row(part, variant, run),
                "early": min(losses[:early]),
                "middle": min(losses[:middle]),
                "loss_equal_time": min(in_time) if in_time else None,
                "large": run["large"] if part == OCTAVES else None,
            }
        )
    return rows


def verdicts(rows: list[Row]) -> list[str]:
    """What was wanted of the time and the structures, and which choice is the better one."""
    parts = {part: [row for row in rows if row["part"] == part] for part in _ORDER}
    found = []
    if parts[COST]:
        found += _of_time({row["variant"]: row for row in parts[COST]})
    if parts[STRUCTURES]:
        found.append(_of_structures(parts[STRUCTURES]))
    carried = {row["variant"]: row["loss"] for row in parts[CARRIED]}
    for name in ("L-BFGS", "Adam") if carried else ():
        dropped, kept = carried[f"{name}, dropped"], carried[f"{name}, carried"]
        found.append(
            verdict(
                f"{name}: a fresh start at each level, as jaxstyle has it, ends within "
                f"{TIE:.0%} of what is carried, or lower",
                f"loss {dropped:.4g} dropped, {kept:.4g} carried",
                dropped <= (1 + TIE) * kept,
            )
        )
    for part, wanted in (
        (OPTIMISERS, "L-BFGS at all levels, the default, ends lowest at equal steps"),
        (OCTAVES, "the default schedule ends lowest of those that go coarse to fine"),
    ):
        if parts[part]:
            found.append(_best(wanted, parts[part]))
    return found


_ORDER = (COST, STRUCTURES, CARRIED, OPTIMISERS, OCTAVES)


def _of_time(rows: Mapping[str, Row]) -> list[str]:
    found = [
        verdict(
            f"{name}, total time at most {MOST_TIME}x that of a single scale with as many steps "
            "at the final size",
            f"{rows[name]['ratio']:.2f}x",
            rows[name]["ratio"] <= MOST_TIME,
        )
        for name in (DEFAULT, ROOT, MIXED)
    ]
    for name in (DEFAULT, ROOT, MIXED):
        same = rows[name]["ratio_to_same_loss"]
        found.append(
            verdict(
                f"{name}, time to the loss that the single scale ends with at most {MOST_TIME}x "
                "its time",
                "never" if same is None else f"{same:.2f}x",
                same is not None and same <= MOST_TIME,
            )
        )
    return found


def _of_structures(rows: list[Row]) -> str:
    small = min(row["size"] for row in rows)
    shares = {row["variant"]: row["large_to_small"] for row in rows if row["size"] > small}
    size = max(row["size"] for row in rows)
    return verdict(
        f"structures as large at {size} px as at {small} px (of its energy in large ones at least "
        f"{ENOUGH:.0%})",
        f"{shares[DEFAULT]:.0%}, a single scale {shares[SINGLE]:.0%}",
        shares[DEFAULT] >= ENOUGH,
    )


def _best(wanted: str, rows: list[Row]) -> str:
    default, *others = [row for row in rows if not row["variant"].startswith(SINGLE)]
    best = min(others, key=lambda row: row["loss"])
    return verdict(
        wanted,
        f"{default['variant']} {default['loss']:.4g}; {best['variant']} {best['loss']:.4g}",
        default["loss"] <= best["loss"],
    )


COLUMNS = {
    "variant": "",
    "size": "px",
    "levels": "levels",
    "steps": "steps at the last",
    "full_evaluations": "full-size steps",
    "seconds": "s",
    "compile_seconds": "of it compiling",
    "ratio": "to single scale",
    "ratio_to_same_loss": "until its loss",
    "early": "loss at 1/6 of the last level",
    "middle": "at 1/2",
    "loss": "of the result",
    "loss_equal_time": "at equal time",
    **{
        f"band_{low}": f"{low} - {high} cycles" if high < 1e9 else f"{low} -"
        for low, high in pairwise(BANDS)
    },
    "large": f"4 - {LARGE}",
    "large_to_small": "to the small picture's",
}

SECTION = Section(
    name="pyramid",
    title="Coarse to fine",
    about=ABOUT,
    columns=COLUMNS,
    add_options=add_options,
    measure=measure,
    verdicts=verdicts,
    remarks=REMARKS,
    case=lambda row: row["part"],
    picture="pyramid.jpg",
)
