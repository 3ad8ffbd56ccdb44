"""Speed on a GPU: against PyTorch, against the rate of matrix products, and a whole run.

GPUs are lent for minutes: what matters most is measured first, each row is given as it comes, a
side that fails costs its own row, and what was not reached says so.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from keeping import UNREACHED
from problem import flops_per_pixel
from section import Row, Section, Unavailable, add_cases, verdict
from turns import Side, Taken, difference, failed, figures, take_turns
from workers import Limit, WorkerFailed, WorkerLate, answer

OURS, EAGER = "jaxstyle", "PyTorch eager"
PRECISIONS = {"highest": "float32", "high": "TF32", "bf16": "bfloat16"}
PEERS = {
    "eager": (EAGER, {}),
    "compile": ("torch.compile", {"compile": "default"}),
    "graphs": ("torch.compile, CUDA graphs", {"compile": "reduce-overhead"}),
}
MULTIPLIERS = ("JAX", "PyTorch")
OPTIMIZERS = ("lbfgs", "adam")
PARTS = STEPS, RUNS = "steps", "runs"
STEP, RUN = "One step", "A run"
WANTED_SPEEDUP = 1.2
WANTED_SIZES = (512, 2048)
WANTED_SHARE, SHARE_AT = 0.5, ("bf16", 2048)
WANTED_SECONDS, RUN_OF = 2.0, ("full", 512, 500)
ENVIRONMENT = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
"""Peak memory is to be what is needed. Processes come one after another: none holds the card's
memory while another runs."""
MATRIX_REPEATS = 5
LEAST_SECONDS = 10
"""With less time left no process is started."""
MOST_SECONDS_TO_FIND = 120


class Machine(NamedTuple):
    """Where it runs, as JAX (``None``: its default) and PyTorch call it."""

    platform: str | None
    device: str
    torch_able: bool
    kind: str

    @property
    def settings(self) -> dict[str, Any]:
        return {"platform": self.platform, "device": self.device}


class Task(NamedTuple):
    """What one process measures.

    Attributes:
        about: the rows that it is to give, without figures.
        measure: gives rows, of its own with figures, and others anew for which more is known.
    """

    about: list[Row]
    measure: Callable[[Limit], Iterable[Row]]


def add_options(parser: argparse.ArgumentParser) -> None:
    add_cases(parser, nets=("full",), sizes=WANTED_SIZES)
    parser.add_argument(
        "--platform", choices=("gpu", "cpu"), default="gpu", help="cpu only shows that it works"
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=list(PRECISIONS))
    parser.add_argument("--optimizers", nargs="+", choices=OPTIMIZERS, default=list(OPTIMIZERS))
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument("--repeats", type=int, default=7, help="turns of each side (default: 7)")
    parser.add_argument("--inner", type=int, default=10, help="steps in a turn (default: 10)")
    parser.add_argument(
        "--matrix", type=int, default=8192, help="rows and columns of the product (default: 8192)"
    )
    parser.add_argument("--run-size", type=int, default=512, help="px of the run (default: 512)")
    parser.add_argument("--steps", type=int, default=500, help="of the run (default: 500)")
    parser.add_argument("--fused", type=int, default=50, help="steps in one call (default: 50)")
    parser.add_argument("--minutes", type=float, default=8.0, help="for all of it (default: 8)")
    parser.add_argument(
        "--worker-seconds",
        type=float,
        default=150.0,
        help="for each process to begin, and then for each turn (default: 150)",
    )


def measure(options: argparse.Namespace) -> Iterator[Row]:
    until = time.monotonic() + 60 * options.minutes
    machine = find(options.platform)
    late = {"note": f"no time for it within {options.minutes:g} minutes", UNREACHED: True}
    with tempfile.TemporaryDirectory() as folder:
        tasks = _Tasks(machine, options, folder).by_importance()
        # First, so that they are there however it ends.
        for row in _as_on_the_page([row for task in tasks for row in task.about]):
            yield {**row, **late, "device": machine.kind}
        for task in tasks:
            if until - time.monotonic() < LEAST_SECONDS:
                return
            try:
                rows = list(task.measure(Limit(options.worker_seconds, until)))
            except WorkerFailed as error:
                no_time = isinstance(error, WorkerLate) and time.monotonic() >= until
                rows = [
                    {**row, **(late if no_time else {"note": str(error)})} for row in task.about
                ]
            for row in rows:
                yield {**row, "device": machine.kind}


def find(platform: str) -> Machine:
    """The GPU, or the CPU if that is asked for.

    Raises:
        Unavailable: there is no GPU that JAX can use.
    """
    asked = "cpu" if platform == "cpu" else None
    known = answer("accelerator.py", {"platform": asked}, limit=Limit(MOST_SECONDS_TO_FIND))
    if asked is None and known["backend"] != "gpu":
        raise Unavailable(
            f"JAX finds no GPU here, only {known['backend']}: run this where there is one, after "
            "pip install 'jaxstyle[cuda]', or see with --platform cpu that it works"
        )
    device = "cuda" if asked is None else "cpu"
    return Machine(asked, device, known["torch_works"], known["device"])


def _as_on_the_page(rows: list[Row]) -> list[Row]:
    sides = [*MULTIPLIERS, OURS, *(name for name, _ in PEERS.values()), *OPTIMIZERS]

    def place(row: Row) -> tuple[int, ...]:
        what = (STEP, RUN).index(row["what"]) if row["what"] in (STEP, RUN) else -1
        known = (list(PRECISIONS).index(row["precision"]), sides.index(row["side"]))
        return (what, row.get("size", 0), *known)

    return sorted(rows, key=place)


class _Tasks:
    """What there is to do, and what is known so far."""

    def __init__(self, machine: Machine, options: argparse.Namespace, folder: str) -> None:
        self.machine, self.options = machine, options
        self.rates: dict[str, float] = {}
        self.taken: dict[tuple[str, int], dict[tuple[str, str], Taken]] = {}
        # One cache for all: with CUDA graphs torch compiles the same once more.
        self.environment = {**ENVIRONMENT, "TORCHINDUCTOR_CACHE_DIR": f"{folder}/inductor"}

    def by_importance(self) -> list[Task]:
        """The first size against PyTorch eager, then against the others; then the other sizes, the
        precision of which most is wanted first; then the runs."""
        options = self.options
        tasks = []
        if STEPS in options.parts:
            tasks += [self._products(side) for side in MULTIPLIERS]
        for net in options.nets if STEPS in options.parts else ():
            for place, size in enumerate(options.sizes):
                order = options.precisions if place == 0 else options.precisions[::-1]
                eager = [peer for peer in options.peers if peer == "eager"]
                others = [peer for peer in options.peers if peer != "eager"]
                for precision in order:
                    tasks.append(self._step(net, size, precision, None))
                    tasks += [self._step(net, size, precision, peer) for peer in eager]
                tasks += [self._step(net, size, asked, peer) for peer in others for asked in order]
        if RUNS in options.parts:
            tasks += [
                self._run(net, precision, optimizer)
                for net in options.nets
                for precision in options.precisions
                for optimizer in options.optimizers
            ]
        return tasks

    def _products(self, side: str) -> Task:
        options, length = self.options, self.options.matrix
        about = {"what": f"Products of two matrices, {length} x {length}", "side": side}
        rows = [{**about, "precision": precision} for precision in options.precisions]

        def measure(limit: Limit) -> list[Row]:
            if side != "JAX" and not self.machine.torch_able:
                return _without_torch(rows)
            asked = {"side": side, "precisions": options.precisions, "length": length}
            asked |= {"repeats": MATRIX_REPEATS, "inner": options.inner, **self.machine.settings}
            seconds = answer("matrix_product.py", asked, self.environment, limit)["seconds"]
            found = []
            for row in rows:
                precision, each = row["precision"], seconds[row["precision"]]
                rate = 2 * length**3 / each
                self.rates[precision] = max(self.rates.get(precision, 0.0), rate)
                found.append({**row, "seconds": each, "tflops": rate / 1e12})
            return found

        return Task(rows, measure)

    def _step(self, net: str, size: int, precision: str, peer: str | None) -> Task:
        """Of ours, or of a peer."""
        side, more = (OURS, {}) if peer is None else PEERS[peer]
        about = {"what": STEP, "net": net, "size": size, "precision": precision, "side": side}
        asked = {"net": net, "size": size, "precision": precision, **self.machine.settings, **more}
        worker: Side = ("jaxstyle_step.py" if peer is None else "torch_step.py", asked)

        def measure(limit: Limit) -> list[Row]:
            if peer is not None and not self.machine.torch_able:
                return _without_torch([about])
            options = self.options
            found = take_turns(
                {side: worker},
                options.repeats,
                inner=options.inner,
                environment=self.environment,
                limit=limit,
            )[side]
            if found.late:
                raise WorkerLate(found.error or "")
            self.taken.setdefault((net, size), {})[precision, side] = found
            return self._rows(net, size)

        return Task([about], measure)

    def _rows(self, net: str, size: int) -> list[Row]:
        """All of a net and size so far: a later side may be what earlier ones are compared with."""
        taken = self.taken[net, size]
        exact = taken.get(("highest", EAGER))
        rows = []
        for (precision, side), found in taken.items():
            row = {"what": STEP, "net": net, "size": size, "precision": precision}
            ours = taken.get((precision, OURS), failed("it comes before its peers"))
            row |= figures({OURS: ours, side: found}, OURS, side)
            if not found.error:
                if precision in self.rates:
                    row["floor_seconds"] = flops_per_pixel(net) * size**2 / self.rates[precision]
                    row["share"] = row["floor_seconds"] / row["seconds"]
                if exact is not None and not exact.error:
                    row["gradient_error"] = difference(found.gradient, exact.gradient)
            rows.append(row)
        return rows

    def _run(self, net: str, precision: str, optimizer: str) -> Task:
        options = self.options
        row = {"net": net, "size": options.run_size, "precision": precision}
        row["steps"] = options.steps
        about = {"what": RUN, **row, "side": optimizer}
        asked = {**row, "optimizer": optimizer, "fused": options.fused, **self.machine.settings}

        def measure(limit: Limit) -> list[Row]:
            return [{**about, **answer("jaxstyle_run.py", asked, self.environment, limit)}]

        return Task([about], measure)


def _without_torch(rows: list[Row]) -> list[Row]:
    return [{**row, "note": "PyTorch is not installed here, or sees no GPU"} for row in rows]


def case(row: Row) -> str:
    return f"{row['what']}, on {row['device']}"


def key(row: Row) -> tuple[Any, ...]:
    names = ("device", "what", "net", "size", "precision", "side", "steps")
    return tuple(row.get(name) for name in names)


def verdicts(rows: list[Row]) -> list[str]:
    devices = dict.fromkeys(row["device"] for row in rows)
    return [
        sentence if len(devices) == 1 else f"{device}: {sentence}"
        for device in devices
        for sentence in _verdicts([row for row in rows if row["device"] == device])
    ]


def _verdicts(rows: list[Row]) -> list[str]:
    """Of one device."""
    found = []
    steps = [row for row in rows if row["what"] == STEP and row["size"] in WANTED_SIZES]
    names = ("net", "size", "precision")
    for group in dict.fromkeys(tuple(row[name] for name in names) for row in steps):
        own = [row for row in steps if tuple(row[name] for name in names) == group]
        found += _speed_verdict(own)
        net, size, precision = group
        ours = next((row for row in own if row["side"] == OURS), {})
        if (precision, size) == SHARE_AT and net == "full" and "share" in ours:
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
        if row["what"] == RUN and (row["net"], row["size"], row["steps"]) == RUN_OF
    ]
    for optimizer in dict.fromkeys(row["side"] for row in runs):
        own = [row for row in runs if row["side"] == optimizer]
        wanted = f"500 steps of {optimizer} at 512 px in less than {WANTED_SECONDS:.0f} s"
        measured = [row for row in own if "seconds" in row]
        if not measured:
            found.append(f"{wanted}: not measured, {own[0].get('note', 'no figure')}")
            continue
        best = min(measured, key=lambda row: row["seconds"])
        seconds = f"{best['seconds']:.2f} s in {PRECISIONS[best['precision']]}"
        found.append(verdict(wanted, seconds, best["seconds"] < WANTED_SECONDS))
    return found


def _speed_verdict(rows: list[Row]) -> list[str]:
    """Of the sides of one step; those without figures are named."""
    peers = [row for row in rows if row["side"] != OURS]
    if not peers:
        return []
    of = f"{rows[0]['net']} net, {rows[0]['size']} px, {PRECISIONS[rows[0]['precision']]}"
    wanted = f"{of}: at least {WANTED_SPEEDUP} times as fast as the best PyTorch"
    measured = [row for row in peers if row.get("speedup") is not None]
    if not measured:
        why = next((row["note"] for row in rows if row.get("note")), "no figure")
        return [f"{wanted}: not measured, {why}"]
    best = min(measured, key=lambda row: row["speedup"])
    missing = ", ".join(row["side"] for row in peers if row not in measured)
    without = f"; without figures: {missing}" if missing else ""
    told = f"{best['speedup']:.2f} times ({best['side']}{without})"
    return [verdict(wanted, told, best["speedup"] >= WANTED_SPEEDUP)]


SECTION = Section(
    name="gpu",
    title="On a GPU",
    about=(
        "The step of the first section on one GPU, in float32, in TF32 and with features in "
        "bfloat16, against PyTorch eager, `torch.compile`, and that with CUDA graphs, all "
        "channels_last and at the same precision. The sides come one after another, so that each "
        "has the card and its memory for itself; seconds are the median of several turns of "
        "several steps. *Share* is the floor over the seconds: the floor is the arithmetic of the "
        "convolutions, forward "
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
        "bfloat16 rate at 2048 px, and 500 steps at 512 px in less than 2 s. Where no figures "
        "stand above, it has not been run: GPUs were at hand for minutes, if at all. What a "
        "command did not reach in its minutes, another with `--keep` adds."
    ),
    case=case,
    key=key,
)
