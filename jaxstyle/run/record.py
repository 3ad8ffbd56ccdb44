"""The record of a run inside its result: all that is needed to make the picture again.

Without date or time, so that the same run makes the same file.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import jax
import numpy as np

from jaxstyle._version import __version__
from jaxstyle.images import ImageError, Picture
from jaxstyle.images.masks import Mask
from jaxstyle.run.inputs import Style
from jaxstyle.run.job import Job
from jaxstyle.run.start import bare_name, initial_files, renamed
from jaxstyle.runtime.json_schema import Each, Named, misfit, parsed_json

FORMAT = "jaxstyle-record"
SHEET_FORMAT = "jaxstyle-sheet"
VERSION = 1
STYLE_OPTIONS = ("weight", "scale", "crop", "region")
_FILE = {"path": str, "sha256": str}
_SCHEMA = {
    "config": Named(object, most=1000),
    "versions": Named(str, most=100),
    "inputs": {
        "content?": ({**_FILE, "weight?": float}, None),
        "contents?": Each({**_FILE, "weight": float}),
        "styles": Each(
            {
                **_FILE,
                "weight?": float,
                "scale?": float,
                "crop?": float,
                "region?": (int, None),
                "mask?": _FILE,
            }
        ),
        "init?": Each(_FILE),
        "masks?": Each({**_FILE, "weight": float}),
        "freeze?": _FILE,
        "previous?": {"sha256": str},
        "weights": {"sha256": str, "source": str, "source_sha256?": str},
    },
    "extra?": {"backend?": str, "together?": int},
}
PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "scipy", "pillow")


def versions() -> dict[str, str]:
    """The versions of what makes the pixels; packages that are not installed are left out."""
    installed = {"jaxstyle": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            continue
    return installed


def make_record(config: dict[str, Any], inputs: dict[str, Any], extra: dict[str, Any]) -> str:
    """Write a record.

    Args:
        config: all settings of the run.
        inputs: ``content`` (or None) and each of ``styles`` as ``{"path", "sha256"}``, at least one
            of both, and ``weights`` with at least ``"sha256"`` and ``"source"``.
        extra: anything else worth knowing.

    Returns:
        JSON in ASCII, keys in alphabetical order: the same arguments give the same text.
    """
    record = {
        "format": FORMAT,
        "version": VERSION,
        "versions": versions(),
        "config": config,
        "inputs": inputs,
        "extra": extra,
    }
    return json.dumps(record, sort_keys=True, default=str)


def parse_record(text: str) -> dict[str, Any]:
    """Read a record of ``make_record``.

    Raises:
        ImageError: not JSON, not a record of jaxstyle, of a later version, incomplete, or with
            values of other types.
    """
    try:
        return checked_record(parsed_json(text))
    except ImageError:
        raise
    except ValueError:
        raise ImageError("the record is not JSON: it is damaged, or not of jaxstyle") from None


def checked_record(record: Any) -> dict[str, Any]:
    """A record whose JSON has been read; see ``parse_record``."""
    if isinstance(record, dict) and record.get("format") == SHEET_FORMAT:
        raise ImageError("this is a sheet of several runs: give the file of one of its cells")
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise ImageError(f"the record is not of format {FORMAT!r}: another program wrote it")
    number = record.get("version")
    if not isinstance(number, int) or number < 1:
        raise ImageError(f"the record has no version that makes sense: {str(number)[:40]!r}")
    if number > VERSION:
        raise ImageError(
            f"the record has version {str(number)[:20]}, this jaxstyle reads up to {VERSION}: "
            "upgrade jaxstyle"
        )
    if not (wrong := misfit(record, _SCHEMA)):
        content = record["inputs"].setdefault("content", None)
        if content is None and not record["inputs"]["styles"]:
            wrong = "inputs.content or inputs.styles"
    if wrong:
        raise ImageError(f"the record is incomplete: {wrong} is missing or not as it should be")
    return record


def record_of(job: Job, *, full: bool | None = None) -> str:
    """JSON from which the run can be made again.

    Args:
        full: with paths as they were given, not with the names of files alone; by default as the
            setting ``record`` of the job has it.
    """

    def entry(one: Picture | Mask, **more: Any) -> dict[str, Any]:
        return {"path": one.source, "sha256": one.sha256, **more}

    first, *others = job.contents or [None]
    inputs: dict[str, Any] = {
        "content": None if first is None else entry(first.picture),
        "styles": [record_of_style(style) for style in job.styles],
        "init": initial_files(job.config.init),
        "weights": {
            "sha256": job.network.sha256,
            "source": job.network.source,
            "source_sha256": job.network.source_sha256,
        },
    }
    if first is not None and others:
        inputs["content"]["weight"] = first.weight
        inputs["contents"] = [entry(o.picture, weight=o.weight) for o in others if o is not None]
    if job.regions:
        inputs["masks"] = [entry(region.mask, weight=region.weight) for region in job.regions]
    if job.freeze is not None:
        inputs["freeze"] = entry(job.freeze)
    if job.previous is not None:
        digest = hashlib.sha256()
        for array in job.previous:
            digest.update(np.ascontiguousarray(array).tobytes())
        inputs["previous"] = {"sha256": digest.hexdigest()}
    extra = {"backend": jax.default_backend(), "shape": list(job.sizes[-1]), **job.note}
    record = {"config": job.config.as_dict(), "inputs": inputs, "extra": extra}
    if not (job.config.record == "full" if full is None else full):
        record = without_folders(record)
    return make_record(**record)


def without_folders(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record whose files are named without their folders, which are nobody's business."""
    config = settings_without_folders(record["config"])
    return {**record, "config": config, "inputs": bare_names(record["inputs"])}


def settings_without_folders(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings whose files are named without their folders."""
    config = dict(settings)
    if isinstance(config.get("weights"), str):
        config["weights"] = bare_name(config["weights"])
    if isinstance(config.get("init"), str):
        config["init"] = renamed(config["init"], bare_name)
    return config


def bare_names(inputs: Any) -> Any:
    """Inputs of a record, or a part of them, whose paths are names of files alone."""
    if isinstance(inputs, Mapping):
        return {
            key: bare_name(value) if key == "path" else bare_names(value)
            for key, value in inputs.items()
        }
    return [bare_names(one) for one in inputs] if isinstance(inputs, list) else inputs


def record_of_style(style: Style) -> dict[str, Any]:
    """What a record says of a style; what is as usual is left out."""
    entry: dict[str, Any] = {"path": style.image.source, "sha256": style.image.sha256}
    plain = Style(None)
    for name in STYLE_OPTIONS:
        if getattr(style, name) != getattr(plain, name):
            entry[name] = getattr(style, name)
    if style.mask is not None:
        entry["mask"] = {"path": style.mask.source, "sha256": style.mask.sha256}
    return entry
