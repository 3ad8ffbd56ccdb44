"""One picture over eight devices: the numbers of one, an eighth of its memory, what is sent."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

from section import NETS, Row, Section, verdict
from workers import answer

MOST_DIFFERENCE = 1e-5
MOST_SHARE = 1.3


def add_options(parser: argparse.ArgumentParser) -> None:
    def words(name: str, default: list[str], what: str) -> None:
        told = f"{what} (default: {' '.join(default)})"
        parser.add_argument(f"--{name}", nargs="+", default=default, help=told)

    parser.add_argument("--net", choices=NETS, default="slim", help="(default: slim)")
    parser.add_argument(
        "--blocks", type=int, default=5, help="of the network, with a Gram matrix each (default: 5)"
    )
    words("sizes", ["512x512", "1024x1024", "1000x701"], "WIDTHxHEIGHT in px")
    words("paddings", ["zeros", "reflect"], "at the picture's border")
    words("meshes", ["4x2", "8x1"], "parts of the height x parts of the width")
    parser.add_argument(
        "--tile",
        type=int,
        default=512,
        help="largest side of the tiles that are dealt out over the first mesh, for larger "
        "pictures; 0 leaves them out (default: 512)",
    )


def measure(options: argparse.Namespace) -> Iterator[Row]:
    devices = max(math.prod(_sides(mesh)) for mesh in options.meshes)
    environment = {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(devices), "XLA_FLAGS": ""}
    for size in options.sizes:
        width, height = _sides(size)
        for padding in options.paddings:
            asked = {
                "net": options.net,
                "blocks": options.blocks,
                "width": width,
                "height": height,
                "padding": padding,
            }
            asked |= {"meshes": options.meshes, "tile": options.tile}
            for found in answer("mesh_worker.py", asked, environment)["found"]:
                yield _row({"net": options.net, "size": size, "padding": padding}, found)


def _row(case: Row, found: Row) -> Row:
    row = {
        **case,
        **{name: value for name, value in found.items() if name not in _BYTES},
        "device_mib": found["temporaries"] / 2**20,
        "whole_mib": found["whole"] / 2**20,
    }
    if "tile" in found:
        row["one_tile_mib"] = found["one_tile"] / 2**20
        row["tile_share"] = found["temporaries"] / found["one_tile"]
    else:
        row["share"] = found["temporaries"] * math.prod(_sides(found["mesh"])) / found["whole"]
    return row


_BYTES = ("temporaries", "whole", "one_tile")


def _sides(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", text)
    if match is None:
        raise SystemExit(f"{text!r}: write two numbers, such as 4x2")
    return int(match[1]), int(match[2])


def key(row: Row) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in ("net", "size", "padding", "mesh", "tile"))


def case(row: Row) -> str:
    return "Tiles dealt out over the devices" if "tile" in row else "Divided over the devices"


def verdicts(rows: list[Row]) -> list[str]:
    apart = [row for row in rows if "tile" not in row]
    dealt = [row for row in rows if "tile" in row]

    def of(rows: list[Row], what: str, key: str, most: float, shown: Callable[[float], str]) -> str:
        reached = [row for row in rows if row[key] <= most]
        worst = max(row[key] for row in rows)
        measured = f"{len(reached)} of {len(rows)} rows, at most {shown(worst)}"
        return verdict(what, measured, len(reached) == len(rows))

    def small(value: float) -> str:
        return f"{value:.1e}"

    found = [
        of(rows, f"{name} of one device within 1e-5", f"{name}_difference", MOST_DIFFERENCE, small)
        for name in ("loss", "gradient")
    ]
    if apart:
        wanted = "temporaries of each device at most 1.3 times its share of the whole's"
        found.append(of(apart, wanted, "share", MOST_SHARE, "{:.2f}".format))
        found.append(of(apart, "no all-gather", "all-gather", 0, str))
    if dealt:
        wanted = "temporaries of each device those of one tile, within 1 %"
        found.append(of(dealt, wanted, "tile_share", 1.01, "{:.3f}".format))
    return found


SECTION = Section(
    name="mesh",
    title="One picture over several devices",
    about=(
        "The value and gradient of the step, with five Gram matrices and one content layer, on one "
        "device and on eight (`--mesh`), in a process whose CPU is split into so many. *Loss* and "
        "*gradient* are relative differences to one device (of the gradient, in norm). Memory is "
        "XLA's own plan of the compiled program: the temporaries of each device, without picture, "
        "targets and network; *share* is eight times that over what one device alone needs, so "
        "that 1 is a perfect division. Collectives are counted in the compiled program. "
        "In the second table each device computes one tile at a time (`--mesh --strategy tiled`), "
        "and its temporaries are compared with those of one tile on one device."
    ),
    columns={
        "net": "VGG-19",
        "size": "px",
        "padding": "padding",
        "mesh": "mesh",
        "tile": "tile",
        "tiles": "tiles",
        "loss_difference": "loss",
        "gradient_difference": "gradient",
        "device_mib": "MiB a device",
        "whole_mib": "MiB whole",
        "share": "share",
        "one_tile_mib": "MiB one tile",
        "tile_share": "of one tile",
        "all-gather": "all-gathers",
        "all-to-all": "all-to-alls",
        "collective-permute": "permutes",
        "all-reduce": "all-reduces",
    },
    add_options=add_options,
    measure=measure,
    verdicts=verdicts,
    case=case,
    key=key,
    remarks=(
        "No times: eight devices that share the cores of one CPU say nothing about eight GPUs. "
        "A share above 1 has two causes. What fills up the last parts (a picture is continued to "
        "a multiple of 16 px times the mesh) falls as pictures grow. The other stays: before each "
        "convolution a part is copied together with its neighbours' rows. With reflection one "
        "device has to copy its picture too, with zeros it need not, and its memory was lately cut "
        "by a third (`jaxstyle/memory_first.py`), that of the parts by a sixth. Adding the "
        "neighbours' rows to the result of an uncopied part was tried: it saved 2 %, and sums in "
        "another order, which the ReLUs magnify to 1e-4 of the gradient. Where memory is what "
        "counts, tiles dealt out take the least. "
        "Tiles are sent from the host, and picture, gradient and optimiser state stay in its "
        "memory; the devices send each other nothing."
    ),
)
