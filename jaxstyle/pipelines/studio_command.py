"""The line of ``jaxstyle stylize`` that paints the like of a session in one go."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from jaxstyle.config.stylize_config import StylizeConfig
from jaxstyle.run.session import Session


def command_of(
    session: Session, content: Path, styles: Sequence[Path], weights: str | None, output: str
) -> str:
    """The line, with the knobs as they are now."""
    pictures = [str(content)]
    for path, share in zip(styles, session.shares, strict=True):
        pictures.append(f"{path}:{share:g}" if len(styles) > 1 else str(path))
    options = ["--size", str(max(session.size))]
    plain = StylizeConfig().resolved()
    for name in ("style_weight", "tv_weight", "color", "style_scale"):
        if (value := getattr(session.config, name)) != getattr(plain, name):
            options += [f"--{name.replace('_', '-')}", str(value)]
    if session.strokes:
        options += ["--style-layers", session.style_layers_in_force]
    if weights is not None:
        options += ["--weights", weights]
    return shlex.join(["jaxstyle", "stylize", *pictures, *options, "-o", output])


def left_unsaid(session: Session) -> list[str]:
    """What such a line cannot say."""
    frozen = ["what is frozen as it was painted"] if session.freeze is not None else []
    return ["when each knob was turned, which `jaxstyle replay` does again", *frozen]
