"""``bench.py precision``: how far each precision's loss and gradient are from float64's."""

# pyright: reportMissingImports=false
from __future__ import annotations

import argparse
import importlib.util
import tempfile
from pathlib import Path
from typing import Any

from section import Row, Section, verdict
from workers import answer

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
CONTENT, STYLE = EXAMPLES / "content.jpg", EXAMPLES / "style.jpg"
NETWORKS = {
    "slim": ("random", "slim", "slim, random weights, noise"),
    "full": ("random", "full", "VGG-19, random weights, noise"),
    "painting": ("embedded", "slim", "vgg19-slim, a painting"),
}
FLOAT32 = ("highest", "high", "default")
PEER = "PyTorch float32"
HOW = {
    **dict.fromkeys(FLOAT32, "float32 on CPU"),
    "bf16": "as run",
    "Winograd, wide layers": "as run",
    "Winograd, all layers": "not in use",
    "TF32": "emulated",
    "bfloat16 operands, three passes": "emulated",
    "bfloat16 operands, one pass": "emulated",
    PEER: "as run",
}
MOST_FLOAT32, MOST_BF16 = 1e-4, 0.1
MOST_TIMES_PEER = 2.0

ABOUT = """\
Relative errors of the loss and of its gradient (the L2 norm of the difference by that of the
gradient) against the same in float64. Targets are computed at the precision in question too, as a
run does. On a CPU `highest`, `high` and `default` ask for the same float32 convolutions; where they
gave the same bits the table says so. `bf16` keeps features in bfloat16, with Gram sums, losses and
pixels in float32. What other devices make of `high` and `default` is emulated here by rounding the
operands of every convolution, forward and backward, to so many bits: TF32 (NVIDIA: `high`), three
passes of bfloat16 (TPU: `high`), one (TPU: `default`); sums are float32, and Gram matrices are
never rounded. *Winograd* is the quick way of the wide layers: those of at least 128 channels in and
out, of networks that have a layer of 256, which `vgg19-slim` has not; for all layers it is shown
only to compare.

Networks of random weights see noise. The painting is `examples/content.jpg` in the style of
`examples/style.jpg`, at the start of a run and after 50 steps of L-BFGS, where the gradient is
small and what rounding leaves weighs more."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Networks and sizes."""
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--sizes", nargs="+", type=int, default=[128, 256], help="in px")
    parser.add_argument(
        "--steps", type=int, default=50, help="after which the painting is looked at again"
    )


def measure(options: argparse.Namespace) -> list[Row]:
    """Every precision for every network and size."""
    rows: list[Row] = []
    for network in options.networks:
        kind, net, title = NETWORKS[network]
        for size in options.sizes:
            about = {"network": title, "size": size}
            with tempfile.TemporaryDirectory() as folder:
                asked = {
                    "network": kind,
                    "net": net,
                    "size": size,
                    "steps": options.steps,
                    "content": str(CONTENT),
                    "style": str(STYLE),
                    "file": f"{folder}/case.npz",
                }
                ours = answer("precision_worker.py", asked)
                found = ours["rows"]
                if importlib.util.find_spec("torch") is not None:
                    peer = answer("precision_torch.py", {**asked, **ours})
                    found = [*found, *peer["rows"]]
            rows += [_row(row, about, ours["platform"]) for row in found]
    return sorted(rows, key=lambda row: (_place(row), row["at"] != rows[0]["at"]))


def _place(row: Row) -> tuple[int, int]:
    titles = [title for _, _, title in NETWORKS.values()]
    return titles.index(row["network"]), row["size"]


def _row(found: dict[str, Any], about: dict[str, Any], platform: str) -> Row:
    same = found.get("same_bits") if found["precision"] in FLOAT32 else None
    how = HOW[found["precision"]]
    if found["precision"] in FLOAT32 and platform != "cpu":
        how = f"as {platform} has it"
    return {
        **about,
        **found,
        "same_bits": same,
        "same_as_highest": None if same is None else "yes" if same else "no",
        "how": how,
    }


def verdicts(rows: list[Row]) -> list[str]:
    """Whether float32 is as good as it can be, and how good the shorter types are."""
    by_name: dict[str, list[Row]] = {}
    for row in rows:
        by_name.setdefault(row["precision"], []).append(row)
    worst = {name: max(row["gradient_error"] for row in own) for name, own in by_name.items()}
    same = all(row["same_bits"] for name in FLOAT32 for row in by_name[name])
    found = [
        verdict(
            f"float32 gradients within {MOST_FLOAT32:g} of float64",
            f"worst {worst['highest']:.2g}",
            worst["highest"] <= MOST_FLOAT32,
        ),
        verdict(
            "highest, high and default the same on this machine, bit by bit",
            "they are" if same else "they differ",
            same,
        ),
    ]
    if PEER in by_name:
        peers = {_where(row): row["gradient_error"] for row in by_name[PEER]}
        times = max(row["gradient_error"] / peers[_where(row)] for row in by_name["highest"])
        found.append(
            verdict(
                f"float32 errors at most {MOST_TIMES_PEER:g}x PyTorch's",
                f"worst {times:.2g}x",
                times <= MOST_TIMES_PEER,
            )
        )
    found.append(
        verdict(
            f"bf16 gradients within {MOST_BF16:.0%}",
            f"worst {worst['bf16']:.2g}",
            worst["bf16"] <= MOST_BF16,
        )
    )
    if name := next((name for name in worst if name == "Winograd, wide layers"), None):
        found.append(
            verdict(
                f"Winograd in the wide layers within {MOST_FLOAT32:g}",
                f"worst {worst[name]:.2g}",
                worst[name] <= MOST_FLOAT32,
            )
        )
    return found


def _where(row: Row) -> tuple[str, int, str]:
    return row["network"], row["size"], row["at"]


SECTION = Section(
    name="precision",
    title="Precision",
    about=ABOUT,
    columns={
        "precision": "",
        "how": "",
        "at": "at",
        "gradient_error": "error of the gradient",
        "loss_error": "of the loss",
        "same_as_highest": "same bits as highest",
    },
    add_options=add_options,
    measure=measure,
    verdicts=verdicts,
    remarks=(
        "bfloat16 has 8 bits, and the gradient of a style is a small difference between two Gram "
        "matrices: as a run comes closer to its goal the difference shrinks, the rounding of the "
        "features does not, and after 50 steps it is up to a third of the gradient. That sums, "
        "losses, pixels and optimiser are float32 does not help there. bf16 is for sketches, where "
        "memory or time is short; the default is `high`."
    ),
    case=lambda row: f"{row['network']}, {row['size']} px",
)
