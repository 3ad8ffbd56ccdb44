"""What ``convert-weights`` does, step by step, from its arguments to the file that it leaves."""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import replace
from pathlib import Path

from jaxstyle.cli.commands.convert_weights import report
from jaxstyle.cli.commands.convert_weights.download import fetch, own_checksum, possible_sources
from jaxstyle.cli.commands.convert_weights.sample_pictures import sample_pictures
from jaxstyle.cli.report.messages import tell
from jaxstyle.errors import InputError
from jaxstyle.network.architecture import VGG16
from jaxstyle.network.network import Network
from jaxstyle.network.weights import read_native, weights_directory
from jaxstyle.network.weights.convert import Conversion, convert
from jaxstyle.network.weights.download.checksums import digests
from jaxstyle.network.weights.native import native_bytes
from jaxstyle.network.weights.normalise import filter_means, normalise
from jaxstyle.runtime.atomic_files import cannot_write, write_bytes


def is_done(arguments: argparse.Namespace) -> bool:
    """Whether what would be downloaded and converted is there, as it would be."""
    possible = possible_sources(arguments)
    sixteen = any("vgg16" in known.name for known in possible)
    output = arguments.output or weights_directory() / ("vgg16.h5" if sixteen else "vgg19.h5")
    if arguments.force or arguments.verify or not output.exists():
        return False
    special = arguments.url or arguments.normalise is not None or arguments.upto or arguments.input
    if special or arguments.dtype != "float32":
        raise _exists(output)
    network = read_native(output)
    if not any(
        f"({known.name})" in network.source and known.normalised in (None, network.normalised)
        for known in possible
    ):
        raise _exists(output, f" and holds {network.source}")
    _say(arguments, f"{output} is there already: {network.source}; --force makes it anew")
    return True


def convert_and_write(arguments: argparse.Namespace) -> bool:
    """Get the file, understand it, and write it anew; False if ``--verify`` found it wrong."""
    checksums = own_checksum(arguments)
    if arguments.source:
        checksums += possible_sources(arguments)[0].checksums
    path = arguments.path or fetch(arguments)
    conversion = convert(path, input=arguments.input, upto=arguments.upto, checksums=checksums)
    _say(arguments, f"{path}: {conversion.network.source}, input told by {conversion.told_by}")
    if arguments.normalise is not None:
        network = _normalised(conversion.network, arguments)
        conversion = replace(conversion, network=network)
    if arguments.verify and not _verified(conversion, path, arguments):
        tell("something does not match: nothing is written")
        return False
    if arguments.output is None and conversion.layout == "jaxstyle":
        if not arguments.verify:
            raise InputError(f"{path} is converted already: use --verify, or -o to write a copy")
        return True
    sixteen = conversion.network.architecture.depths == VGG16.depths
    default = weights_directory() / ("vgg16.h5" if sixteen else "vgg19.h5")
    _write(conversion.network, arguments.output or default, arguments)
    return True


def _normalised(network: Network, arguments: argparse.Namespace) -> Network:
    pictures, what = sample_pictures(arguments.normalise)
    normalised, dead = normalise(network, pictures)
    for layer, filters in dead.items():
        _say(arguments, f"{layer}: {len(filters)} filters are dead on these pictures, left as is")
    _say(arguments, f"normalised on {what}")
    return normalised


def _verified(conversion: Conversion, path: Path, arguments: argparse.Namespace) -> bool:
    pictures, what = sample_pictures(arguments.normalise or ())
    checks = report.checks(path, conversion)
    report.show(conversion, filter_means(conversion.network, pictures), checks, what)
    return all(check.right is not False for check in checks)


def _write(network: Network, output: Path, arguments: argparse.Namespace) -> None:
    """Write a network; an existing file is only replaced by force, or is the same already."""
    new = native_bytes(network, arguments.dtype)
    if output.exists() and not arguments.force:
        if digests(output)["sha256"] != hashlib.sha256(new).hexdigest():
            raise _exists(output)
        _say(arguments, f"{output} is there already, and the same")
        return
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(output, error) from None
    write_bytes(output, new)
    scale = "normalised" if network.normalised else "original scale"
    what = f"conv1_1 to {network.complete_to}, {scale}, {arguments.dtype}"
    _say(arguments, f"{output}: {what}, {output.stat().st_size / 1e6:.1f} MB")
    if output == weights_directory() / "vgg19.h5":
        _say(arguments, "`jaxstyle stylize` uses it from now on, unless told otherwise")


def _exists(output: Path, what: str = "") -> InputError:
    return InputError(
        f"{output} exists{what}: use --force to overwrite it, or -o for another place"
    )


def _say(arguments: argparse.Namespace, line: str) -> None:
    if not arguments.quiet:
        tell(line)
