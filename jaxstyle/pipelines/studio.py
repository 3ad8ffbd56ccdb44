"""``Studio``: runs that are painted one after another while their knobs are turned from a page."""

from __future__ import annotations

import io
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jaxstyle.display.progress import LevelProgress
from jaxstyle.display.studio.canvas import Canvas
from jaxstyle.errors import InputError, is_out_of_memory, reason_of
from jaxstyle.images.pillow import open_image, pillow_settings
from jaxstyle.pipelines.studio_command import command_of, left_unsaid
from jaxstyle.pipelines.studio_files import RESULT_ENDINGS, StudioFiles, plain_stem
from jaxstyle.run.session import Session
from jaxstyle.runtime.memory import memory_in_use

FIRST_SIZE, DRAFT = 128, 256
"""px that a run begins with, and that it goes on to by itself."""
FIRST_STEPS, MORE_STEPS = 40, 120
"""Made before a run rests: at the first size, and after that and every refining."""
STEPS_OF_A_TURN = 60
"""Made at least after a knob is turned."""
MOST_PIXELS_OF_A_MASK = 2**24
KEEP_EVERY = 10.0
"""Seconds between two states for undo and for the folder."""
PATIENCE = 600.0
"""Seconds that a request waits for the step in hand."""
KNOBS = ("style_weight", "tv_weight", "color", "style_scale", "strokes", "shares")
SIZES = (128, 256, 512, 1024, 2048)


@dataclass
class Run:
    """A run that was asked for.

    Attributes:
        content, styles: names of ``StudioFiles.input``.
        size: px of the longest side, to begin with.
        knobs: what they begin with.
        init: a picture to go on from.
    """

    content: str
    styles: list[str]
    size: int
    knobs: dict[str, Any] = field(default_factory=dict)
    init: Path | None = None


class Studio:
    """Paints on a thread of its own; all methods may be called from others.

    Args:
        files: what may be painted, and where results go.
        weights: the network, see ``StylizeConfig``.
    """

    def __init__(self, files: StudioFiles, weights: str | None = "slim") -> None:
        self.files, self.weights = files, weights
        self._news = threading.Condition()
        self._orders: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._waiting: deque[Run] = deque()
        self._canvas, self._closed = Canvas(), False
        self._number, self._busy = 0, False
        self._run: Run | None = None
        self._session: Session | None = None
        self._output = Path()
        self._forget()
        self._thread = threading.Thread(target=self._work, name="studio", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End after the step in hand, with the picture kept."""
        with self._news:
            self._closed = True
            self._news.notify_all()
        self._thread.join()

    # What the page asks, on threads of the server.

    def about(self) -> dict[str, Any]:
        """What there is to choose from."""
        return {
            "examples": [path.name for path in self.files.listed_examples()],
            "history": [path.name for path in self.files.results()],
            "sizes": SIZES,
            "folder": str(self.files.folder),
            "weights": self.weights or "as converted",
        }

    def state(self, page: str, since: int) -> dict[str, Any]:
        """What is to be shown now; ``since`` is the last step whose point a page has."""
        with self._news:
            session = self._session
            told = {
                "phase": self._phase(),
                "message": self._message,
                "run": self._number,
                "waiting": len(self._waiting),
                "memory": str(memory_in_use()),
                **self._canvas.state(page, since),
            }
            if session is None or self._run is None:
                return told
            return told | {
                "steps": self._steps,
                "goal": self._goal,
                "size": session.size,
                "knobs": {name: getattr(session, name) for name in KNOBS},
                "frozen": session.freeze is not None,
                "content": self._run.content,
                "styles": self._run.styles,
                "output": self._output.name,
            }

    def picture(self, name: str) -> bytes | None:
        """A JPEG file: ``now.jpg``, ``before.jpg``, or of an input, an example or a result."""
        if name in ("now.jpg", "before.jpg"):
            return self._canvas.picture(name)
        with suppress(InputError):
            return self.files.thumbnail(self.files.input(name))
        with suppress(InputError):
            return self.files.thumbnail(self.files.result(name))
        return None

    def download(self, name: str) -> tuple[str, bytes] | None:
        """A result: its name, and the file."""
        with suppress(InputError):
            path = self.files.result(name)
            return path.name, path.read_bytes()
        return None

    def upload(self, name: str, data: bytes) -> dict[str, Any]:
        """Keep a picture that was given."""
        return {"name": self.files.add(name, data)}

    def freeze(self, data: bytes) -> dict[str, Any]:
        """Keep as it is what is white in a mask, an image file; nothing if there are no bytes."""
        mask = None
        if data:
            try:
                with pillow_settings(MOST_PIXELS_OF_A_MASK):
                    mask = open_image(io.BytesIO(data)).convert("L")
            except Exception:  # decoders raise anything there is
                raise InputError("the mask is no picture: paint it again") from None
        return self._done(lambda: self._turn({"freeze": mask}))

    def act(self, action: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Do what the page asks, between two steps.

        Raises:
            InputError: it cannot be done; a sentence for the page.
        """
        orders: dict[str, Callable[[], Any]] = {
            "begin": lambda: self._begin(asked),
            "again": lambda: self._begin_again(asked.get("name")),
            "change": lambda: self._change(asked),
            "undo": self._undo,
            "pause": lambda: self._pause(asked.get("on") is True),
            "next": self._next,
            "save": lambda: self._save(asked.get("ending", ".png")),
        }
        return self._done(orders[action])

    def _done(self, order: Callable[[], Any]) -> dict[str, Any]:
        """What the studio's own thread makes of an order."""
        done: Future[Any] = Future()
        with self._news:
            self._orders.append((order, done))
            self._news.notify_all()
        try:
            return done.result(PATIENCE) or {}
        except TimeoutError:
            raise InputError("the step in hand takes long: it will be done after that") from None

    # What is done between two steps, on the studio's own thread.

    def _work(self) -> None:
        while True:
            with self._news:
                while not (self._orders or self._has_work() or self._closed):
                    self._news.wait()
                order = self._orders.popleft() if self._orders else None
                self._busy = order is None and not self._closed
                if self._closed and order is None:
                    break
            if order is None:
                self._attempt(self._paint if self._is_painting() else self._begin_next)
                continue
            do, done = order
            try:
                done.set_result(do())
            except Exception as error:
                done.set_exception(InputError(self._explained(error)))
        self._attempt(self._keep)
        for _, done in self._orders:
            done.set_exception(InputError("the studio has ended"))

    def _attempt(self, do: Callable[[], Any]) -> None:
        try:
            do()
        except Exception as error:
            self._message, self._paused = self._explained(error), True
        self._busy = False

    def _explained(self, error: Exception) -> str:
        """An error as a sentence."""
        if is_out_of_memory(error):
            return "out of memory: undo, or go on at a smaller size"
        if isinstance(error, InputError):
            return reason_of(error)
        kind = type(error).__name__
        return f"something is wrong in the program itself: {kind}: {reason_of(error)}"

    def _has_work(self) -> bool:
        return self._is_painting() or (bool(self._waiting) and not self._paused)

    def _is_painting(self) -> bool:
        return self._session is not None and not self._paused and self._steps < self._goal

    def _phase(self) -> str:
        if self._session is None:
            return "beginning" if self._waiting or self._busy else "empty"
        if self._paused:
            return "paused"
        return "painting" if self._is_painting() or self._busy else "resting"

    def _forget(self) -> None:
        """What is shown of a run, at its beginning."""
        self._canvas.clear()
        self._goal, self._steps, self._next_keep = 0, 0, 0.0
        self._message, self._paused = "", False

    def _begin(self, asked: dict[str, Any]) -> dict[str, Any]:
        styles = asked.get("styles")
        if not isinstance(styles, list) or not styles:
            raise InputError("choose a style picture first")
        for name in (asked.get("content"), *styles):
            self.files.input(name)
        return self._queued(Run(asked["content"], styles, FIRST_SIZE))

    def _begin_again(self, name: Any) -> dict[str, Any]:
        """Go on with a result."""
        note = self.files.note_of(self.files.result(name)) or {}
        try:
            run = Run(note["content"], note["styles"], note["size"], dict(note["knobs"]))
        except (KeyError, TypeError, ValueError):
            run = None
        if run is None or run.size not in SIZES:
            raise InputError(f"the record of {name} is damaged")
        for given in (run.content, *run.styles):
            self.files.input(given)
        run.init = self.files.copied_result(str(name))
        return self._queued(run)

    def _queued(self, run: Run) -> dict[str, Any]:
        with self._news:
            self._waiting.append(run)
            if self._session is None:
                self._message, self._paused = "", False
        return {"waiting": len(self._waiting) - 1 + self._is_painting()}

    def _next(self) -> None:
        """End the run in hand, if another waits."""
        if self._waiting:
            self._goal, self._paused = self._steps, False

    def _begin_next(self) -> None:
        if self._session is not None:
            self._keep()
        with self._news:
            run = self._waiting.popleft()
            self._session = self._run = None
            self._forget()
            self._number += 1
        inputs = [str(self.files.kept_input(name)) for name in (run.content, *run.styles)]
        knobs = {name: value for name, value in run.knobs.items() if name in KNOBS}
        now = ("strokes", "shares")
        session = Session(
            inputs[0], [(name, 1.0) for name in inputs[1:]],
            weights=self.weights, size=run.size, init="content" if run.init is None else
            str(run.init), **{name: value for name, value in knobs.items() if name not in now},
        )  # fmt: skip
        if later := {name: value for name, value in knobs.items() if name in now}:
            session.change(**later)
        self._output = self.files.new_result("-".join(map(plain_stem, inputs[:2])))
        with self._news:
            self._run, self._session = run, session
            self._goal = FIRST_STEPS + MORE_STEPS if run.size < DRAFT else MORE_STEPS
            self._next_keep = time.monotonic() + KEEP_EVERY
        self._resized()

    def _paint(self) -> None:
        session = self._session
        assert session is not None
        before = session.steps
        coarse = max(session.size) < DRAFT and session.steps < FIRST_STEPS
        goal = FIRST_STEPS if coarse else self._goal
        session.step(goal - session.steps, self._watch, goal=self._goal)
        self._steps = session.steps
        if session.steps == before:  # it has nowhere to go
            self._goal = session.steps
        if max(session.size) < DRAFT and session.steps == FIRST_STEPS:
            self._refined(DRAFT)
        if time.monotonic() > self._next_keep or not self._is_painting():
            session.mark()
            self._keep()
            self._canvas.show(session.picture)

    def _watch(self, event: LevelProgress) -> bool:
        self._steps = event.total_step
        self._canvas.watch(event)
        return bool(self._orders) or self._closed or time.monotonic() > self._next_keep

    def _in_hand(self) -> Session:
        if self._session is None:
            raise InputError("nothing is being painted: choose pictures first")
        return self._session

    def _change(self, changes: dict[str, Any]) -> None:
        refused = [name for name in changes if name not in (*KNOBS, "size")]
        if refused:
            raise InputError(f"there is no knob {refused[0][:40]!r}")
        if changes.get("size", SIZES[0]) not in SIZES:
            raise InputError(f"size is {changes['size']!r}: choose one of {SIZES}")
        self._turn(changes)

    def _turn(self, changes: dict[str, Any]) -> None:
        session = self._in_hand()
        self._message = ""
        if "size" in changes:
            self._refined(changes.pop("size"))
        if changes:
            session.change(**changes)
        self._goal = max(self._goal, session.steps + STEPS_OF_A_TURN)
        self._canvas.show(session.picture)

    def _refined(self, size: int) -> None:
        session = self._in_hand()
        session.refine(size)
        self._goal = max(self._goal, session.steps + MORE_STEPS)
        self._resized()

    def _resized(self) -> None:
        session = self._in_hand()
        self._canvas.resized(session.size, session.content)
        self._canvas.show(session.picture)

    def _undo(self) -> None:
        session = self._in_hand()
        session.undo()
        self._steps = self._goal = session.steps
        self._message = ""
        self._resized()

    def _pause(self, on: bool) -> None:
        session = self._in_hand()
        self._paused = on
        if on:
            session.mark()
            return
        self._message = ""
        if session.steps >= self._goal:
            self._goal = session.steps + STEPS_OF_A_TURN

    def _save(self, ending: Any) -> dict[str, Any]:
        """Write the picture beside the one that is kept, unless it is that one."""
        session = self._in_hand()
        if ending not in RESULT_ENDINGS:
            raise InputError(f"a picture is saved as one of {', '.join(RESULT_ENDINGS)}")
        path = self._output.with_suffix(ending)
        session.change_note(studio=self._note(session))
        session.save(path, bits=16 if ending == ".tif" else 8)
        assert self._run is not None
        content, *styles = map(self.files.kept_input, (self._run.content, *self._run.styles))
        command = command_of(session, content, styles, self.weights, path.name)
        return {"name": path.name, "command": command, "unsaid": left_unsaid(session)}

    def _keep(self) -> None:
        """Write the picture into the folder, so that nothing is lost if the program is killed."""
        self._next_keep = time.monotonic() + KEEP_EVERY
        if self._session is not None and self._session.steps:
            self._save(".png")

    def _note(self, session: Session) -> dict[str, Any]:
        assert self._run is not None
        return {
            "content": self._run.content,
            "styles": self._run.styles,
            "knobs": {name: getattr(session, name) for name in KNOBS},
            "size": max(session.size),
        }
