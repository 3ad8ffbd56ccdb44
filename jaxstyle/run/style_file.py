"""Files of style targets: all that is known of a style, for runs that go without its picture."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxstyle.config.stylize_config import StylizeConfig, names_of
from jaxstyle.errors import InputError, WeightFileError
from jaxstyle.network.architecture import style_padding
from jaxstyle.network.network import Network
from jaxstyle.network.weights.safe_parsers.zip_archive import open_archive
from jaxstyle.objective.objective import Objective
from jaxstyle.objective.statistics import Moments, additive
from jaxstyle.objective.statistics.histogram import COUNT
from jaxstyle.objective.targets import Known
from jaxstyle.runtime.atomic_files import at_home, write_bytes

ENDING = ".npz"
FORMAT, VERSION = "jaxstyle-style", 1
AGAIN = "make it again with `jaxstyle targets`"
_LARGEST = 2**30  # bytes


@dataclass(frozen=True, eq=False)  # arrays have no single truth value to compare by
class SavedStyle:
    """What a file says of a style, or of several blended.

    Attributes:
        source: the file's path as given.
        sha256: of the file's bytes.
        network: SHA-256 of the weight file.
        settings: those of ``StylizeConfig`` that decided what is known, with the names there.
        inputs: the style pictures, as in a record.
        known: longest side of the result -> tap -> ``products`` (c, c) and ``total`` (c,), see
            ``Moments``, and perhaps ``quantiles`` (COUNT, c).
    """

    source: str
    sha256: str
    network: str
    settings: Mapping[str, Any]
    inputs: Sequence[Mapping[str, Any]]
    known: Mapping[int, Mapping[str, Mapping[str, Float[np.ndarray, "..."]]]]

    @property
    def taps(self) -> tuple[str, ...]:
        """Of all sides."""
        return tuple(next(iter(self.known.values())))

    @property
    def has_quantiles(self) -> bool:
        """Whether statistics of ranks can be had."""
        return all("quantiles" in of for taps in self.known.values() for of in taps.values())

    def known_at(self, side: int, objective: Objective) -> Known:
        """What an objective needs to know for a result whose longest side is ``side``."""
        found, one = self.known[side], jnp.ones((), jnp.float32)
        moments, values = {}, {}
        for tap in objective.style_layers:
            of = found[tap]
            moments[tap] = Moments(jnp.asarray(of["products"]), jnp.asarray(of["total"]), one)
            if not additive(objective.statistics):
                values[tap] = jnp.asarray(of["quantiles"])
        return Known(moments, values)


def settings_that_matter(config: StylizeConfig) -> dict[str, Any]:
    """The settings that decide what is known of a style."""
    settings = {name: getattr(config, name) for name in names_of("style-file")}
    return {**settings, "padding": style_padding(config.padding), "color": "style"}


def write_saved_style(
    path: str | os.PathLike[str],
    network: str,
    settings: Mapping[str, Any],
    inputs: Sequence[Mapping[str, Any]],
    known: Mapping[int, Known],
) -> None:
    """Write a file of style targets; the same ones make the same file.

    Args:
        settings: see ``settings_that_matter``, and ``scales``, tap -> its ``style_scales``.
        known: longest side of the result -> what is known, with at most ``COUNT`` quantiles.

    Raises:
        InputError: it does not end in .npz, or cannot be written.
    """
    check_ending(path)
    header = {
        "format": FORMAT,
        "version": VERSION,
        "network": network,
        "settings": dict(settings),
        "inputs": list(inputs),
        "sides": sorted(known),
        "taps": list(next(iter(known.values())).moments),
    }
    arrays = {"header": np.frombuffer(json.dumps(header, sort_keys=True).encode(), np.uint8)}
    for side, one in known.items():
        for tap, moments in one.moments.items():
            arrays[f"{side}/{tap}/products"] = np.asarray(moments.products)
            arrays[f"{side}/{tap}/total"] = np.asarray(moments.total)
        for tap, values in one.values.items():
            arrays[f"{side}/{tap}/quantiles"] = np.asarray(values)
    file = io.BytesIO()
    # Not numpy.savez: it writes the time of day too.
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    write_bytes(path, file.getvalue())


def check_ending(path: str | os.PathLike[str]) -> None:
    """Refuse a name that would not be known again as one of style targets."""
    if not is_saved_style(path):
        raise InputError(f"{Path(path)} is no name for style targets: let it end in {ENDING}")


def is_saved_style(source: Any) -> bool:
    """Whether a style is given as a file of targets."""
    return isinstance(source, str | os.PathLike) and os.fsdecode(source).lower().endswith(ENDING)


def read_saved_style(path: str | os.PathLike[str]) -> SavedStyle:
    """Read what ``write_saved_style`` wrote. Nothing in it is run.

    Raises:
        InputError: no such file; or it is damaged, or of another kind or a later version.
    """
    name = at_home(path)
    if Path(name).exists() and not Path(name).is_file():
        raise InputError(f"cannot read style targets from {name}: it is not a file")
    try:
        with open(name, "rb") as file:
            return _read(file, name)
    except OSError as error:
        reason = error.strerror or "it is damaged"
        raise InputError(f"cannot read style targets from {name}: {reason}") from None
    except Exception as error:  # libraries raise all kinds of them on damaged files
        if isinstance(error, InputError) and not isinstance(error, WeightFileError):
            raise
        raise InputError(
            f"{name} is no file of style targets, or damaged: {AGAIN}, or give the style picture"
        ) from None


def _read(file: IO[bytes], name: str) -> SavedStyle:
    if os.fstat(file.fileno()).st_size > _LARGEST:
        raise ValueError
    sha256 = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    # Written as they are: what is packed may unfold to any size.
    with open_archive(file, compressed=False) as (archive, members):
        arrays = {}
        for member in members.values():
            with archive.open(member) as opened:
                array = np.lib.format.read_array(opened, allow_pickle=False)
            arrays[member.filename.removesuffix(".npy")] = array
    header = json.loads(arrays.pop("header").tobytes())
    if header["format"] != FORMAT:
        raise ValueError
    version = header["version"]
    if isinstance(version, int) and version > VERSION:
        raise InputError(
            f"style targets {name} are of version {version}, this jaxstyle reads up to "
            f"{VERSION}: upgrade jaxstyle"
        )
    settings = {str(key): value for key, value in header["settings"].items()}
    scales = settings["scales"].values()
    if version != VERSION or not all(isinstance(scale, int | float) for scale in scales):
        raise ValueError
    return SavedStyle(
        name,
        sha256,
        str(header["network"]),
        settings,
        [dict(entry) for entry in header["inputs"]],
        _by_side(arrays, header["sides"], list(map(str, header["taps"]))),
    )


def check_saved_style(
    saved: SavedStyle,
    config: StylizeConfig,
    network: Network,
    sides: Sequence[int],
    *,
    first: bool,
    used: bool,
) -> None:
    """Refuse a file that a run cannot use, or that would give it another picture.

    Args:
        config: the run's, resolved.
        sides: the longest side of each level.
        first: whether it is the first one used, whose picture ``init`` may look at.
        used: whether its weight is not 0.

    Raises:
        InputError: its message says what to do.
    """
    _check_no_picture_is_needed(saved.source, config, first, used)
    if saved.network != network.sha256:
        raise InputError(
            f"{saved.source} was made with another network than {network.source}: {AGAIN} and the "
            "--weights in use"
        )
    _check_extent(saved, config, sides)
    _check_settings(saved, config)
    widths = {tap: network.architecture.width(tap) for tap in config.style_loss_layers}
    for taps in saved.known.values():
        if any(len(taps[tap]["total"]) != width for tap, width in widths.items()):
            raise InputError(f"{saved.source} does not fit the network that it names: {AGAIN}")


def _check_no_picture_is_needed(name: str, config: StylizeConfig, first: bool, used: bool) -> None:
    if config.color in ("luminance", "match-before"):
        raise InputError(
            f"--color {config.color} changes the style by the content, which {name} knows nothing "
            "of: give the style picture, or another --color"
        )
    starts = first and "style" in config.init.replace("+", ":").split(":")
    if starts or (used and config.match_histogram):
        by = "--match-histogram" if config.match_histogram else f"--init {config.init}"
        raise InputError(f"{by} needs the style picture: {name} holds its targets alone")


def _check_extent(saved: SavedStyle, config: StylizeConfig, sides: Sequence[int]) -> None:
    """Refuse a file that lacks layers, ranks or sizes."""
    name, taps = saved.source, config.style_loss_layers
    if missing := [tap for tap in taps if tap not in saved.taps]:
        raise InputError(
            f"{name} has targets for {','.join(saved.taps)} and none for {','.join(missing)}: "
            f"{AGAIN} and --style-layers {','.join(taps)}"
        )
    if not additive(config.statistics) and not saved.has_quantiles:
        raise InputError(
            f"{name} has none of the ranks that statistic {config.statistic} compares: {AGAIN} "
            f"and --statistic {config.statistic}"
        )
    if missing := [side for side in sides if side not in saved.known]:
        raise InputError(
            f"{name} has targets for results of {', '.join(map(str, saved.known))} px on the "
            f"longest side, and none for {missing[-1]} px: {AGAIN} and --size {max(sides)}"
        )


def _check_settings(saved: SavedStyle, config: StylizeConfig) -> None:
    """Refuse a file that was made with other settings, where they matter."""
    compared = [
        (f"made with {name}", saved.settings.get(name), value)
        for name, value in settings_that_matter(config).items()
    ]
    guide = saved.settings.get("guide", config.guide)
    compared.append(("made of masked pictures with guide", guide, config.guide))
    for words, made_with, asked in compared:
        if made_with != asked:
            raise InputError(
                f"{saved.source} was {words} {made_with}, not {asked}: {AGAIN}, or use the same "
                "here"
            )
    for tap in config.style_loss_layers:
        ours = config.layer_scales.get(tap, 1.0)
        theirs = saved.settings["scales"].get(tap, 1.0)
        if ours != theirs:
            raise InputError(
                f"{saved.source} was made with style_scales {theirs:g} for {tap}, not {ours:g}: "
                f"{AGAIN}, or use the same here"
            )


def _by_side(arrays: dict[str, np.ndarray], sides: Any, taps: Any) -> dict[int, Any]:
    known = {
        side: {tap: _of_tap(arrays, f"{side}/{tap}") for tap in taps}
        for side in sorted(int(side) for side in sides)
    }
    if not known or not taps:
        raise ValueError
    return known


def _of_tap(arrays: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    total = arrays[f"{name}/total"]
    shapes = {"products": total.shape * 2, "total": total.shape}
    if f"{name}/quantiles" in arrays:
        shapes["quantiles"] = (COUNT, *total.shape)
    parts = {part: arrays[f"{name}/{part}"] for part in shapes}
    for part, array in parts.items():
        fits = array.shape == shapes[part] and array.dtype == np.float32
        if total.ndim != 1 or not fits or not np.isfinite(array).all():
            raise ValueError
    return parts
