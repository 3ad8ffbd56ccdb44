"""What ``convert-weights --verify`` prints: each layer's statistics, and what is right or wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from jaxstyle.network.network import Network
from jaxstyle.network.weights.convert import Conversion
from jaxstyle.network.weights.download.known_files import KNOWN_FILES
from jaxstyle.network.weights.fingerprints import CAFFE, TORCHVISION, Identity, identify
from jaxstyle.network.weights.layer_statistics import LayerStatistics, looks_normalised

_STD_TOLERANCE = 0.01


class Check(NamedTuple):
    """One thing that was compared.

    Attributes:
        name: what.
        right: None if there was nothing to compare with.
        finding: in words.
    """

    name: str
    right: bool | None
    finding: str


def checks(
    path: Path,
    conversion: Conversion,
    statistics: Sequence[LayerStatistics],
    judged: str | None,
) -> list[Check]:
    """Compare a network with what is known of its source.

    Args:
        path: the file that it was read from.
        statistics: of max pooling.
        judged: its family by statistics.
    """
    network = conversion.network
    identity = identify(np.asarray(network.params["conv1_1"]["kernel"]))
    return [
        _bytes(path, conversion),
        _filters(conversion, identity),
        *_kernels(identity, statistics),
        _family(network, identity, judged),
        _normalisation(network, identity, statistics),
    ]


def show(
    conversion: Conversion,
    statistics: Sequence[LayerStatistics],
    found: Sequence[Check],
    pictures: str,
) -> None:
    """Print all of it to standard output."""
    console = Console(highlight=False, soft_wrap=True)
    table = Table(title=f"after ReLU, max pooling, on {pictures}")
    table.add_column("layer")
    for column in ("mean", "spread", "silent", "dead", "kernel std", "bias mean"):
        table.add_column(column, justify="right")
    for layer in statistics:
        table.add_row(
            layer.layer,
            f"{layer.mean:.4g}",
            f"{layer.spread:.2f}",
            f"{layer.silent:.0%}",
            f"{layer.dead:.1%}",
            f"{layer.kernel_std:.5f}",
            f"{layer.bias_mean:+.5f}",
        )
    console.print(table)
    console.print(f"source: {conversion.network.source}", markup=False)
    for algorithm, digest in sorted(conversion.digests.items()):
        console.print(f"{algorithm}: {digest}", markup=False)
    marks = {True: "right", False: "WRONG", None: "  ?  "}
    for check in found:
        console.print(f"{marks[check.right]}  {check.name}: {check.finding}", markup=False)


def family_of(network: Network) -> str:
    """The family that a network's preprocessing belongs to."""
    return CAFFE if float(network.preprocessing.scale) > 1 else TORCHVISION


def _bytes(path: Path, conversion: Conversion) -> Check:
    name = "bytes"
    if conversion.known:
        sums = [sum for sum in conversion.known.checksums if sum.algorithm in conversion.digests]
        first = next(sum for sum in sums if sum.matches(conversion.digests[sum.algorithm]))
        how = "whole" if first.whole else "first digits of"
        return Check(
            name, True, f"{conversion.known.name}, by its {how} {first.algorithm} ({first.origin})"
        )
    named = [known for known in KNOWN_FILES if known.file == path.name and known.checksums]
    if named:
        return Check(name, False, f"called as {named[0].name} is, but with other bytes")
    if conversion.layout == "jaxstyle":
        return Check(name, None, "a converted file; its source was checked when it was converted")
    return Check(name, None, "no published checksum is known for this file")


def _filters(conversion: Conversion, identity: Identity | None) -> Check:
    name, known = "first filters", conversion.known
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
    return Check(name, True, finding)


def _kernels(identity: Identity | None, statistics: Sequence[LayerStatistics]) -> Iterator[Check]:
    if identity is None or identity.rescaled or not identity.network.kernel_std:
        return
    known = identity.network.kernel_std
    compared = [layer for layer in statistics if layer.layer in known]
    off = [
        layer
        for layer in compared
        if abs(layer.kernel_std / known[layer.layer] - 1) > _STD_TOLERANCE
    ]
    if off:
        wanted = known[off[0].layer]
        finding = f"{off[0].layer} has std {off[0].kernel_std:.5f}, known is {wanted:.5f}"
    else:
        finding = f"std as known, {compared[0].layer} to {compared[-1].layer}"
    yield Check("kernels", not off, finding)


def _family(network: Network, identity: Identity | None, judged: str | None) -> Check:
    name, prepared = "input", family_of(network)
    by_statistics = f"by statistics {judged or 'not clear'}"
    if identity is not None:
        family = identity.network.family
        return Check(
            name,
            family == prepared,
            f"prepared as for {prepared}; by its filters {family}, {by_statistics}",
        )
    right = None if judged is None else judged == prepared
    return Check(name, right, f"prepared as for {prepared}; {by_statistics}")


def _normalisation(
    network: Network, identity: Identity | None, statistics: Sequence[LayerStatistics]
) -> Check:
    looks, says = looks_normalised(statistics), network.normalised
    means = [layer.mean for layer in statistics]
    finding = (
        f"recorded as {'normalised' if says else 'original'}; layer means {min(means):.3g} to "
        f"{max(means):.3g}"
    )
    if identity is not None and not says:
        # An original network whose means happen to be near 1 is still an original.
        return Check("scale", not identity.rescaled, finding)
    return Check("scale", looks == says, finding)
