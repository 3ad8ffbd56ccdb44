"""Options that name the pictures of a run: contents, styles, masks."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from jaxstyle.errors import InputError


def add_input_options(parser: argparse.ArgumentParser) -> None:
    """``content``, ``style`` and all that may be said of them."""
    parser.add_argument("content", help="the picture to paint")
    parser.add_argument(
        "style",
        nargs="*",
        help="the picture to take the style from; several, folders or patterns are blended. Each "
        "may go on with a weight and options: waves.jpg:0.7:scale=0.5:crop=0.8:region=2:mask=m.png",
    )
    group = parser.add_argument_group("pictures")
    group.add_argument(
        "--style",
        dest="more_styles",
        nargs="+",
        action="extend",
        default=[],
        metavar="STYLE",
        help="styles, as above: --style a.jpg:0.7 b.jpg:0.3",
    )
    add_mask_options(group)
    group.add_argument(
        "--content-blend",
        nargs="+",
        default=[],
        metavar="PICTURE[:WEIGHT]",
        help="further content pictures, whose features are averaged with those of the first",
    )


def add_mask_options(group: Any, of_each: str = "") -> None:
    """``--masks`` and ``--freeze``.

    Args:
        of_each: for the help: how masks go to many pictures.
    """
    group.add_argument(
        "--masks",
        nargs="+",
        default=[],
        metavar="MASK",
        help="parts of the content, white on black, soft if need be, each with a style of its own: "
        "the first mask takes the first style, unless styles say region=K. A weight may follow: "
        f"sky.png:2{of_each}",
    )
    group.add_argument(
        "--freeze",
        metavar="MASK",
        help=f"white where the content is to stay exactly as it is{of_each}",
    )


def inputs_from(arguments: argparse.Namespace) -> dict[str, Any]:
    """The keywords of ``prepare`` and ``sweep`` that name pictures.

    Raises:
        InputError: there is no style.
    """
    style = [*arguments.style, *arguments.more_styles]
    if not style:
        raise InputError("no style picture is given: name one after the content, or by --style")
    content: Any = arguments.content
    if arguments.content_blend:
        content = [arguments.content, *arguments.content_blend]
    return {
        "content": content,
        "style": style,
        "masks": arguments.masks,
        "freeze": arguments.freeze,
    }


def default_output(arguments: argparse.Namespace) -> Path:
    """CONTENT-STYLE.png, of the first style."""
    from jaxstyle.run.inputs import without_options

    first = [*arguments.style, *arguments.more_styles][0]
    path, _ = without_options(first)
    content, _ = without_options(arguments.content)
    stem = "style" if any(mark in path for mark in "*?[") else Path(path).stem
    return Path(f"{Path(content).stem}-{stem}.png")
