"""Make the pictures of examples/gallery and examples/controls, and the pages that show them.

    python examples/make_gallery.py                             # vgg19-slim, an hour on two cores
    python examples/make_gallery.py --weights vgg19 --size 512  # the real VGG-19, for hours
    python examples/make_gallery.py --only colour masks         # some of them

Everything is made by the project's own commands, which gallery.toml lists. What has been made
stays in out/gallery/, so that the same call goes on where another was ended, and is copied to
examples/ (or to --into) as each figure is ready.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shlex
import shutil
import sys
import time
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxstyle.cli.main import main as jaxstyle
from jaxstyle.display.figures import strip
from jaxstyle.images import load_image, save_image

ROOT = Path(__file__).resolve().parents[1]
TABLE = tomllib.loads((ROOT / "examples" / "gallery.toml").read_text(encoding="utf-8"))
FIGURES, CONTROLS, README = TABLE["figures"], TABLE["controls"], TABLE["readme"]
NAMES = (*FIGURES, *CONTROLS, *README)
OF_WHICH_NETWORK = """\
The pictures of "Texture synthesis", "Several styles" and "What of the style is compared" are of \
the real VGG-19 (strips at 192 px) and of today's defaults. The others are of vgg19-slim and of \
the defaults before [those found on the real VGG-19](../../docs/defaults.md); the commands make \
them by today's.
"""
COARSE_TO_FINE = """\
## Coarse to fine

At 1024 px coarse to fine keeps the strokes of the 256 px picture as large as they are, and a \
single scale does not ([figures](../../docs/benchmarks.md#coarse-to-fine)).

```sh
jaxstyle stylize examples/content.jpg examples/style.jpg --size 1024 -o out.png
jaxstyle stylize examples/content.jpg examples/style.jpg --size 1024 --levels 1 -o out.png
```

![Coarse to fine](../../docs/benchmarks/pyramid.jpg)
"""


class Way(NamedTuple):
    """How all pictures are made.

    Attributes:
        weights: a network as ``jaxstyle stylize --weights`` takes it.
        size: longest side in px; None for each figure's own.
    """

    weights: str
    size: int | None

    @property
    def network(self) -> str:
        """The network's name."""
        return Path(self.weights).stem

    def settings(self, kind: dict[str, Any]) -> str:
        """Options of every picture of a strip: of a control, or of the README with its defaults."""
        if kind is README:
            return f"--size {self.size or 384}"
        return f"--size {self.size or 256} --steps 100,50"

    def command(self, figure: dict[str, Any]) -> str:
        """The command of a figure, but for the network."""
        size = self.size or figure["size"]
        return figure["command"].format(size=size, shape=f"{size * 3 // 2}x{size}")


def make_figure(name: str, way: Way) -> list[str]:
    """Run a figure's command if a file of it is missing; the files."""
    figure = FIGURES[name]
    if not all(Path(file).exists() for file in figure["files"]):
        run(f"{way.command(figure)} --weights {way.weights}")
        if name == "texture":
            picture = load_image("texture.jpg").rgb
            save_image("texture_tiled.jpg", np.tile(picture, (2, 2, 1)), quality=85)
        if name == "sweep":
            save_image("sweep.jpg", load_image("sweep/sheet.png").rgb, quality=88)
    return figure["files"]


def make_strip(name: str, way: Way) -> list[str]:
    """Run a strip's commands, but those whose picture is there, and join the pictures."""
    kind = README if name in README else CONTROLS
    runs, file = kind[name]["runs"], f"{name}.jpg"
    if Path(file).exists():
        return [file]
    pictures = []
    for _, line in runs:
        words, _, output = line.partition(" -o ")
        command = f"stylize {words} {way.settings(kind)} --weights {way.weights}"
        output = output or (picture_of(command) if " " in line else line)
        if not Path(output).exists():
            run(f"{command} -o {output}")
        pictures.append(on_white(Path(output)))
    labels = [label for label, _ in runs]
    columns = 3 if kind is README else min(len(labels), 4)
    sheet = strip(pictures, labels, caption="", side=256, columns=columns)
    save_image(file, sheet, quality=86)
    return [file]


def picture_of(command: str) -> str:
    """The file of a command's picture: one for all strips that show it."""
    return f"{hashlib.sha256(command.encode()).hexdigest()[:12]}.png"


def run(line: str) -> None:
    """Run a command of jaxstyle; one that fails ends all."""
    words = shlex.split(line)
    sys.argv = ["jaxstyle", *words]  # what the sheets quote
    if code := jaxstyle([*words, "--quiet"]):
        raise SystemExit(code)


def on_white(path: Path) -> np.ndarray:
    """A picture on white where it is transparent."""
    picture = load_image(path)
    if picture.alpha is None:
        return picture.rgb
    share = picture.alpha[..., None]
    return (share * picture.rgb + (1 - share)).astype(np.float32)


def gallery_page(way: Way) -> str:
    """README.md of examples/gallery."""
    parts = [
        "# The experiments of the paper\n",
        f"Made by `python examples/make_gallery.py` with {way.network} from the pictures in "
        "`examples/`; each command makes its picture. On a GPU or with the real VGG-19 use a "
        "larger `--size`.\n",
        OF_WHICH_NETWORK,
    ]
    for one in FIGURES.values():
        shown = "\n".join(f"![{one['title']}]({file})" for file in one["files"])
        parts.append(section(one, [f"jaxstyle {way.command(one)}"], shown))
    return "\n".join([*parts, COARSE_TO_FINE])


def controls_page(way: Way) -> str:
    """README.md of examples/controls."""
    parts = [
        "# Controls\n",
        "Every control is an option of `jaxstyle stylize` and a keyword of `jaxstyle.stylize`, and "
        "works together with the others, with sizes, tiles and sweeps. Made by "
        "`python examples/make_gallery.py` from the pictures in `examples/`; each picture by its "
        f"command with `{way.settings(CONTROLS)} --weights {way.network}`.\n",
        OF_WHICH_NETWORK,
    ]
    for name, one in CONTROLS.items():
        lines = [line for _, line in one["runs"] if " " in line]
        commands = [
            f"jaxstyle stylize {line}" + ("" if " -o " in line else " -o out.png") for line in lines
        ]
        parts.append(section(one, commands, f"![{one['title']}]({name}.jpg)"))
    return "\n".join(parts)


def section(one: dict[str, Any], commands: list[str], shown: str) -> str:
    """A picture's part of its page."""
    block = "\n".join(commands)
    return f"## {one['title']}\n\n{one['words']}\n\n{shown}\n\n```sh\n{block}\n```\n"


def main() -> int:
    """Make what is asked for, and the pages when all is there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=NAMES, help="default: all, and the pages")
    parser.add_argument("--weights", default="slim", help="slim, vgg19 or a file (default: slim)")
    parser.add_argument("--size", type=int, help="px of all pictures (default: small ones)")
    parser.add_argument("--into", type=Path, default=ROOT / "examples", help="(default: examples)")
    arguments = parser.parse_args()
    into = arguments.into.resolve()
    weights = Path(arguments.weights)
    way = Way(str(weights.resolve() if weights.exists() else weights), arguments.size)
    working = ROOT / "out" / "gallery" / f"{way.network}-{way.size or 'sizes'}"
    working.mkdir(parents=True, exist_ok=True)
    os.chdir(working)
    if not Path("examples").exists():
        Path("examples").symlink_to(ROOT / "examples")  # so that commands read as in the pages
    for name in arguments.only or NAMES:
        started = time.perf_counter()
        folder = "gallery" if name in FIGURES else "controls" if name in CONTROLS else "."
        for file in (make_figure if name in FIGURES else make_strip)(name, way):
            (into / folder).mkdir(parents=True, exist_ok=True)
            shutil.copy(file, into / folder / file)
        print(f"{name}: {time.perf_counter() - started:.0f} s", flush=True)
    if not arguments.only:
        for folder, page in (("gallery", gallery_page(way)), ("controls", controls_page(way))):
            (into / folder / "README.md").write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
