"""Digests of files of any size, in one pass and little memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from jaxstyle.network.weights.download.known_files import Checksum
from jaxstyle.network.weights.safe_parsers.refusals import refusals

_BLOCK = 2**20


def digests(
    path: str | os.PathLike[str], algorithms: Iterable[str] = ("sha256",)
) -> dict[str, str]:
    """Algorithm -> digest of a file, in hexadecimal.

    Raises:
        WeightFileError: there is no such file, or it cannot be read.
    """
    # MD5 and SHA-1 only identify files here; a FIPS build of Python must be told so.
    machines = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
    with refusals(path), Path(path).open("rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            for machine in machines.values():
                machine.update(block)
    return {name: machine.hexdigest() for name, machine in machines.items()}


def mismatch(path: str | os.PathLike[str], checksums: Iterable[Checksum]) -> str | None:
    """The first checksum that a file fails, in words; None if it passes all.

    Raises:
        WeightFileError: there is no such file, or it cannot be read.
    """
    checksums = tuple(checksums)
    found = digests(path, {checksum.algorithm for checksum in checksums}) if checksums else {}
    for checksum in checksums:
        if not checksum.matches(found[checksum.algorithm]):
            return (
                f"its {checksum.algorithm.upper()} is {found[checksum.algorithm]}, not {checksum}"
            )
    return None
