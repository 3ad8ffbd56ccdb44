"""What ``convert-weights --verify`` prints: checksums, whose first filters, and layer means."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from jaxstyle.errors import printable
from jaxstyle.network.weights.convert import Conversion
from jaxstyle.network.weights.download.known_files import KNOWN_FILES
from jaxstyle.network.weights.fingerprints import identify
from jaxstyle.network.weights.normalise import dead_filters


class Check(NamedTuple):
    """One thing that was compared; ``right`` is None if there was nothing to compare with."""

    name: str
    right: bool | None
    finding: str


def checks(path: Path, conversion: Conversion) -> list[Check]:
    """Compare what was read from ``path`` with what is known of its source."""
    return [_bytes(path, conversion), _filters(conversion)]


def show(
    conversion: Conversion, means: dict[str, np.ndarray], found: list[Check], pictures: str
) -> None:
    """Print all of it to standard output.

    Args:
        means: layer -> mean activation of each filter.
        pictures: over which, in words.
    """
    console = Console(highlight=False, soft_wrap=True)
    table = Table(title=f"after ReLU, max pooling, on {pictures}")
    for column in ("layer", "mean", "dead filters"):
        table.add_column(column, justify="left" if column == "layer" else "right")
    for layer, filters in means.items():
        table.add_row(layer, f"{filters.mean():.4g}", str(dead_filters(filters).sum()))
    console.print(table)
    console.print(printable(f"source: {conversion.network.source}"), markup=False)
    for algorithm, digest in sorted(conversion.digests.items()):
        console.print(f"{algorithm}: {digest}", markup=False)
    marks = {True: "right", False: "WRONG", None: "  ?  "}
    for check in found:
        line = f"{marks[check.right]}  {check.name}: {check.finding}"
        console.print(printable(line), markup=False)


def _bytes(path: Path, conversion: Conversion) -> Check:
    name, known = "bytes", conversion.known
    if known:
        sums = [sum for sum in known.checksums if sum.algorithm in conversion.digests]
        first = next(sum for sum in sums if sum.matches(conversion.digests[sum.algorithm]))
        how = "whole" if first.whole else "first digits of"
        return Check(name, True, f"{known.name}, by its {how} {first.algorithm} ({first.origin})")
    named = [known for known in KNOWN_FILES if known.file == path.name and known.checksums]
    if named:
        return Check(name, False, f"called as {named[0].name} is, but with other bytes")
    if conversion.layout == "jaxstyle":
        return Check(name, None, "a converted file; its source was checked when it was converted")
    return Check(name, None, "no published checksum is known for this file")


def _filters(conversion: Conversion) -> Check:
    name, known, network = "first filters", conversion.known, conversion.network
    identity = identify(np.asarray(network.params["conv1_1"]["kernel"]))
    if identity is None:
        expected = known.network if known else None
        return Check(name, False if expected else None, "of no network that is known here")
    finding = f"those of {identity.network.title}" + (", rescaled" if identity.rescaled else "")
    if known and known.network not in (None, identity.network.name):
        return Check(name, False, f"{finding}, but this should be {known.network}")
    if identity.order != "RGB":
        return Check(name, False, f"{finding}, with red and blue exchanged")
    if identity.orientation != "upright":
        return Check(name, False, f"{finding}, {identity.orientation}")
    prepared = "caffe" if float(network.preprocessing.scale) > 1 else "torchvision"
    if identity.network.family != prepared:
        return Check(name, False, f"{finding}, but prepared as for {prepared}")
    if identity.rescaled and not network.normalised:
        return Check(name, False, f"{finding}, but recorded as original")
    return Check(name, True, finding)
