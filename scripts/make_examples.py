"""Render the example pictures: two contents and four styles, free for any use.

python scripts/make_examples.py

writes six JPEG files to `examples/`, 768 px on the longest side, each under 250 kB, in about a
minute on two cores:

    content.jpg         a village on a lake under mountains
    still_life.jpg      fruit, a bottle and a jug by a window
    style.jpg           swirling oil paint
    stained_glass.jpg   a leaded window
    woodcut.jpg         a print in lines that follow the forms
    mosaic.jpg          small tiles laid along a motif

NumPy alone renders them and Pillow writes the files; the same seed and size give the same bytes
on one machine. For another place, size or seed, or some of the pictures only:

python scripts/make_examples.py --out art --size 384 --seed 7 --only woodcut --only mosaic
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from example_art.gallery import EXAMPLES, make

ROOT = Path(__file__).resolve().parents[1]
SMALLEST, LARGEST = 64, 4096
LAST_SEED = 9999


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Render the example pictures.")
    parser.add_argument("--out", type=Path, default=ROOT / "examples", help="folder to write to")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other pictures")
    parser.add_argument("--size", type=int, default=768, help="longest side in px")
    parser.add_argument(
        "--only", action="append", choices=sorted(EXAMPLES), help="this one only (repeatable)"
    )
    options = parser.parse_args(arguments)
    if not SMALLEST <= options.size <= LARGEST:
        parser.error(f"--size is {options.size}; it must be {SMALLEST} to {LARGEST} px")
    if not 0 <= options.seed <= LAST_SEED:
        parser.error(f"--seed is {options.seed}; it must be 0 to {LAST_SEED}")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Render the pictures that the command line asks for; returns the exit code."""
    options = _parse(arguments)
    names = [name for name in EXAMPLES if not options.only or name in options.only]
    start = time.perf_counter()
    # Each picture is one thread of NumPy. Fresh processes, as forked ones may inherit locks.
    workers = min(len(names), os.cpu_count() or 1)
    work = partial(make, folder=options.out, size=options.size, seed=options.seed)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            for path in pool.map(work, names):
                elapsed = time.perf_counter() - start
                print(f"{path}  {path.stat().st_size / 1000:.0f} kB  {elapsed:.0f} s", flush=True)
    except OSError as error:
        told = f"cannot write to {options.out}: {error.strerror}: choose another --out"
        print(told, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
