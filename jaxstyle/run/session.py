"""``Session``: a picture that is painted while its knobs are turned."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from jaxstyle.config.stylize_config import StylizeConfig
from jaxstyle.display.progress import Callback, LevelProgress
from jaxstyle.errors import InputError
from jaxstyle.network.network import Network
from jaxstyle.network.weights import default_weights, load_weights
from jaxstyle.objective.pytrees import Model, Targets, Weights
from jaxstyle.objective.targets import Kept
from jaxstyle.optimize import Progress, Stopping
from jaxstyle.optimize.loop import LoopOptions
from jaxstyle.run import turns
from jaxstyle.run.checkpoint import RunState
from jaxstyle.run.final_colours import in_final_colours
from jaxstyle.run.inputs import Style, read_styles
from jaxstyle.run.job import Job, precision_in_force
from jaxstyle.run.level import Level
from jaxstyle.run.level_targets import TargetMaker
from jaxstyle.run.minimise import minimise_level
from jaxstyle.run.moment import Moment, SeenStyles, redirected, turned
from jaxstyle.run.prepare import prepare, replace_settings
from jaxstyle.run.record import record_of
from jaxstyle.run.result import Stylized, finished
from jaxstyle.run.turns import Turn

DRAFT = 256
"""px of the longest side that a session begins with."""
MOST_BYTES_OF_THE_PAST = 2**28


def _knob(name: str, words: str) -> Any:
    """A setting as an attribute that can be set."""

    def get(session: Session) -> Any:
        return getattr(session.config, name)

    def turn(session: Session, value: Any) -> None:
        session.change(**{name: value})

    return property(get, turn, doc=words)


class Session:
    """A picture that is painted step by step, and whose knobs can be turned between two steps.

    Weights are arguments of the compiled step: the very next one pulls the picture the new way, and
    nothing is compiled again.

    >>> import numpy as np
    >>> import jaxstyle
    >>> content = np.linspace(0, 1, 32 * 48 * 3).reshape(32, 48, 3)
    >>> style = np.random.default_rng(0).random((48, 48, 3))
    >>> session = jaxstyle.Session(content, style, size=48)
    >>> session.step(3)
    >>> session.style_weight = 3
    >>> session.step(2)
    >>> session.picture.shape, session.steps
    ((32, 48, 3), 5)
    >>> session.undo()
    >>> session.steps, session.style_weight
    (3, 1.0)

    Args:
        content, style: as ``stylize`` takes them.
        config, network, settings: likewise; size is 256 by default. A session is at one size at a
            time, see ``refine``.
        note: JSON values for the record.

    Raises:
        InputError: something given cannot be used; its message says what to do.
    """

    def __init__(
        self,
        content: Any,
        style: Any,
        *,
        config: StylizeConfig | None = None,
        network: Network | None = None,
        note: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        config = replace_settings(config or StylizeConfig(size=DRAFT), settings)
        if config.optimizer == "scipy" or config.mesh is not None:
            raise InputError("a session takes optimizer lbfgs or adam, and no mesh")
        config = replace(
            config, levels=1, steps_per_call=1, tolerance=0.0, max_seconds=None,
            weights=config.weights or (default_weights() if network is None else None),
        )  # fmt: skip
        job = prepare(
            content, style, config=config, network=network or load_weights(config.weights)
        )
        self._network, self._note = job.network, dict(note or {})
        self._first, self._seen = job, SeenStyles(job.styles)
        self._model, self._kept = job.model(), Kept()
        self._past: deque[Moment] = deque()
        run = RunState(job, 0, Level(job, 0).start())
        self._now = Moment(run, config.resolved(), job.styles)
        self._targets = self._new_targets(job)

    style_weight = _knob("style_weight", "Strength of the style.")
    content_weight = _knob("content_weight", "Strength of the content.")
    tv_weight = _knob("tv_weight", "Smoothness: the weight of the total variation.")
    style_layers = _knob("style_layers", "Style layers and their weights, before strokes.")
    style_scale = _knob("style_scale", "Scale of the style; makes new targets.")
    color = _knob("color", "Colours: those of the style or the content, see ``StylizeConfig``.")

    @property
    def config(self) -> StylizeConfig:
        """The settings as they were asked for."""
        return self._now.config

    @property
    def steps(self) -> int:
        """Made so far, those undone not counted."""
        return self._now.steps

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture."""
        return self._now.run.job.sizes[0]

    @property
    def content(self) -> Float[np.ndarray, "height width 3"]:
        """The content picture at this size."""
        return Level(self._now.run.job, 0).original()

    @property
    def picture(self) -> Float[np.ndarray, "height width 3"]:
        """The picture so far, in its final colours, in [0, 1]."""
        return in_final_colours(Level(self._now.run.job, 0), self._now.run.image)

    @property
    def terms(self) -> dict[str, Any]:
        """The parts of the loss at the last step's trial; empty before the first."""
        return {} if self._now.outcome is None else self._now.outcome.terms._asdict()

    @property
    def loss(self) -> float:
        """The loss at the last step's trial."""
        return math.nan if self._now.outcome is None else self._now.outcome.value

    @property
    def strokes(self) -> float:
        """From -1, the fine layers of the style count more, to 1, the coarse ones do."""
        return self._now.strokes

    @strokes.setter
    def strokes(self, strokes: float) -> None:
        self.change(strokes=strokes)

    @property
    def shares(self) -> tuple[float, ...]:
        """The weight of each style."""
        return tuple(style.weight for style in self._now.styles)

    @shares.setter
    def shares(self, shares: Sequence[float]) -> None:
        self.change(shares=shares)

    @property
    def styles(self) -> tuple[Style, ...]:
        """The styles; set to what ``stylize`` takes, they make new targets."""
        return self._now.styles

    @styles.setter
    def styles(self, styles: Any) -> None:
        self.change(styles=styles)

    @property
    def freeze(self) -> Bool[np.ndarray, "height width"] | None:
        """What stays as it is now, to the bit; None if nothing. Set to a mask, white where.

        Colours that are changed in the end, such as by ``color``, change there too.
        """
        frozen = self._now.frozen
        return None if frozen is None else turns.at_size(frozen, self.size)

    @freeze.setter
    def freeze(self, mask: Any) -> None:
        self.change(freeze=mask)

    def refine(self, size: int) -> None:
        """Go on with the picture enlarged, or made smaller, to ``size`` px on its longest side."""
        self.change(size=size)

    def step(
        self, steps: int = 1, callback: Callback | None = None, *, goal: int | None = None
    ) -> None:
        """Make steps.

        Args:
            callback: as in ``stylize``; True ends it after the step in hand, and so does Ctrl-C.
            goal: how many steps the callback is told that there will be.

        Raises:
            InputError: the loss is not finite: a weight is too large. Turn it back.
        """
        if steps < 0:
            raise InputError(f"steps is {steps}: give a number from 0 up")
        now, run = self._now, self._now.run
        made = now.steps - run.steps
        if steps == 0 or (run.resume is not None and run.resume.stalled):
            return
        told = callback and self._told(callback, goal or now.steps + steps)
        with precision_in_force(run.job.config):
            outcome = minimise_level(
                Level(run.job, 0),
                run.job.objective,
                lambda: run.image,
                self._arguments(),
                Stopping(made + steps),
                LoopOptions(told, resume=run.resume, goes_on=True),
            )
        run = run._replace(image=outcome.x, resume=outcome.snapshot)
        self._now = replace(now, run=run, outcome=outcome)

    def change(self, **changes: Any) -> None:
        """Turn several knobs at once.

        Args:
            changes: settings of ``StylizeConfig``, and ``strokes``, ``shares``, ``styles`` and
                ``freeze``: see the attributes.

        Raises:
            InputError: a value that cannot be used; nothing is changed then.
        """
        turns.checked_names(changes)
        if "freeze" in changes and changes["freeze"] is not None:
            changes["freeze"] = turns.mask_as_text(changes["freeze"], self.size)
        if "styles" in changes:
            changes["styles"] = self._seen.entries(read_styles(changes["styles"]))
        self.apply(changes)

    def apply(self, changes: Mapping[str, Any]) -> None:
        """Turn knobs as a record tells of it."""
        changes, before = dict(changes), self._now
        after = turned(before, changes, self._seen)
        job = prepare(
            list(before.run.job.contents) or None,
            list(after.styles) or None,
            config=turns.with_strokes(after.config, after.strokes),
            network=self._network,
        )
        old = before.run.job
        changed = {name for name in turns.OF_MEMORY if _differ(old, job, name)}
        changes |= {name: getattr(job.config, name) for name in changed}
        names = set(changes) | changed
        if not names <= turns.NOT_OF_A_STYLE:
            self._kept = Kept()
        if not names <= turns.WEIGHTS_ALONE | turns.AFTERWARDS or job.objective != old.objective:
            self._targets = self._new_targets(job)
        self.mark()
        run = before.run._replace(job=job)
        if job.sizes != old.sizes:
            image = Level(job, 0).resized(np.clip(run.image, 0, 1))
            run = run._replace(image=image)
        if names & turns.WITHOUT_MEMORY or run.resume is None:
            run = replace(before, run=run).without_memory.run
        elif not names <= turns.AFTERWARDS:
            run = redirected(run, old.config)
        self._now = replace(after, run=run, turns=(*before.turns, Turn(before.steps, changes)))

    def mark(self) -> None:
        """Keep the picture and its settings, as one of those that ``undo`` goes back to."""
        if not (self._past and self._past[-1].same_as(self._now)):
            self._past.append(self._now.without_memory)
        while sum(moment.run.image.nbytes for moment in self._past) > MOST_BYTES_OF_THE_PAST:
            self._past.popleft()

    def undo(self) -> None:
        """Go back to the picture and settings before the last turn, or at the last ``mark``.

        Raises:
            InputError: there is no earlier one.
        """
        while self._past and self._past[-1].same_as(self._now):
            self._past.pop()
        if not self._past:
            raise InputError("there is nothing to undo")
        now = self._past.pop()
        if now.steps:
            now = replace(now, turns=(*now.turns, Turn(now.steps, {turns.BEGIN_AGAIN: True})))
        self._kept = Kept()
        self._targets = self._new_targets(now.run.job)
        self._now = now

    def result(self, bits: int | None = None) -> Stylized:
        """The picture as ``stylize`` gives it, with every turn in its record.

        Args:
            bits: of its file, over those of the settings.

        Raises:
            InputError: no step has been made.
        """
        now = self._now.without_memory
        if now.outcome is None:
            raise InputError("nothing has been painted yet: make a step first")
        run = now.run
        made = finished(run.job, np.clip(run.image, 0, 1), now.outcome, run.losses, run.seconds)
        # Of the beginning, with all styles that came to it: from there on the turns tell.
        session = {"steps": now.steps, "turns": [list(turn) for turn in self._told_turns(now)]}
        note = {**self._note, "session": session}
        first = replace(self._first, styles=tuple(self._seen.all), note=note)
        if bits is not None:
            first = replace(first, config=replace(first.config, bits=bits))
            made = replace(made, config=replace(made.config, bits=bits))
        return replace(made, record=record_of(first))

    def save(self, path: str | os.PathLike[str], *, bits: int | None = None) -> None:
        """Write the picture with its record, from which ``jaxstyle replay`` makes it again.

        Args:
            bits: 8 or 16, over those of the settings.
        """
        self.result(bits).save(path)

    def change_note(self, **entries: Any) -> None:
        """Put JSON values into the record."""
        self._note |= entries

    @property
    def style_layers_in_force(self) -> str:
        """Style layers and their weights as strokes make them."""
        return turns.with_strokes(self.config, self.strokes).style_layers or ""

    def _told_turns(self, now: Moment) -> list[Turn]:
        if len(self._seen.all) == len(self._first.styles):
            return list(now.turns)
        return [Turn(0, {"styles": self._seen.entries(self._first.styles)}), *now.turns]

    def _new_targets(self, job: Job) -> Targets:
        job = replace(job, kept=self._kept)
        with precision_in_force(job.config):
            return TargetMaker(Level(job, 0), job.objective, self._model).targets()

    def _arguments(self) -> tuple[Model, Targets, Weights]:
        """What the objective takes after the picture."""
        job, targets = self._now.run.job, self._targets
        width, height = job.sizes[0]
        # Always there, so that the first freeze compiles nothing.
        free = np.ones((height, width, 1), np.float32)
        if (freeze := self.freeze) is not None:
            free[freeze] = 0
        pixels = targets.guides.pixels
        free = jnp.asarray(free * np.asarray(pixels.get("free", 1), np.float32))
        guides = targets.guides._replace(pixels={**pixels, "free": free})
        weights = Level(job, 0).weights(job.objective)
        return self._model, targets._replace(guides=guides), weights

    def _told(self, callback: Callback, goal: int) -> Callable[[Progress], bool | None]:
        run = self._now.run
        level, before, seconds = Level(run.job, 0), run.steps, run.seconds

        def after_step(progress: Progress) -> bool | None:
            total = before + progress.step
            shown = progress._replace(
                current=lambda: in_final_colours(level, progress.current()),
                seconds=seconds + progress.seconds,
            )
            return callback(
                LevelProgress(
                    1, 1, *level.size, total, total, shown,
                    steps=goal, plan=run.job.plan, sizes=(level.size,), level_steps=(goal,),
                )
            )  # fmt: skip

        return after_step


def _differ(one: Job, other: Job, name: str) -> bool:
    return getattr(one.config, name) != getattr(other.config, name)
