"""The files of a studio: pictures that were given, examples, and what came of them."""

from __future__ import annotations

import hashlib
import re
import threading
from pathlib import Path
from typing import Any

from jaxstyle.display.thumbnails import jpeg, small
from jaxstyle.errors import ImageError, InputError
from jaxstyle.images import load_image
from jaxstyle.images.pillow import picture_endings
from jaxstyle.run.replay import STUDIO_INPUTS
from jaxstyle.run.same_run import record_in
from jaxstyle.runtime.atomic_files import write_bytes

RESULT_ENDINGS = (".png", ".jpg", ".tif")
THUMBNAIL = 320
_DIGEST = re.compile(r"-[0-9a-f]{12}$")
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_-]+")


class StudioFiles:
    """Files by names that hold no folder: nothing else can be asked for.

    Args:
        folder: for results, with those given in ``inputs`` below it; made if it is not there.
        examples: a folder of pictures to choose from; None for none.

    Raises:
        InputError: the folder cannot be made.
    """

    def __init__(self, folder: Path, examples: Path | None = None) -> None:
        self.folder, self.examples = folder, examples
        try:
            (folder / STUDIO_INPUTS).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make the folder {folder}: {error.strerror}") from None
        self._reading = threading.Lock()
        self._thumbnails: dict[Path, tuple[float, bytes]] = {}
        self._notes: dict[Path, tuple[float, dict[str, Any] | None]] = {}

    def add(self, name: str, data: bytes) -> str:
        """Keep a picture that was given; the same one is kept once.

        Returns:
            Its name here.

        Raises:
            InputError: it is no picture that the command line would read, in its words.
        """
        ending = Path(name).suffix.lower()
        ending = ending if ending in picture_endings() else ".picture"
        path = self._new_input(Path(name).stem, data, ending)
        if not path.exists():
            write_bytes(path, data)
            try:
                with self._reading:  # one at a time: each may take much memory
                    load_image(path, name="picture")
            except ImageError as error:
                path.unlink(missing_ok=True)
                raise InputError(str(error).replace(repr(str(path)), repr(name))) from None
        return path.name

    def copied_result(self, name: str) -> Path:
        """A result among the pictures that were given, so that it stays whatever becomes of it."""
        source = self.result(name)
        data = source.read_bytes()
        path = self._new_input(source.stem, data, source.suffix)
        write_bytes(path, data)
        return path

    def input(self, name: Any) -> Path:
        """A picture that was given, or an example."""
        for path in [*self._inputs(), *self.listed_examples()]:
            if path.name == name:
                return path
        raise InputError(f"there is no picture {str(name)[:80]!r} here: give it again")

    def kept_input(self, name: Any) -> Path:
        """A picture that was given, or an example's copy among those: ``replay`` looks there."""
        path = self.input(name)
        if path.parent == self.folder / STUDIO_INPUTS:
            return path
        data = path.read_bytes()
        copy = self._new_input(path.stem, data, path.suffix)
        if not copy.exists():
            write_bytes(copy, data)
        return copy

    def result(self, name: Any) -> Path:
        """A result."""
        for path in self.results():
            if path.name == name:
                return path
        raise InputError(f"there is no result {str(name)[:80]!r} here: look at the history again")

    def listed_examples(self) -> list[Path]:
        """The pictures to choose from."""
        if self.examples is None:
            return []
        return [path for path in _files(self.examples) if path.suffix.lower() in picture_endings()]

    def results(self) -> list[Path]:
        """What was made here, the latest first."""
        made = [path for path in _files(self.folder) if path.suffix in RESULT_ENDINGS]
        made = [path for path in made if self.note_of(path) is not None]
        return sorted(made, key=lambda path: path.stat().st_mtime, reverse=True)

    def note_of(self, path: Path) -> dict[str, Any] | None:
        """What a studio wrote into a result; None if it was none."""
        changed = path.stat().st_mtime
        if self._notes.get(path, (None, None))[0] != changed:
            note = ((record_in(path) or {}).get("extra") or {}).get("studio")
            self._notes[path] = changed, note if isinstance(note, dict) else None
        return self._notes[path][1]

    def new_result(self, stem: str) -> Path:
        """A name that no file has."""
        stem, number = _plain(stem), 1
        while True:
            name = stem if number == 1 else f"{stem}-{number}"
            if not any((self.folder / f"{name}{ending}").exists() for ending in RESULT_ENDINGS):
                return self.folder / f"{name}.png"
            number += 1

    def thumbnail(self, path: Path) -> bytes:
        """A small JPEG file."""
        changed = path.stat().st_mtime
        if self._thumbnails.get(path, (None, b""))[0] != changed:
            with self._reading:
                self._thumbnails[path] = changed, jpeg(small(load_image(path).rgb, THUMBNAIL))
        return self._thumbnails[path][1]

    def _inputs(self) -> list[Path]:
        return _files(self.folder / STUDIO_INPUTS)

    def _new_input(self, stem: str, data: bytes, ending: str) -> Path:
        digest = hashlib.sha256(data).hexdigest()[:12]
        return self.folder / STUDIO_INPUTS / f"{_plain(stem)}-{digest}{ending}"


def plain_stem(path: str) -> str:
    """What a picture was called when it was given."""
    return _DIGEST.sub("", Path(path).stem)


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_file() and path.name[0] != ".")


def _plain(stem: str) -> str:
    return _NOT_IN_A_NAME.sub("_", stem)[:40].strip("_") or "picture"
