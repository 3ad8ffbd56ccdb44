"""Run the paper's experiments on the pictures in examples/ and make their page.

    python scripts/make_experiments.py

gives examples/gallery/: Figures 1 and 3 of the paper, textures, starts, style scales, a sweep and a
run step by step, each with the command that made it, and README.md that shows them all; with
vgg19-slim, about twenty minutes on two CPU cores. ``--only figure3`` makes one of them.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import time
from pathlib import Path
from typing import NamedTuple

from jaxstyle.cli.main import main as jaxstyle
from jaxstyle.images import load_image, save_image

ROOT = Path(__file__).resolve().parents[1]
GALLERY = Path("examples/gallery")


class Experiment(NamedTuple):
    """A picture of the gallery: its title, what to see in it, and the command but for ``-o``."""

    title: str
    words: str
    command: str
    files: tuple[str, ...]


EXPERIMENTS = {
    "figure1": Experiment(
        "Figure 1: what the layers know",
        "Upper row: from noise, the Gram matrices of more and more layers; structures grow, where "
        "things are is lost. Lower row: from noise, the features of one layer; shallow layers give "
        "the picture back (peak signal-to-noise ratio in dB), deep ones keep what is where.",
        "reconstruct --content examples/content.jpg --style examples/style.jpg --size 256 "
        "--cell-size 224 --weights slim -o {folder}/figure1.jpg",
        ("figure1.jpg",),
    ),
    "figure3": Experiment(
        "Figure 3: style layers against content over style",
        "Down: more style layers, larger structures. Across: more weight on the content. All "
        "twenty cells are one vmapped program, from noise.",
        "figure3 examples/content.jpg examples/stained_glass.jpg --size 224 --cell-size 224 "
        "--weights slim --quality 85 -o {folder}/figure3.jpg",
        ("figure3.jpg",),
    ),
    "texture": Experiment(
        "Texture synthesis",
        "From noise, of any size; with --seamless its copies tile a plane (below: 2 x 2).",
        "texture examples/style.jpg --shape 384x256 --seamless --weights slim --quality 88 "
        "-o {folder}/texture.jpg",
        ("texture.jpg", "texture_tiled.jpg"),
    ),
    "starts": Experiment(
        "Where the run starts",
        "A picture as the start shows in the result; every noise gives another one.",
        "compare starts examples/content.jpg examples/woodcut.jpg --size 224 --weights slim "
        "-o {folder}/starts.jpg",
        ("starts.jpg",),
    ),
    "scales": Experiment(
        "Scale of the style",
        "The style cropped and enlarged, whole, and through its first layers alone.",
        "compare scales examples/still_life.jpg examples/mosaic.jpg --size 320 --cell-size 320 "
        "--weights slim -o {folder}/scales.jpg",
        ("scales.jpg",),
    ),
    "sweep": Experiment(
        "A sweep along two axes",
        "Any settings, one program; the folder also holds each cell, their losses and a page.",
        "sweep examples/still_life.jpg examples/style.jpg --axis tv=1,5,25 "
        "--axis style_weight=0.1,1,10 --size 192 --weights slim -o {scratch}/sweep",
        ("sweep.jpg",),
    ),
    "steps": Experiment(
        "Step by step",
        "Snapshots over all sizes, an animation of them, and the loss by term.",
        "stylize examples/content.jpg examples/style.jpg --size 256 --steps 60 --init noise "
        "--style-weight 0.3 --weights slim --strip {folder}/steps.jpg "
        "--animation {folder}/steps.webp --loss-plot {folder}/loss.svg -o {scratch}/result.png",
        ("steps.jpg", "steps.webp", "loss.svg"),
    ),
}


def make(name: str, scratch: Path) -> None:
    """Run one experiment; its files land in the gallery."""
    line = EXPERIMENTS[name].command.format(folder=GALLERY, scratch=scratch)
    command = shlex.split(line)
    sys.argv = ["jaxstyle", *command]  # what the sheets quote
    started = time.perf_counter()
    if code := jaxstyle([*command, "--quiet"]):
        raise SystemExit(code)
    if name == "texture":
        tile = load_image(GALLERY / "texture.jpg").rgb
        import numpy as np

        save_image(GALLERY / "texture_tiled.jpg", np.tile(tile, (2, 2, 1)), quality=85)
    if name == "sweep":
        save_image(GALLERY / "sweep.jpg", load_image(scratch / "sweep/sheet.png").rgb, quality=88)
    print(f"{name}: {time.perf_counter() - started:.0f} s", flush=True)


PYRAMID = """\
## Coarse to fine

At 1024 px coarse to fine keeps the strokes of the 256 px picture as large as they are, and a \
single scale does not ([figures](../BENCHMARKS.md#coarse-to-fine)).

```sh
python scripts/bench.py pyramid --keep
```

![Coarse to fine](../benchmarks/pyramid.jpg)
"""
"""The benchmark makes this picture, with figures of what is to be seen in it."""


def page() -> str:
    """The gallery's README."""
    parts = ["# The experiments of the paper\n"]
    parts.append(
        "Made by `python scripts/make_experiments.py` with vgg19-slim from the pictures in "
        "`examples/`; each command makes its picture. On a GPU or with the real VGG-19 use a "
        "larger `--size`.\n"
    )
    for one in EXPERIMENTS.values():
        shown = "\n".join(f"![{one.title}]({file})" for file in one.files)
        line = one.command.format(folder="out", scratch="out").replace(" --weights slim", "")
        parts += [
            f"## {one.title}\n",
            f"{one.words}\n",
            f"```sh\njaxstyle {line}\n```\n",
            shown + "\n",
        ]
    parts.append(PYRAMID)
    return "\n".join(parts)


def main() -> int:
    parser = argparse.ArgumentParser(description="Make examples/gallery.")
    parser.add_argument("--only", nargs="+", choices=tuple(EXPERIMENTS), default=EXPERIMENTS)
    arguments = parser.parse_args()
    os.chdir(ROOT)
    GALLERY.mkdir(exist_ok=True)
    scratch = Path("out")  # commands are quoted on the sheets
    if scratch.exists():
        parser.error(f"{ROOT / scratch} is in the way: remove it")
    scratch.mkdir()
    try:
        for name in arguments.only:
            make(name, scratch)
    finally:
        shutil.rmtree(scratch)
    (GALLERY / "README.md").write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
