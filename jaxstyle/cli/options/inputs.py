"""Options that name the pictures of a run: contents, styles, masks."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jaxstyle.config.command_defaults import NESTED
from jaxstyle.errors import InputError
from jaxstyle.network.architecture import parse_layers


def add_input_options(parser: argparse.ArgumentParser) -> None:
    """``content``, ``style`` and all that may be said of them, which ``inputs_from`` reads."""
    parser.add_argument("content", help="the picture to paint")
    group = parser.add_argument_group("pictures")
    add_style_options(
        parser,
        group,
        "the picture to take the style from; several, folders or patterns are blended. Each may "
        "go on with a weight and options: waves.jpg:0.7:scale=0.5:crop=0.8:region=2:mask=m.png",
    )
    add_mask_options(group)
    group.add_argument(
        "--content-blend",
        nargs="+",
        default=[],
        metavar="PICTURE[:WEIGHT]",
        help="further content pictures, whose features are averaged with those of the first",
    )


def add_style_options(
    parser: argparse.ArgumentParser, group: argparse._ActionsContainer, words: str
) -> None:
    """Styles as arguments and by ``--style``, which ``styles_from`` reads."""
    parser.add_argument("style", nargs="*", help=words)
    group.add_argument(
        "--style",
        dest="more_styles",
        nargs="+",
        action="extend",
        default=[],
        metavar="STYLE",
        help="styles, as above: --style a.jpg:0.7 b.jpg:0.3",
    )


def styles_from(arguments: argparse.Namespace, first: str = "content") -> list[str]:
    """All styles that are given.

    Args:
        first: what comes before them on the command line.

    Raises:
        InputError: there is none.
    """
    styles = [*arguments.style, *arguments.more_styles]
    if not styles:
        raise InputError(f"no style picture is given: name one after the {first}, or by --style")
    return styles


def add_mask_options(group: argparse._ActionsContainer, of_each: str = "") -> None:
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
    blend = arguments.content_blend
    return {
        "content": [arguments.content, *blend] if blend else arguments.content,
        "style": styles_from(arguments),
        "masks": arguments.masks,
        "freeze": arguments.freeze,
    }


def left_out_notes(arguments: argparse.Namespace) -> Iterator[str]:
    """A line for each folder and pattern some of whose files are no pictures by their endings."""
    from jaxstyle.images.picture_files import left_out_of
    from jaxstyle.run.inputs import without_options

    for name in ("contents", "style", "more_styles", "styles", "masks"):
        texts = getattr(arguments, name, None) or []
        for text in [texts] if isinstance(texts, str) else texts:
            yield left_out_of(without_options(text)[0])


def default_output(arguments: argparse.Namespace) -> Path:
    """CONTENT-STYLE.png, of the first style."""
    from jaxstyle.images.picture_files import is_pattern
    from jaxstyle.run.inputs import without_options

    style, _ = without_options(styles_from(arguments)[0])
    content, _ = without_options(arguments.content)
    stem = "style" if is_pattern(style) else Path(style).stem
    return Path(f"{Path(content).stem}-{stem}.png")


def add_layer_sets(parser: argparse.ArgumentParser) -> None:
    """``--layer-sets``, which ``layer_sets_from`` reads."""
    parser.add_argument(
        "--layer-sets",
        default="|".join(NESTED),
        help="sets of style layers, separated by bars (default: relu1_1 | relu1_1,relu2_1 | ...)",
    )


def layer_sets_from(arguments: argparse.Namespace) -> list[str]:
    """The sets of style layers; an InputError for a layer that does not exist."""
    layer_sets = [text.strip() for text in arguments.layer_sets.split("|")]
    for layer_set in layer_sets:
        parse_layers(layer_set)
    return layer_sets


def add_moved_options(parser: argparse.ArgumentParser) -> None:
    """Files of a recorded run that are elsewhere now, which ``moved_inputs`` reads."""
    parser.add_argument("--content", help="the content picture, if it is not where it was")
    names = {"style": "style pictures", "masks": "masks", "init": "initial pictures"}
    for name, what in names.items():
        words = f"the {what} that are not where they were"
        parser.add_argument(f"--{name}", nargs="+", default=[], help=words)
    parser.add_argument("--weights", help="the weight file, if it is not where it was")


def moved_inputs(arguments: argparse.Namespace) -> dict[str, Any]:
    """The keywords of ``prepare_recorded``."""
    names = ("content", "style", "masks", "init", "weights")
    return {name: getattr(arguments, name) for name in names}
