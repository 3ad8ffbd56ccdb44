"""``stylize``: a content picture, painted in the style of another."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Literal

from jaxstyle.config.stylize_config import StylizeConfig
from jaxstyle.display.notebook import NotebookProgress, in_notebook
from jaxstyle.display.progress import Callback
from jaxstyle.network.network import Network
from jaxstyle.run.checkpoint import Checkpoint
from jaxstyle.run.coarse_to_fine import run
from jaxstyle.run.inputs import Image
from jaxstyle.run.prepare import prepare
from jaxstyle.run.result import Stylized


def stylize(
    content: Any,
    style: Any,
    *,
    masks: Sequence[Any] = (),
    freeze: Image | None = None,
    config: StylizeConfig | None = None,
    network: Network | None = None,
    callback: Callback | Literal[False] | None = None,
    checkpoint: Checkpoint | str | os.PathLike[str] | None = None,
    **settings: Any,
) -> Stylized:
    """Paint ``content`` in the style of ``style`` (Gatys, Ecker and Bethge 2015).

    >>> import numpy as np
    >>> from jaxstyle import stylize
    >>> content = np.linspace(0, 1, 32 * 48 * 3).reshape(32, 48, 3)
    >>> style = np.random.default_rng(0).random((48, 48, 3))
    >>> result = stylize(content, style, size=48, steps=3)
    >>> result.image.shape
    (32, 48, 3)

    Args:
        content: a path, a ``PIL.Image`` or an array, see ``images.as_picture``; or several, see
            ``run.inputs.read_contents``.
        style: the same, a ``Style``, or several of them; see ``run.inputs.read_styles``.
        masks: of the regions of the content picture, white where they are; region k takes style k
            where there are as many, else those styles that name it. See
            ``run.inputs.read_regions``.
        freeze: a mask, white where the content is to stay as it is.
        config: settings; the defaults if not given.
        network: use this instead of what ``config.weights`` names.
        callback: called after every step, see ``LevelProgress``; where it returns True the run ends
            with what it has, for the reason ``stopped``. If none is given, a run in a notebook
            is shown there by ``NotebookProgress``; False shows nothing.
        checkpoint: a file to keep the run in as it goes, by default every minute: the same call
            goes on from it. Once the result is returned it is removed, unless Ctrl-C or the
            callback ended the run.
        **settings: single fields of ``StylizeConfig``, over those of ``config``.

    Raises:
        InputError: something given cannot be used; its message says what to do.
    """
    job = prepare(
        content, style, masks=masks, freeze=freeze, config=config, network=network, **settings
    )
    if checkpoint is not None and not isinstance(checkpoint, Checkpoint):
        checkpoint = Checkpoint(checkpoint)
    result = run(job, shown_by_default(callback), checkpoint)
    if checkpoint is not None and not result.reason.cut_short:
        checkpoint.remove()
    return result


def shown_by_default(callback: Callback | Literal[False] | None) -> Callback | None:
    """What is given; where nothing is, a display if this is a notebook. False is for none."""
    if callback is None and in_notebook():
        return NotebookProgress()
    return callback or None
