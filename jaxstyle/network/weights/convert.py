"""From a weight file of any known kind to a ``Network``, whatever it is called.

A file's kind is told by its first bytes. What the network was fed is told, in this order, by the
user, by the file itself (unless its first filters are somebody's who is known, and contradict it),
by its checksum, by the beginning of a checksum in its name, and by its first filters; failing all
these, the file is refused, for a guess would make pictures that look almost right.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from jaxstyle.errors import WeightFileError
from jaxstyle.network.network import Network, checked_network
from jaxstyle.network.preprocessing import preprocessing
from jaxstyle.network.weights.download.checksums import digests, mismatch
from jaxstyle.network.weights.download.known_files import (
    INPUTS,
    KNOWN_FILES,
    Checksum,
    KnownFile,
    algorithms_for,
    known_by_digest,
    known_by_name,
)
from jaxstyle.network.weights.fingerprints import Identity, identify
from jaxstyle.network.weights.native import network_of
from jaxstyle.network.weights.read_apart import read_apart
from jaxstyle.network.weights.readers.raw_weights import RawWeights, TrainedInput

FAMILIES = ("caffe", "torchvision")


@dataclass(frozen=True)
class Conversion:
    """A converted file and how it was understood.

    Attributes:
        network: for RGB pictures in [0, 1].
        layout: what kind of file it was, e.g. ``torch-zip``.
        digests: algorithm -> digest of the file, SHA-256 among them.
        known: the published file that it is; None if it is none, or that is not known.
        identity: whose first filters it has; None if nobody's that is known.
        told_by: what told how its input must be prepared.
    """

    network: Network
    layout: str
    digests: dict[str, str]
    known: KnownFile | None
    identity: Identity | None
    told_by: str


def convert(
    path: str | os.PathLike[str],
    *,
    input: str | None = None,
    upto: str | None = None,
    checksums: Sequence[Checksum] = (),
) -> Conversion:
    """Read a weight file of any known kind. The classifier is never read.

    Args:
        input: ``caffe`` or ``torchvision``, what the network was fed; by default found out.
        upto: the deepest convolution to keep, e.g. ``conv5_1``; all by default.
        checksums: what the file must hash to, checked before it is opened by any reader.

    Raises:
        WeightFileError: the file is missing, damaged, malicious or of no known kind, or nothing
            tells how its input must be prepared.
    """
    path = Path(path)
    if input is not None and input not in FAMILIES:
        raise WeightFileError(f"input is {input!r}; it must be one of {', '.join(FAMILIES)}")
    sums = _checked_digests(path, checksums)
    known = known_by_digest(sums) or known_by_name(path.name, sums["sha256"])
    read = read_apart(path)
    identity = identify(read.layers["conv1_1"][0]) if "conv1_1" in read.layers else None
    if read.about is not None:
        network, told_by = network_of(read), "the file itself"
    else:
        _refuse_turned(path, identity)
        trained, told_by = _trained_input(path, read, input, known, identity)
        network = replace(
            network_from(read, trained, source=_source_line(path, read, known, identity)),
            source_sha256=sums["sha256"],
            normalised=_is_normalised(known, identity),
            attribution=identity.network.attribution if identity else "",
        )
    network = network if upto is None else network.upto(upto)
    return Conversion(network, read.layout, sums, known, identity, told_by)


def network_from(raw: RawWeights, trained: TrainedInput, *, source: str) -> Network:
    """Make a network for RGB pictures of weights trained on other input.

    Kernels trained on BGR are flipped to RGB along their inputs, which is exact. The mean stays a
    subtraction, for zero padding comes after it.

    Raises:
        WeightFileError: a layer is missing, has a wrong shape, or holds NaN or infinity.
    """
    layers, mean, std = dict(raw.layers), trained.mean, trained.std
    if trained.order == "BGR" and "conv1_1" in layers:
        kernel, bias = layers["conv1_1"]
        layers["conv1_1"] = np.ascontiguousarray(kernel[:, :, ::-1]), bias
        mean, std = mean[::-1], std[::-1]
    return checked_network(layers, preprocessing(trained.scale, mean, std), source=source)


def _checked_digests(path: Path, checksums: Sequence[Checksum]) -> dict[str, str]:
    if not path.is_file():
        raise WeightFileError(f"there is no weight file {path}")
    if wrong := mismatch(path, checksums):
        raise WeightFileError(f"{path} is not the file it should be: {wrong}")
    sums = digests(path, algorithms_for(path.stat().st_size))
    promised = next((known for known in KNOWN_FILES if known.file == path.name), None)
    for checksum in promised.checksums if promised else ():
        digest = sums.get(checksum.algorithm, "")
        if checksum.digest in path.name and not checksum.matches(digest):
            raise WeightFileError(
                f"{path} is damaged: its name promises {checksum}, but it has {digest}: download "
                "it again (or rename it, if it is another file)"
            )
    return sums


def _refuse_turned(path: Path, identity: Identity | None) -> None:
    if identity and identity.orientation != "upright":
        raise WeightFileError(
            f"{path} holds {identity.network.title} with its kernels {identity.orientation}: it "
            "was written wrongly; get the weights from elsewhere"
        )


def _trained_input(
    path: Path,
    raw: RawWeights,
    input: str | None,
    known: KnownFile | None,
    identity: Identity | None,
) -> tuple[TrainedInput, str]:
    """What the network was fed, and what told so."""
    if input is not None:
        return INPUTS[input], f"--input {input}"
    if raw.input is not None and _agree(raw.input, identity):
        return raw.input, "the file itself"
    if known is not None:
        return known.input, "its checksum"
    if identity is not None:
        return _in_order(INPUTS[identity.network.family], identity.order), "its first filters"
    raise WeightFileError(
        f"nothing in {path} tells how its input must be prepared: say --input caffe (BGR, 0 to 255 "
        "minus the mean) or --input torchvision (RGB, 0 to 1, standardised)"
    )


def _agree(trained: TrainedInput, identity: Identity | None) -> bool:
    """Whether what a file says of its input fits whose weights are in it.

    It need not: people put torchvision's weights in Keras files, and flip kernels themselves.
    """
    if identity is None:
        return True
    caffe = trained.scale > 1
    return trained.order == identity.order and caffe == (identity.network.family == "caffe")


def _in_order(trained: TrainedInput, order: str) -> TrainedInput:
    if trained.order == order:
        return trained
    (first, second, third), (one, two, three) = trained.mean, trained.std
    return TrainedInput(order, trained.scale, (third, second, first), (three, two, one))


def _is_normalised(known: KnownFile | None, identity: Identity | None) -> bool:
    if known is not None and known.normalised is not None:
        return known.normalised
    return identity is not None and identity.rescaled


def _source_line(
    path: Path, raw: RawWeights, known: KnownFile | None, identity: Identity | None
) -> str:
    name = json.dumps(path.name, ensure_ascii=False)[1:-1]  # a name may hold line breaks
    title = identity.network.title if identity else "unknown weights"
    precision = known.precision if known and known.precision else raw.precision
    return (
        f"{title} from {name}"
        + (f" ({known.name})" if known else "")
        + (f", {precision}" if precision else "")
    )
