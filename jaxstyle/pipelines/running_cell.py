"""A cell of a grid while its chunk runs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from jaxstyle.errors import InputError
from jaxstyle.optimize import Outcome
from jaxstyle.optimize.ending import Ending, graver
from jaxstyle.run.job import Job
from jaxstyle.run.result import Stylized, finished


@dataclass(eq=False)
class RunningCell:
    """A cell of a chunk, and how far it has come."""

    job: Job
    image: np.ndarray
    losses: list[list[float]] = field(default_factory=list)
    outcome: Outcome | None = None
    error: InputError | None = None

    def take(self, outcome: Outcome | InputError) -> None:
        """Note how a level ended."""
        if isinstance(outcome, InputError):
            self.error = self.error or outcome
            return
        if self.outcome is not None and self.outcome.reason is Ending.MAX_SECONDS:
            outcome = outcome._replace(reason=graver(outcome.reason, Ending.MAX_SECONDS))
        self.outcome, self.image = outcome, np.clip(outcome.x, 0, 1)
        self.losses.append(outcome.values)

    def cut_short(self, reason: Ending) -> None:
        """Note why further levels will not be run."""
        if self.outcome is not None:
            self.outcome = self.outcome._replace(reason=reason)

    def result(self, together: int, seconds: float) -> Stylized | InputError:
        """What the cell gave, without the layers that only others tap.

        Args:
            together: cells in the program; in the record, for alone a cell rounds otherwise.
        """
        if self.error is not None:
            return self.error
        assert self.outcome is not None
        job = self.job
        if together > 1:
            job = replace(job, note={**job.note, "together": together})
        result = finished(job, self.image, self.outcome, self.losses, seconds)
        terms = dict(result.terms)
        for name, own in (
            ("content_layers", job.config.content_loss_layers),
            ("style_layers", job.config.style_loss_layers),
        ):
            terms[name] = {tap: term for tap, term in terms[name].items() if tap in own}
        return replace(result, terms=terms)
