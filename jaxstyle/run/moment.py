"""All of a session at one time, and what a turn of its knobs makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool

from jaxstyle.config.stylize_config import StylizeConfig
from jaxstyle.errors import InputError
from jaxstyle.optimize import Outcome
from jaxstyle.optimize.snapshot import Snapshot
from jaxstyle.run.checkpoint import RunState
from jaxstyle.run.inputs import Style
from jaxstyle.run.job import algorithm_of
from jaxstyle.run.prepare import replace_settings
from jaxstyle.run.record import STYLE_OPTIONS
from jaxstyle.run.turns import (
    OF_THE_SESSION,
    Turn,
    checked_shares,
    checked_strokes,
    growth,
    mask_from_text,
)


@dataclass(frozen=True, eq=False)
class Moment:
    """All of a session at one time.

    Attributes:
        run: the job, the picture, the losses since each turn, and where the optimiser goes on.
        config: as asked for: without what strokes and memory make of it.
        styles, strokes, frozen: see ``Session``.
        turns: all so far.
        outcome: of the last step; None before the first.
    """

    run: RunState
    config: StylizeConfig
    styles: tuple[Style, ...]
    strokes: float = 0.0
    frozen: Bool[np.ndarray, "height width"] | None = None
    turns: tuple[Turn, ...] = ()
    outcome: Outcome | None = None

    @property
    def steps(self) -> int:
        """Made so far."""
        return self.run.steps + (len(self.run.resume.values) if self.run.resume else 0)

    @property
    def without_memory(self) -> Moment:
        """The same without what the optimiser remembers, which is large."""
        run, outcome = self.run, self.outcome
        resume = run.resume or Snapshot(None, [], 0.0, False)
        losses, seconds = [*run.losses, resume.values], run.seconds + resume.seconds
        run = run._replace(losses=losses, seconds=seconds, resume=None)
        return replace(self, run=run, outcome=outcome and outcome._replace(snapshot=None))

    def same_as(self, other: Moment) -> bool:
        """Whether there is nothing to see between two moments."""
        return self.steps == other.steps and self.turns == other.turns


class SeenStyles:
    """All styles that a session has had, each once: turns name them by their number."""

    def __init__(self, styles: Sequence[Style]) -> None:
        self.all = list(styles)

    def entries(self, styles: Sequence[Style]) -> list[dict[str, Any]]:
        """Styles as a turn names them."""
        entries = []
        for style in styles:
            images = [one.image for one in self.all]
            if style.image not in images:
                self.all.append(style)
                images.append(style.image)
            options = {name: getattr(style, name) for name in STYLE_OPTIONS}
            entries.append({"style": images.index(style.image), **options})
        return entries

    def of(self, entries: Sequence[Mapping[str, Any]]) -> tuple[Style, ...]:
        """The styles that a turn names.

        Raises:
            InputError: one is not there.
        """
        try:
            return tuple(
                replace(self.all[entry["style"]], **{name: entry[name] for name in STYLE_OPTIONS})
                for entry in entries
            )
        except (KeyError, IndexError, TypeError):
            raise InputError("the record's session names a style that is not there") from None


def turned(before: Moment, changes: dict[str, Any], seen: SeenStyles) -> Moment:
    """A moment with changes in it, but for its job.

    Args:
        changes: as a record tells of them; made into the types of the settings.

    Raises:
        InputError: a value that cannot be used.
    """
    settings = {name: value for name, value in changes.items() if name not in OF_THE_SESSION}
    config = replace_settings(before.config, settings)
    changes |= {name: getattr(config, name) for name in settings}
    parts: dict[str, Any] = {"config": config}
    if "strokes" in changes:
        parts["strokes"] = checked_strokes(changes["strokes"])
    if "freeze" in changes:
        parts["frozen"] = mask_from_text(changes["freeze"])
    if "styles" in changes:
        parts["styles"] = seen.of(changes["styles"])
    if "shares" in changes:
        styles = parts.get("styles", before.styles)
        changes["shares"] = checked_shares(changes["shares"], len(styles))
        pairs = zip(styles, changes["shares"], strict=True)
        parts["styles"] = tuple(replace(style, weight=share) for style, share in pairs)
    return replace(before, **parts)


def redirected(run: RunState, before: StylizeConfig) -> RunState:
    """A run whose loss has become another one, going on with what the optimiser remembers.

    Args:
        before: the settings until now; those of the run's job are the new ones.
    """
    assert run.resume is not None and run.resume.state is not None
    state = algorithm_of(run.job.config).redirected(
        run.resume.state, growth(before, run.job.config)
    )
    return run._replace(
        losses=[*run.losses, run.resume.values],
        seconds=run.seconds + run.resume.seconds,
        resume=Snapshot(state, [], 0.0, False),
    )
