"""``jaxstyle plan``: what a run will need, before anything runs."""

from __future__ import annotations

import argparse
import json
import math
import operator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jaxstyle.cli.options.inputs import add_input_options, inputs_from
from jaxstyle.cli.options.limits import add_memory_option, memory_from
from jaxstyle.cli.options.settings import add_settings, settings_from
from jaxstyle.cli.report.messages import tell
from jaxstyle.errors import counted, printable
from jaxstyle.runtime.interrupts import begun
from jaxstyle.runtime.memory import format_bytes

if TYPE_CHECKING:
    from jaxstyle.config.stylize_config import StylizeConfig
    from jaxstyle.run.job import Job
    from jaxstyle.run.strategy import Way


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "plan",
        description="Print what memory and time stylize would need with these settings, in each "
        "way of computing the gradient, and which way it would choose. The time comes from a "
        "short measurement, kept for later.",
        epilog="Example: jaxstyle plan photo.jpg painting.jpg --size 4000",
    )
    add_input_options(parser)
    add_memory_option(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_settings(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prepare, measure, print."""
    from jaxstyle.run.prepare import prepare
    from jaxstyle.runtime.compilation_cache import keep_compiled_programs

    config, limit = settings_from(arguments), memory_from(arguments)
    job = prepare(**inputs_from(arguments), config=config, max_memory=limit)
    begun()
    keep_compiled_programs(tell)
    rows = _rows(config, job)
    if arguments.json:
        width, height = job.sizes[-1]
        summary = {
            "width": width,
            "height": height,
            "levels": [list(size) for size in job.sizes],
            "history": job.config.history,
            "plan": job.plan,
            "ways": rows,
        }
        print(json.dumps(summary, indent=2))
    else:
        _show(rows, config, job, limit)
    return 0


def _rows(config: StylizeConfig, job: Job) -> list[dict[str, Any]]:
    """Memory and time of each way of computing the gradient, as measured on this machine."""
    from jaxstyle.run.step_timing import seconds_per_pixel, step_seconds
    from jaxstyle.run.strategy import way_of

    pixel_seconds = seconds_per_pixel(job)
    chosen_way = way_of(job.config, job.network.architecture, *job.sizes[-1])
    rows = []
    for mesh, way in _all_ways(config.resolved(), job):
        computing = 1 if mesh is None else _computing(mesh)
        times = [  # at best; on CPU the devices share the same cores
            step_seconds(job, level, way.strategy, way.tile, pixel_seconds, way.recompute_content)
            / computing
            for level in range(len(job.sizes))
        ]
        chosen = mesh == job.config.mesh and way[:3] + way[4:] == chosen_way[:3] + chosen_way[4:]
        if chosen:  # perhaps with less history than was asked for
            way = chosen_way
        rows.append(
            {
                "strategy": way.strategy,
                "mesh": mesh,
                "tile": way.tile,
                "offload": way.offload,
                "recompute_content": way.recompute_content,
                "history": job.config.history if chosen else config.history,
                "bytes": round(way.needed),
                "seconds_per_step": times[-1],
                "seconds": sum(map(operator.mul, times, job.steps)),
                "chosen": chosen,
            }
        )
    return rows


def _show(rows: list[dict[str, Any]], config: StylizeConfig, job: Job, limit: int | None) -> None:
    """Print a table of the ways, what the run is, and which way it would take."""
    from rich.console import Console
    from rich.table import Table

    from jaxstyle.run.strategy import free_memory

    table = Table("strategy", "memory", "a step", "in all", "")
    for row in rows:
        less = f", history {row['history']}" if row["history"] != config.history else ""
        table.add_row(
            _name(row) + less,
            format_bytes(row["bytes"]),
            _time(row["seconds_per_step"]),
            _time(row["seconds"]),
            "chosen" if row["chosen"] else "",
        )
    width, height = job.sizes[-1]
    console = Console(highlight=False)
    console.print(
        f"{width}x{height}, {counted(len(job.sizes), 'size')} of {job.config.steps} steps, "
        f"{job.config.optimizer}, {printable(job.network.source.split(':')[0])}",
        markup=False,
    )
    console.print(table)
    console.print(
        f"{format_bytes(limit or free_memory())} {'allowed' if limit else 'free'}; stylize would "
        f"run {job.plan}. Compilation adds some seconds a size.",
        markup=False,
    )


def _all_ways(config: StylizeConfig, job: Job) -> list[tuple[str | None, Way]]:
    """Those that ``stylize`` chooses from; where it is given no mesh, also those on all devices."""
    import jax

    from jaxstyle.run.strategy import ways

    meshes = [config.mesh]
    divisible = config.tileable and config.optimizer != "scipy"
    if config.mesh is None and divisible and jax.device_count() > 1:
        meshes.append(f"{jax.device_count()}x1")
    return [
        (mesh, way)
        for mesh in meshes
        for way in ways(replace(config, mesh=mesh), job.network.architecture, *job.sizes[-1])
    ]


def _computing(mesh: str) -> int:
    """How many devices of a mesh compute side by side."""
    import jax

    from jaxstyle.objective.partitioned.device_mesh import mesh_shape

    return 1 if jax.default_backend() == "cpu" else math.prod(mesh_shape(mesh))


def _name(row: dict[str, Any]) -> str:
    """What a way is called, with whose memory it is: that of each device on a mesh."""
    name = row["strategy"] if row["mesh"] is None else f"sharded {row['mesh']}"
    name += f", {row['tile']} px tiles" if row["tile"] else ""
    name += ", offloaded" if row["offload"] else ""
    name += ", content again" if row["recompute_content"] else ""
    return name + (" (each device)" if row["mesh"] else "")


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.2g} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
