"""Seconds of one value-and-gradient step, against PyTorch eager and torch.compile."""

from __future__ import annotations

import argparse

import numpy as np
from section import Row, Section, add_cases, verdict
from turns import Side, difference, figures, take_turns

OURS, EAGER, COMPILE = "jaxstyle", "PyTorch eager", "torch.compile"
SIDES: dict[str, Side] = {
    OURS: ("jaxstyle_step.py", {}),
    EAGER: ("torch_step.py", {}),
    COMPILE: ("torch_step.py", {"compile": "default"}),
}
PEERS = {"eager": EAGER, "compile": COMPILE}
WANTED = {EAGER: 1.5, COMPILE: 1.2}
WANTED_AT = "full", 512
LARGEST_EXACT = 256
"""px; a step in float64 takes long and much memory."""


def add_options(parser: argparse.ArgumentParser) -> None:
    add_cases(parser)
    parser.add_argument("--repeats", type=int, default=7, help="steps of each side (default: 7)")
    parser.add_argument(
        "--peers", nargs="+", choices=PEERS, default=list(PEERS), help="default: both"
    )


def measure(options: argparse.Namespace) -> list[Row]:
    sides = [OURS, *(PEERS[name] for name in options.peers)]
    return [
        row
        for net in options.nets
        for size in options.sizes
        for row in _case(net, size, options.repeats, sides)
    ]


def _case(net: str, size: int, repeats: int, sides: list[str]) -> list[Row]:
    """One row for each side."""
    asked = {"net": net, "size": size}
    taken = take_turns(
        {
            side: (script, {**asked, **more})
            for side, (script, more) in SIDES.items()
            if side in sides
        },
        repeats,
    )
    rows = [{**asked, **figures(taken, OURS, side)} for side in taken]
    if size <= LARGEST_EXACT:
        exact = _exact(net, size)
        for row in rows:
            found = taken[row["side"]]
            if exact is not None and not found.error:
                row["gradient_error"] = difference(found.gradient, exact)
    return rows


def _exact(net: str, size: int) -> np.ndarray | None:
    """The gradient in float64, by PyTorch; None where it fails."""
    asked = {"net": net, "size": size, "precision": "float64"}
    (found,) = take_turns({EAGER: ("torch_step.py", asked)}, repeats=0).values()
    return None if found.error else found.gradient


def verdicts(rows: list[Row]) -> list[str]:
    found = []
    for row in rows:
        wanted = WANTED.get(row["side"])
        if wanted is None or (row["net"], row["size"]) != WANTED_AT:
            continue
        goal = f"VGG-19 at 512 px at least {wanted} times as fast as {row['side']}"
        if row.get("speedup") is None:
            found.append(f"{goal}: not measured, {row.get('note', 'no figure')}")
            continue
        low, high = row["speedup_range"]
        measured = f"{row['speedup']:.2f} times ({low:.2f} to {high:.2f})"
        found.append(verdict(goal, measured, row["speedup"] >= wanted))
    return found


SECTION = Section(
    name="step",
    title="One step against PyTorch",
    about=(
        "The loss and its gradient for a square picture: five Gram matrices and one content layer "
        "of VGG-19 up to conv5_1 with average pooling, float32. jaxstyle, PyTorch eager and "
        "`torch.compile` (both channels_last, all cores) have the same weights, picture and loss, "
        "and take turns step by step. *Times as fast* is the peer's seconds over ours, pair by "
        "pair: above 1 jaxstyle is faster. Peak memory is the most that the process ever held, "
        "with compiling and targets. *Differs from ours* is relative; *error* is that of each "
        "side's gradient to PyTorch's in float64, so that one sees whose rounding it is."
    ),
    columns={
        "net": "VGG-19",
        "size": "px",
        "side": "side",
        "seconds": "s per step",
        "speedup": "jaxstyle is times as fast",
        "speedup_range": "range",
        "first_step_seconds": "s to first step",
        "peak_mib": "peak MiB",
        "loss_difference": "loss differs from ours",
        "gradient_difference": "gradient differs from ours",
        "gradient_error": "gradient's error",
        "note": "note",
    },
    add_options=add_options,
    measure=measure,
    verdicts=verdicts,
    remarks=(
        "The full network gains by Winograd's way through its wide layers (see below). The slim "
        "one has none: its layers of 16 to 128 channels go through XLA's own convolution, which "
        "with so few channels is slower than oneDNN's, that PyTorch has. Tried for it without "
        "gain: pooling by slices, Winograd's way in one dimension or in strips, Gram matrices "
        "contracted in four dimensions; the first layer as a matrix product (8 % faster, but "
        "slower in the full network); other settings of the allocator (faster, for 60 % more "
        "memory). Channels first was tried for both networks, in plain JAX without Winograd's way, "
        "at 256 px: value and gradient took 1.00 and 1.06 times as long as channels last with the "
        "slim one, 1.16 and 1.22 times with the full one (medians of 7 turns, in two runs on 2 "
        "cores beside other work). The "
        "first layer was blocked in no other way than as that product. XLA fuses biases and ReLUs "
        "by itself; what ReLUs and Gram matrices keep for the way back is our own choice, which "
        "with the order of operations halved what a step holds."
    ),
    needs_torch=True,
)
