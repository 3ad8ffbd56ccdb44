"""Show every control on the pictures in examples/ and make their page.

    python scripts/make_controls.py

gives examples/controls/: a strip for each control, with the commands that made its pictures, and
README.md that shows them all; with vgg19-slim, about half an hour on two CPU cores.
``--only colour masks`` makes some of them.
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

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from jaxstyle.cli.main import main as jaxstyle
from jaxstyle.display.figures import strip
from jaxstyle.images import load_image, save_image

ROOT = Path(__file__).resolve().parents[1]
PAGE = Path("examples/controls")
HOW = "--size 256 --steps 50 --weights slim"

LAKE = "examples/content.jpg"
FRUIT = "examples/still_life.jpg"
OIL, GLASS, WOOD, TILES = (
    f"examples/{name}.jpg" for name in ("style", "stained_glass", "woodcut", "mosaic")
)
WATER, LAND, JUG, HALF, CUT_OUT = (
    f"{PAGE}/{name}.png" for name in ("mask_water", "mask_land", "mask_jug", "mask_half", "cut_out")
)


class Control(NamedTuple):
    """A strip of the page.

    Attributes:
        runs: (label, arguments of ``jaxstyle stylize``); without arguments a picture as it is.
    """

    title: str
    words: str
    runs: tuple[tuple[str, str], ...]


CONTROLS = {
    "styles": Control(
        "Several styles",
        "Gram matrices of two styles averaged, or the losses of both added up.",
        (
            ("oil", f"{LAKE} {OIL}"),
            ("0.5 : 0.5", f"{LAKE} {OIL}:0.5 {GLASS}:0.5"),
            ("stained glass", f"{LAKE} {GLASS}"),
            ("blend losses", f"{LAKE} {OIL}:0.5 {GLASS}:0.5 --blend losses"),
        ),
    ),
    "scale": Control(
        "Scale of the style",
        "The whole style smaller or larger, averaged over sizes, or by layer: fine strokes of a "
        "small one with the large forms of a large one. The last picture takes its strokes from "
        "the woodcut and its forms from the oil painting: strokes are put on the style first, "
        "as Gatys et al. did in 2017.",
        (
            ("--style-scale 0.5", f"{FRUIT} {OIL} --style-scale 0.5"),
            ("1", f"{FRUIT} {OIL}"),
            ("--style-scale 2", f"{FRUIT} {OIL} --style-scale 2"),
            ("--style-multiscale 0.5,1,2", f"{FRUIT} {OIL} --style-multiscale 0.5,1,2"),
            (
                "--style-scales",
                f"{FRUIT} {OIL} --style-scales relu1_1:0.5,relu2_1:0.5,relu4_1:2,relu5_1:2",
            ),
            ("oil, as a woodcut", f"{OIL} {WOOD} --style-layers relu1_1,relu2_1 -o out/both.png"),
            ("coarse oil, fine wood", f"{FRUIT} out/both.png"),
        ),
    ),
    "statistics": Control(
        "What of the style is compared",
        "Gram matrices, and other statistics of the same features.",
        (
            ("gram", f"{LAKE} {GLASS}"),
            ("shifted-gram", f"{LAKE} {GLASS} --statistic shifted-gram"),
            ("mean-covariance", f"{LAKE} {GLASS} --statistic mean-covariance"),
            ("wasserstein", f"{LAKE} {GLASS} --statistic wasserstein"),
            ("adain", f"{LAKE} {GLASS} --statistic adain"),
            ("histogram", f"{LAKE} {GLASS} --statistic histogram"),
            ("gram+histogram", f"{LAKE} {GLASS} --statistic gram+histogram"),
        ),
    ),
    "colour": Control(
        "Colour",
        "The colours of the style, or in four ways those of the content; saturation.",
        (
            ("style", f"{LAKE} {OIL}"),
            ("keep", f"{LAKE} {OIL} --color keep"),
            ("luminance", f"{LAKE} {OIL} --color luminance"),
            ("match-before", f"{LAKE} {OIL} --color match-before"),
            ("match-after", f"{LAKE} {OIL} --color match-after"),
            (
                "by histogram",
                f"{LAKE} {OIL} --color match-before --color-method histogram",
            ),
            ("--saturation 0.4", f"{LAKE} {OIL} --saturation 0.4"),
            ("--saturation 1.6", f"{LAKE} {OIL} --saturation 1.6"),
        ),
    ),
    "matching": Control(
        "Matching colours",
        "How colours are matched: three square roots of a covariance, of which the symmetric one "
        "moves colours least; in linear light; and the very histogram of the style in the end.",
        (
            ("pca", f"{LAKE} {OIL} --color match-before --color-method pca"),
            ("symmetric", f"{LAKE} {OIL} --color match-before --color-method symmetric"),
            ("keep, linear light", f"{LAKE} {OIL} --color keep --color-space linear"),
            ("--match-histogram", f"{LAKE} {OIL} --match-histogram"),
        ),
    ),
    "masks": Control(
        "Masks",
        "Each part of the picture takes the style of its own; soft masks share. A frozen part "
        "stays the very pixels of the content.",
        (
            ("mask", WATER),
            ("two styles", f"{LAKE} {OIL} {GLASS} --masks {WATER} {LAND}"),
            ("style on the water alone", f"{LAKE} {OIL} --masks {WATER}"),
            ("mask", JUG),
            ("--freeze", f"{FRUIT} {WOOD} --freeze {JUG}"),
        ),
    ),
    "regions": Control(
        "Regions",
        "Styles that say which region they are for, a region that weighs more, a style of which "
        "only a part is used, and how far deep layers see across the border of a mask.",
        (
            (
                "said by the styles",
                f"{LAKE} {GLASS}:region=2 {OIL}:region=1 --masks {WATER} {LAND}",
            ),
            ("land 10 times", f"{LAKE} {OIL} {GLASS} --masks {WATER} {LAND}:10"),
            ("left half of a style", f"{LAKE} {OIL}:mask={HALF}"),
            ("half of it, cut out", f"{LAKE} {OIL}:crop=0.5"),
            ("--guide simple", f"{LAKE} {OIL} {GLASS} --masks {WATER} {LAND} --guide simple"),
            ("--guide inside", f"{LAKE} {OIL} {GLASS} --masks {WATER} {LAND} --guide inside"),
            ("--guide all", f"{LAKE} {OIL} {GLASS} --masks {WATER} {LAND} --guide all"),
        ),
    ),
    "alpha": Control(
        "Transparency",
        "What is transparent stays so, and neither counts in any loss nor changes.",
        (("content", CUT_OUT), ("result", f"{CUT_OUT} {GLASS}")),
    ),
    "contents": Control(
        "Several contents, other layers",
        "Features of two pictures averaged; content of a shallow, a deep, and several layers.",
        (
            ("two contents", f"{LAKE} {OIL} --content-blend {FRUIT}"),
            ("relu2_2", f"{LAKE} {OIL} --content-layers relu2_2"),
            ("relu4_2", f"{LAKE} {OIL}"),
            ("relu5_2", f"{LAKE} {OIL} --content-layers relu5_2"),
            ("relu3_1, relu5_1", f"{LAKE} {OIL} --content-layers relu3_1:0.3,relu5_1"),
        ),
    ),
    "layers": Control(
        "Style layers, and their weight by level",
        "The first layers alone, the last alone, with weights of their own, before the ReLU; and "
        "weights that change from the coarsest level to the last: --coarse-layers.",
        (
            ("relu1_1, relu2_1", f"{LAKE} {OIL} --style-layers relu1_1,relu2_1"),
            ("relu4_1, relu5_1", f"{LAKE} {OIL} --style-layers relu4_1,relu5_1"),
            (
                "relu1_1 four times",
                f"{LAKE} {OIL} --style-layers relu1_1:4,relu2_1,relu3_1,relu4_1",
            ),
            ("conv taps", f"{LAKE} {OIL} --style-layers conv1_1,conv2_1,conv3_1,conv4_1"),
            ("coarse: content 0.1", f"{LAKE} {OIL} --coarse-layers relu4_2:0.1"),
            ("coarse: content 4", f"{LAKE} {OIL} --coarse-layers relu4_2:4"),
            ("coarse: relu5_1 8", f"{LAKE} {OIL} --coarse-layers relu1_1:0,relu5_1:8"),
        ),
    ),
    "gradients": Control(
        "Limits and borders",
        "Layers that pull no harder than a limit, gradients of one length for each layer, values "
        "that may leave the range from black to white at a price, and what the network sees "
        "beyond the border.",
        (
            ("--style-clip 0.1", f"{FRUIT} {OIL} --style-clip 0.1"),
            ("--content-clip 0.1", f"{FRUIT} {OIL} --content-clip 0.1"),
            (
                "--normalise-gradients",
                f"{FRUIT} {OIL} --normalise-gradients --optimizer adam --convention johnson",
            ),
            ("--range-weight 100", f"{FRUIT} {OIL} --no-clamp --range-weight 100"),
            ("--padding reflect", f"{FRUIT} {OIL} --padding reflect"),
            ("--padding replicate", f"{FRUIT} {OIL} --padding replicate"),
        ),
    ),
    "smoothness": Control(
        "Smoothness",
        "Total variation of squares, absolute values and a power, and the checkerboard penalty.",
        (
            ("none", f"{FRUIT} {TILES} --tv-weight 0"),
            ("l2, 5 (default)", f"{FRUIT} {TILES}"),
            ("l2, 50", f"{FRUIT} {TILES} --tv-weight 50"),
            ("l1, 2", f"{FRUIT} {TILES} --tv l1 --tv-weight 2"),
            ("power 1.25, 2", f"{FRUIT} {TILES} --tv power --tv-power 1.25 --tv-weight 2"),
            ("--wavelet-weight 200", f"{FRUIT} {TILES} --tv-weight 0 --wavelet-weight 200"),
        ),
    ),
}


def draw_masks() -> None:
    """The masks and the cut-out that the commands name."""
    oil = Image.open(OIL)
    half = Image.new("L", oil.size)
    ImageDraw.Draw(half).rectangle((0, 0, oil.width // 2 - 1, oil.height), fill=255)
    half.save(HALF)
    size = 384, 256

    def drawn(
        points: list[tuple[float, float]] | None,
        box: tuple | None = None,
        size: tuple[int, int] = size,
    ) -> Image.Image:
        width, height = size
        mask = Image.new("L", size)
        draw = ImageDraw.Draw(mask)
        if points is not None:
            draw.polygon([(x * width, y * height) for x, y in points], fill=255)
        if box is not None:
            draw.ellipse([side * (width, height)[i % 2] for i, side in enumerate(box)], fill=255)
        return mask.filter(ImageFilter.GaussianBlur(1.5))

    water = drawn([(0.1, 0.6), (1, 0.59), (1, 0.97), (0.55, 0.97), (0.3, 0.88), (0.1, 0.75)])
    water.save(WATER)
    water.point(lambda value: 255 - value).save(LAND)
    drawn(None, (0.68, 0.2, 0.92, 0.69), (384, 272)).save(JUG)  # the shape of FRUIT
    fruit = Image.open(FRUIT).convert("RGB").resize(size)
    fruit.putalpha(drawn(None, (0.04, 0.1, 0.96, 0.9)))
    fruit.save(CUT_OUT)


def make(name: str) -> None:
    """Run one control's commands and join their pictures."""
    started, pictures = time.perf_counter(), []
    runs = CONTROLS[name].runs
    for index, (_, line) in enumerate(runs):
        if " " not in line:
            pictures.append(_shown(Path(line)))
            continue
        output = Path(line.split(" -o ")[1] if " -o " in line else f"out/{index}.png")
        command = ["stylize", *shlex.split(line.split(" -o ")[0]), *shlex.split(HOW)]
        if code := jaxstyle([*command, "--quiet", "-o", str(output)]):
            raise SystemExit(code)
        pictures.append(_shown(output))
    labels = [label for label, _ in runs]
    columns = min(len(runs), 4)
    sheet = strip(pictures, labels, caption="", side=256, columns=columns)
    save_image(PAGE / f"{name}.jpg", sheet, quality=86)
    print(f"{name}: {time.perf_counter() - started:.0f} s", flush=True)


def _shown(path: Path) -> np.ndarray:
    """A picture on white where it is transparent."""
    picture = load_image(path)
    if picture.alpha is None:
        return picture.rgb
    share = picture.alpha[..., None]
    return (share * picture.rgb + (1 - share)).astype(np.float32)


def page() -> str:
    """The README of the page."""
    parts = [
        "# Controls\n",
        "Every control is an option of `jaxstyle stylize` and a keyword of `jaxstyle.stylize`, and "
        "works together with the others, with sizes, tiles and sweeps. Made by "
        "`python scripts/make_controls.py` with vgg19-slim from the pictures in `examples/`; each "
        f"picture by its command with `{HOW}`.\n",
    ]
    for name, one in CONTROLS.items():
        lines = [
            f"jaxstyle stylize {line if ' -o ' in line else line + ' -o out.png'}".replace(
                "out/", ""
            )
            for _, line in one.runs
            if " " in line
        ]
        parts += [
            f"## {one.title}\n",
            f"{one.words}\n",
            f"![{one.title}]({name}.jpg)\n",
            "```sh\n" + "\n".join(lines) + "\n```\n",
        ]
    return "\n".join(parts)


def main() -> int:
    parser = argparse.ArgumentParser(description="Make examples/controls.")
    parser.add_argument("--only", nargs="+", choices=tuple(CONTROLS), default=CONTROLS)
    arguments = parser.parse_args()
    os.chdir(ROOT)
    PAGE.mkdir(exist_ok=True)
    draw_masks()
    scratch = Path("out")
    if scratch.exists():
        parser.error(f"{ROOT / scratch} is in the way: remove it")
    scratch.mkdir()
    try:
        for name in arguments.only:
            make(name)
    finally:
        shutil.rmtree(scratch)
    (PAGE / "README.md").write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
