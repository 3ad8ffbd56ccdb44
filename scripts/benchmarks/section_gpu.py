"""Speed on a GPU: against PyTorch, against the rate of matrix products, and a whole run."""

from __future__ import annotations

import argparse
from typing import Any, NamedTuple

from problem import flops_per_pixel
from section import Row, Section, Unavailable, add_cases, verdict
from turns import Side, Taken, difference, figures, take_turns
from workers import answer

OURS = "jaxstyle"
PRECISIONS = {"highest": "float32", "high": "TF32", "bf16": "bfloat16"}
PEERS = {
    "eager": ("PyTorch eager", {}),
    "compile": ("torch.compile", {"compile": "default"}),
    "graphs": ("torch.compile, CUDA graphs", {"compile": "reduce-overhead"}),
}
OPTIMIZERS = ("lbfgs", "adam")
WANTED_SPEEDUP = 1.2
WANTED_SIZES = (512, 2048)
WANTED_SHARE, SHARE_AT = 0.5, ("bf16", 2048)
WANTED_SECONDS, RUN_OF = 2.0, ("full", 512, 500)
ENVIRONMENT = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
"""Several processes share the GPU."""
MATRIX_REPEATS = 5


class Machine(NamedTuple):
    """Where it runs, as JAX (``None``: its default) and PyTorch call it."""

    platform: str | None
    device: str
    torch_able: bool
    kind: str

    @property
    def settings(self) -> dict[str, Any]:
        return {"platform": self.platform, "device": self.device}


def add_options(parser: argparse.ArgumentParser) -> None:
    add_cases(parser, nets=("full",), sizes=WANTED_SIZES)
    parser.add_argument(
        "--platform", choices=("gpu", "cpu"), default="gpu", help="cpu only shows that it works"
    )
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=list(PRECISIONS))
    parser.add_argument("--optimizers", nargs="+", choices=OPTIMIZERS, default=list(OPTIMIZERS))
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--repeats", type=int, default=7, help="turns of each side (default: 7)")
    parser.add_argument("--inner", type=int, default=10, help="steps in a turn (default: 10)")
    parser.add_argument(
        "--matrix", type=int, default=8192, help="rows and columns of the product (default: 8192)"
    )
    parser.add_argument("--run-size", type=int, default=512, help="px of the run (default: 512)")
    parser.add_argument("--steps", type=int, default=500, help="of the run (default: 500)")
    parser.add_argument("--fused", type=int, default=50, help="steps in one call (default: 50)")


def measure(options: argparse.Namespace) -> list[Row]:
    machine = find(options.platform)
    rows: list[Row] = []
    for precision in options.precisions:
        rows += _products(precision, machine, options)
    rates = {
        precision: max(row["tflops"] for row in rows if row["precision"] == precision)
        for precision in options.precisions
    }
    for net in options.nets:
        for size in options.sizes:
            rows += _steps(net, size, machine, rates, options)
        rows += [
            _run(net, precision, optimizer, machine, options)
            for optimizer in options.optimizers
            for precision in options.precisions
        ]
    return [{**row, "device": machine.kind} for row in rows]


def find(platform: str) -> Machine:
    """The GPU, or the CPU if that is asked for.

    Raises:
        Unavailable: there is no GPU that JAX can use.
    """
    asked = "cpu" if platform == "cpu" else None
    known = answer("accelerator.py", {"platform": asked})
    if asked is None and known["backend"] != "gpu":
        raise Unavailable(
            f"JAX finds no GPU here, only {known['backend']}: run this where there is one, after "
            "pip install 'jaxstyle[cuda]', or see with --platform cpu that it works"
        )
    able = asked == "cpu" or known["torch_cuda"]
    return Machine(asked, "cuda" if asked is None else "cpu", able, known["device"])


def _products(precision: str, machine: Machine, options: argparse.Namespace) -> list[Row]:
    rows = []
    for side in ("JAX", "PyTorch") if machine.torch_able else ("JAX",):
        asked = {"side": side, "precision": precision, "length": options.matrix}
        asked |= {"repeats": MATRIX_REPEATS, "inner": options.inner, **machine.settings}
        seconds = answer("matrix_product.py", asked)["seconds"]
        rows.append(
            {
                "what": f"Products of two matrices, {options.matrix} x {options.matrix}",
                "precision": precision,
                "side": side,
                "seconds": seconds,
                "tflops": 2 * options.matrix**3 / seconds / 1e12,
            }
        )
    return rows


def _steps(
    net: str, size: int, machine: Machine, rates: dict[str, float], options: argparse.Namespace
) -> list[Row]:
    taken = {precision: _turns(net, size, precision, machine, options) for precision in rates}
    known = _float32(taken)
    flops = flops_per_pixel(net) * size**2
    rows = []
    for precision, rate in rates.items():
        for side, found in taken[precision].items():
            row = {"what": "One step", "net": net, "size": size, "precision": precision}
            row |= figures(taken[precision], OURS, side)
            if not found.error:
                row["floor_seconds"] = flops / rate / 1e12
                row["share"] = row["floor_seconds"] / row["seconds"]
                if known is not None:
                    row["gradient_error"] = difference(found.gradient, known.gradient)
            rows.append(row)
    return rows


def _float32(taken: dict[str, dict[str, Taken]]) -> Taken | None:
    """PyTorch's gradient in float32, that the others are compared with; None if there is none."""
    found = taken.get("highest", {}).get(PEERS["eager"][0])
    return None if found is None or found.error else found


def _turns(
    net: str, size: int, precision: str, machine: Machine, options: argparse.Namespace
) -> dict[str, Taken]:
    asked = {"net": net, "size": size, "precision": precision, **machine.settings}
    sides: dict[str, Side] = {OURS: ("jaxstyle_step.py", asked)}
    for name, more in (PEERS[peer] for peer in options.peers if machine.torch_able):
        sides[name] = "torch_step.py", {**asked, **more}
    return take_turns(sides, options.repeats, inner=options.inner, environment=ENVIRONMENT)


def _run(
    net: str, precision: str, optimizer: str, machine: Machine, options: argparse.Namespace
) -> Row:
    row = {"net": net, "size": options.run_size, "precision": precision, "steps": options.steps}
    asked = {**row, "optimizer": optimizer, "fused": options.fused, **machine.settings}
    found = answer("jaxstyle_run.py", asked, ENVIRONMENT)
    return {"what": "A run", **row, "side": optimizer, **found}


def case(row: Row) -> str:
    return f"{row['what']}, on {row['device']}"


def verdicts(rows: list[Row]) -> list[str]:
    steps = [row for row in rows if row["what"] == "One step" and row["size"] in WANTED_SIZES]
    found = []
    for net, size, precision in dict.fromkeys(
        (row["net"], row["size"], row["precision"]) for row in steps
    ):
        own = [
            row
            for row in steps
            if (row["net"], row["size"], row["precision"]) == (net, size, precision)
        ]
        found += _speed_verdict(own, f"{net} net, {size} px, {PRECISIONS[precision]}")
        ours = next(row for row in own if row["side"] == OURS)
        if (precision, size) == SHARE_AT and net == "full":
            found.append(
                verdict(
                    f"{size} px in bfloat16 at {WANTED_SHARE:.0%} or more of the matrix products",
                    f"{ours['share']:.0%}",
                    ours["share"] >= WANTED_SHARE,
                )
            )
    runs = [
        row
        for row in rows
        if row["what"] == "A run" and (row["net"], row["size"], row["steps"]) == RUN_OF
    ]
    for optimizer in dict.fromkeys(row["side"] for row in runs):
        best = min(
            (row for row in runs if row["side"] == optimizer), key=lambda row: row["seconds"]
        )
        found.append(
            verdict(
                f"500 steps of {optimizer} at 512 px in less than {WANTED_SECONDS:.0f} s",
                f"{best['seconds']:.2f} s in {PRECISIONS[best['precision']]}",
                best["seconds"] < WANTED_SECONDS,
            )
        )
    return found


def _speed_verdict(rows: list[Row], of: str) -> list[str]:
    peers = [row for row in rows if row.get("speedup") is not None]
    if not peers:
        return []
    best = min(peers, key=lambda row: row["speedup"])
    return [
        verdict(
            f"{of}: at least {WANTED_SPEEDUP} times as fast as the best PyTorch",
            f"{best['speedup']:.2f} times ({best['side']})",
            best["speedup"] >= WANTED_SPEEDUP,
        )
    ]


SECTION = Section(
    name="gpu",
    title="On a GPU",
    about=(
        "The step of the first section on one GPU, in float32, in TF32 and with features in "
        "bfloat16, against PyTorch eager, `torch.compile`, and that with CUDA graphs, all "
        "channels_last and at the same precision; the sides take turns of several steps. *Share* "
        "is the floor over the seconds: the floor is the arithmetic of the convolutions, forward "
        f"and back ({flops_per_pixel('full') / 1e6:.2f} MFLOP per pixel), at the rate at which the "
        "better of JAX and PyTorch multiplies large matrices in the same precision here. "
        "*Gradient's error* is to PyTorch's in float32. Then whole runs of jaxstyle's optimisers, "
        "their steps fused by scan, without compiling."
    ),
    columns={
        "net": "VGG-19",
        "size": "px",
        "precision": "precision",
        "side": "side",
        "steps": "steps",
        "seconds": "s",
        "tflops": "TFLOP/s",
        "speedup": "jaxstyle is times as fast",
        "speedup_range": "range",
        "floor_seconds": "floor, s",
        "share": "share",
        "device_peak_mib": "peak MiB of the GPU",
        "gradient_error": "gradient's error",
        "first_seconds": "s with compiling",
        "loss": "loss",
        "note": "note",
    },
    add_options=add_options,
    measure=measure,
    verdicts=verdicts,
    remarks=(
        "Wanted: the step at least 1.2 times as fast as the best PyTorch, half of the measured "
        "bfloat16 rate at 2048 px, and 500 steps at 512 px in less than 2 s. As long as no figures "
        "stand above, none of this has been run: jaxstyle was written without a GPU at hand."
    ),
    case=case,
    needs_torch=True,
)
