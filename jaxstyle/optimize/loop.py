"""The loop round one compiled step: progress, stopping, interruption.

On CPU, XLA runs convolutions 2-4 times slower inside scan or while, so the loop is Python's there;
``steps_per_call`` fuses steps with scan for accelerators.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxstyle.errors import InputError, is_out_of_memory
from jaxstyle.optimize.arithmetic import usable
from jaxstyle.optimize.ending import Ending
from jaxstyle.optimize.snapshot import OutOfMemory, Snapshot, named, on_host, restored
from jaxstyle.runtime.interrupts import deferred_interrupt
from jaxstyle.runtime.profile import traced_steps
from jaxstyle.runtime.programs import jitted

Evaluate = Callable[..., tuple[tuple[Array, Any], Array]]
"""(x, *arguments) -> ((value, terms), gradient). Hashable by value: it is a static argument."""

TOLERANCE_WINDOW = 10

KEEP_SECONDS = 2.0
"""Between two copies of the result, which is all that is left when memory runs out in a step."""


class Algorithm(Protocol):
    """See the package's docstring. A pytree: its leaves are numbers, and traced."""

    def init(self, x: Array) -> Any: ...
    def update(self, state: Any, value: Array, gradient: Array) -> Any: ...
    def result(self, state: Any) -> Array: ...
    def stalled(self, state: Any) -> Array: ...


@dataclass(frozen=True)
class Stopping:
    """When to end; whichever comes first.

    Attributes:
        steps: evaluations of the loss and its gradient.
        tolerance: least relative decrease of the best value over ten steps; 0 never stops.
        max_seconds: time after which no further step is begun, compilation included.
    """

    steps: int = 300
    tolerance: float = 0.0
    max_seconds: float = math.inf


class Progress(NamedTuple):
    """What a callback is told after each step.

    Attributes:
        step: evaluations so far, from 1.
        value, terms: the loss at this step's trial, which may yet be refused; the value is nan if
            the gradient was not finite.
        best: the lowest value so far.
        seconds: since the start.
        current: gives the result as it would be now; costs a copy, so call it only when needed.
        snapshot: gives all that is needed to go on from here; None where that cannot be had: in
            the middle of fused steps, and under scipy.
        interrupted: says whether Ctrl-C has been pressed, so that no further step will be begun.
        more: steps that the same call has made after this one, to be told of at once.
    """

    step: int
    value: float
    terms: Any
    best: float
    seconds: float
    current: Callable[[], np.ndarray]
    snapshot: Callable[[], Snapshot] | None = None
    interrupted: Callable[[], bool] = lambda: False
    more: int = 0


class Outcome(NamedTuple):
    """What a run ended with.

    Attributes:
        x: the result.
        value, terms: the loss there.
        steps: evaluations made.
        seconds: time taken.
        reason: why it ended.
        values: the value at each step.
        snapshot: where to go on, if that was asked for.
    """

    x: np.ndarray
    value: float
    terms: Any
    steps: int
    seconds: float
    reason: Ending
    values: list[float]
    snapshot: Snapshot | None = None


Callback = Callable[[Progress], bool | None]
"""Ends the run after the step in hand by returning True."""


class LoopOptions(NamedTuple):
    """How the loop round the steps goes.

    Attributes:
        callback: called after every step, on the host; the run ends where it returns True.
        steps_per_call: steps fused into one program call; keep it 1 on CPU.
        agree: from this process's reason to stop to that of all: where processes share ``x``, they
            must all end after the same step.
        resume: go on from here, as if the run had never ended; of ``x`` only the shape counts.
        goes_on: the outcome is to have a snapshot. Its result is then not evaluated once more:
            value and terms are those of the last step's trial.
    """

    callback: Callback | None = None
    steps_per_call: int = 1
    agree: Callable[[Ending | None], Ending | None] = lambda reason: reason
    resume: Snapshot | None = None
    goes_on: bool = False


DEFAULTS = LoopOptions()


def minimise(
    evaluate: Evaluate,
    x: Float[Array | np.ndarray, "*shape"],
    arguments: tuple[Any, ...],
    algorithm: Algorithm,
    stopping: Stopping,
    options: LoopOptions = DEFAULTS,
) -> Outcome:
    """Minimise ``evaluate(x, *arguments)`` over ``x``.

    Ctrl-C ends the run after the step in hand, with the best so far and reason ``interrupted``; a
    second one raises KeyboardInterrupt at once.

    Args:
        x: the start; copied, so the caller's array stays valid.

    Raises:
        InputError: the loss at the start, or its gradient, is not finite; or what to go on from is
            of another algorithm or shape.
        OutOfMemory: memory ran out after some steps, of which the result is kept every two seconds.
    """
    run = partial(_advance, evaluate=evaluate, algorithm=algorithm)
    watch = Watch(stopping, options)
    state, terms = watch.resumed(start(copied(x), algorithm=algorithm)), None
    with deferred_interrupt() as watch.interrupted, traced_steps() as step_begins:
        while (reason := watch.reason()) is None:
            step_begins()
            fused = min(options.steps_per_call, stopping.steps - len(watch.values))
            with watch.rescuing():
                state, reports = run(state, arguments, fused=fused)
                reports = jax.device_get(reports)
            for left, (value, terms, stalled) in zip(
                reversed(range(fused)), _unstack(reports, fused), strict=True
            ):
                watch.add(value, stalled)
                kept = state if left == 0 else None
                watch.tell(terms, partial(current, algorithm, state), kept, left)
            watch.keep(partial(current, algorithm, state))
        if options.goes_on:
            return watch.unfinished(current(algorithm, state), terms, reason, state)
        result = copied(algorithm.result(state))
        # The same program, one more evaluation: the loss of just what is returned.
        with watch.rescuing(partial(on_host, result)):
            _, reports = run(state._replace(trial=copied(result)), arguments, fused=1)
            reports = jax.device_get(reports)
        value, terms, _ = next(iter(_unstack(reports, 1)))
    return watch.outcome(on_host(result), value, terms, reason)


@jitted()
def copied(x: Array) -> Array:
    """A copy of what the next step would overwrite."""
    return jnp.array(x)


@jitted()
def start(x: Array, *, algorithm: Algorithm) -> Any:
    """The state to begin with."""
    return algorithm.init(x)


@jitted(little_memory=True, static_argnames=("evaluate", "fused"), donate_argnames="state")
def _advance(
    state: Any, arguments: tuple[Any, ...], *, evaluate: Evaluate, algorithm: Algorithm, fused: int
) -> tuple[Any, Any]:
    def step(state: Any, _: None) -> tuple[Any, Any]:
        (value, terms), gradient = evaluate(state.trial, *arguments)
        value = usable(value, gradient)
        with jax.named_scope("optimizer"):
            state = algorithm.update(state, value, gradient)
        return state, (value, terms, algorithm.stalled(state))

    if fused == 1:
        return step(state, None)
    return jax.lax.scan(step, state, length=fused)


def is_stop(answer: Any) -> bool:
    """Whether a callback's answer ends the run: only what is really True.

    Callbacks that return something by chance are many.
    """
    return isinstance(answer, bool | np.bool_) and bool(answer)


def _unstack(reports: Any, fused: int) -> Iterator[tuple[float, Any, bool]]:
    for index in range(fused):
        value, terms, stalled = (
            reports if fused == 1 else jax.tree.map(lambda leaf, i=index: leaf[i], reports)
        )
        yield float(value), jax.tree.map(float, terms), bool(stalled)


def current(algorithm: Algorithm, state: Any) -> np.ndarray:
    """The result as it would be now, copied to the host."""
    return on_host(algorithm.result(state))


class Watch:
    """Counts steps, keeps time and values, tells the callback, and says when to stop."""

    def __init__(self, stopping: Stopping, options: LoopOptions = DEFAULTS) -> None:
        self.stopping, self.options = stopping, options
        self.started = time.perf_counter()
        self.values: list[float] = []
        self.bests: list[float] = []
        self.stalled = self.stopped = False
        self.interrupted = threading.Event()
        self.kept: tuple[int, float, np.ndarray] | None = None
        if (resume := options.resume) is not None:
            for value in resume.values:
                self.add(value)
            self.started -= resume.seconds
            self.stalled = resume.stalled

    @property
    def seconds(self) -> float:
        """Since the start, those of the run that is resumed included."""
        return time.perf_counter() - self.started

    def resumed(self, state: Any) -> Any:
        """The state to begin with, or that to go on from in its place."""
        resume = self.options.resume
        return state if resume is None else restored(state, resume.state)

    def add(self, value: float, stalled: bool = False) -> None:
        """Note one evaluation."""
        if not self.values and not math.isfinite(value):
            raise InputError(
                f"the loss of the starting picture is {value}: the loss weights are too large "
                "or the network's weights are damaged"
            )
        self.values.append(value)
        finite = value if math.isfinite(value) else math.inf
        self.bests.append(min(finite, self.bests[-1] if self.bests else math.inf))
        self.stalled = stalled

    def tell(
        self, terms: Any, current: Callable[[], np.ndarray], state: Any = None, more: int = 0
    ) -> None:
        """Tell the callback of the latest evaluation; ``state`` is what it may keep, or None."""
        if self.options.callback is None:
            return

        snapshot = None if state is None else partial(self.snapshot, state)
        progress = Progress(
            len(self.values), self.values[-1], terms, self.bests[-1], self.seconds, current,
            snapshot, self.interrupted.is_set, more,
        )  # fmt: skip
        self.stopped |= is_stop(self.options.callback(progress))

    def snapshot(self, state: Any) -> Snapshot:
        """All that is needed to go on from a state."""
        return Snapshot(named(state), list(self.values), self.seconds, self.stalled)

    def keep(self, current: Callable[[], np.ndarray]) -> None:
        """Copy the result, if that was not done lately, for ``rescuing``."""
        # Processes would have to agree when: fetching the whole takes all of them.
        lately = self.kept is not None and self.seconds < self.kept[1] + KEEP_SECONDS
        if not lately and jax.process_count() == 1:
            self.kept = len(self.values), self.seconds, current()

    @contextmanager
    def rescuing(self, current: Callable[[], np.ndarray] | None = None) -> Iterator[None]:
        """Where memory runs out inside, raise ``OutOfMemory`` with what there is, if anything.

        Args:
            current: gives the result, if the state outlives what is done inside; else what
                ``keep`` kept is taken.
        """
        try:
            yield
        except Exception as error:
            if not is_out_of_memory(error) or not self.values or jax.process_count() > 1:
                raise
            if current is not None:
                steps, x = len(self.values), current()
            elif self.kept is not None:
                steps, _, x = self.kept
            else:
                raise
            raise OutOfMemory(
                x, Snapshot(None, self.values[:steps], self.seconds, stalled=False)
            ) from error

    def reason(self) -> Ending | None:
        """Why to stop now, as all processes agree, or None to go on."""
        return self.options.agree(self._own_reason())

    def _own_reason(self) -> Ending | None:
        if self.interrupted.is_set():
            return Ending.INTERRUPTED
        if self.stopped:
            return Ending.STOPPED
        if self.stalled:
            return Ending.STALLED
        if len(self.values) >= self.stopping.steps:
            return Ending.STEPS
        if self.seconds >= self.stopping.max_seconds and self.values:
            return Ending.MAX_SECONDS
        if self.stopping.tolerance > 0 and len(self.bests) > TOLERANCE_WINDOW:
            before, now = self.bests[-1 - TOLERANCE_WINDOW], self.bests[-1]
            if before - now <= self.stopping.tolerance * abs(before):
                return Ending.TOLERANCE
        return None

    def outcome(self, x: np.ndarray, value: float, terms: Any, reason: Ending) -> Outcome:
        """What the run ended with."""
        return Outcome(x, value, terms, len(self.values), self.seconds, reason, self.values)

    def unfinished(self, x: np.ndarray, terms: Any, reason: Ending, state: Any) -> Outcome:
        """What there is so far, and where to go on."""
        value = self.values[-1] if self.values else math.nan
        return self.outcome(x, value, terms, reason)._replace(snapshot=self.snapshot(state))
