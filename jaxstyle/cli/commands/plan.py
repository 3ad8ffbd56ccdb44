"""``jaxstyle plan``: what a run will need, before anything runs."""

from __future__ import annotations

import argparse
import json
import math
import operator
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jaxstyle.cli.options.inputs import add_input_options, inputs_from
from jaxstyle.cli.options.limits import add_memory_option, memory_from
from jaxstyle.cli.options.settings import add_settings, settings_from
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
        help="memory and time of a run, before it runs",
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
    from rich.console import Console
    from rich.table import Table

    from jaxstyle.run.prepare import prepare
    from jaxstyle.run.step_timing import seconds_per_pixel, step_seconds
    from jaxstyle.run.strategy import free_memory, way_of
    from jaxstyle.runtime.compilation_cache import keep_compiled_programs

    config, limit = settings_from(arguments), memory_from(arguments)
    job = prepare(**inputs_from(arguments), config=config, max_memory=limit)
    begun()
    keep_compiled_programs()
    each = seconds_per_pixel(job)
    last = len(job.sizes) - 1
    taken = way_of(job.config, job.network.architecture, *job.sizes[last])
    rows = []
    for mesh, way in _all_ways(config.resolved(), job):
        times = [
            step_seconds(job, level, way.strategy, way.tile, each, way.recompute_content)
            for level in range(last + 1)
        ]
        if mesh is not None:  # at best; on CPU the devices share the same cores
            times = [seconds / _computing(mesh) for seconds in times]
        chosen = mesh == job.config.mesh and way[:3] + way[4:] == taken[:3] + taken[4:]
        if chosen:  # perhaps with less history than was asked for
            way = taken
        rows.append(
            {
                "strategy": way.strategy,
                "mesh": mesh,
                "tile": way.tile,
                "offload": way.offload,
                "recompute_content": way.recompute_content,
                "history": job.config.history if chosen else config.history,
                "bytes": round(way.needed),
                "seconds_per_step": times[last],
                "seconds": sum(map(operator.mul, times, job.steps)),
                "chosen": chosen,
            }
        )
    width, height = job.sizes[last]
    if arguments.json:
        found = {
            "width": width,
            "height": height,
            "levels": [list(size) for size in job.sizes],
            "history": job.config.history,
            "plan": job.plan,
            "ways": rows,
        }
        json.dump(found, sys.stdout, indent=2)
        print()
        return 0
    table = Table("strategy", "memory", "a step", "in all", "")
    for row in rows:
        name = _name(row)
        if row["history"] != config.history:
            name += f", history {row['history']}"
        table.add_row(
            name,
            format_bytes(row["bytes"]),
            _time(row["seconds_per_step"]),
            _time(row["seconds"]),
            "chosen" if row["chosen"] else "",
        )
    console = Console(highlight=False)
    console.print(
        f"{width}x{height}, {len(job.sizes)} sizes of {job.config.steps} steps, "
        f"{job.config.optimizer}, {job.network.source.split(':')[0]}",
        markup=False,
    )
    console.print(table)
    console.print(
        f"{format_bytes(limit or free_memory())} {'allowed' if limit else 'free'}; stylize would "
        f"run {job.plan}. Compilation adds some seconds a size.",
        markup=False,
    )
    return 0


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
    """What a way is called, with the memory that is told: of each device on a mesh."""
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
