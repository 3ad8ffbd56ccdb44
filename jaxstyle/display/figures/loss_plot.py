"""The loss and its terms over the steps of a run."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxstyle.errors import InputError, quoted, reason_of
from jaxstyle.runtime.atomic_files import check_file, extension_of, write_bytes

PLOT_EXTENSIONS = (".png", ".svg", ".pdf")
_DASHES = ("-", "--", ":", "-.")
_COLORS = 10  # of matplotlib's own cycle, C0 to C9


def save_loss_plot(
    path: str | os.PathLike[str],
    curves: Mapping[str, Sequence[float]],
    *,
    breaks: Sequence[int] = (),
    title: str = "",
) -> None:
    """Draw losses on a log axis, one line for each term, over steps counted from 1.

    Values that a log axis cannot show (zero, negative, not finite) are left out; so are terms that
    have no other. The same arguments give the same bytes.

    Args:
        path: ends in .png, .svg or .pdf.
        curves: values at each step, by term.
        breaks: steps at which a level starts, as indices into the curves; drawn as thin lines.

    Raises:
        InputError: matplotlib is missing, or the file cannot be written.
    """
    check_plot_path(path)
    shown = {}
    for name, curve in curves.items():
        values = np.asarray(curve, np.float64)
        seen = np.isfinite(values) & (values > 0)
        if seen.any():
            shown[name] = np.ma.array(values, mask=~seen)
    try:
        data = _drawn(extension_of(path)[1:], shown, breaks, title)
    except Exception as error:  # whatever matplotlib may say of it
        raise InputError(f"cannot draw {quoted(path)}: {reason_of(error)}") from error
    write_bytes(path, data)


def check_plot_path(path: str | os.PathLike[str]) -> None:
    """See before a long run whether ``save_loss_plot`` will be able to write there.

    Raises:
        InputError: unknown extension, no such folder, no right to write, or matplotlib is missing.
    """
    check_file(path, PLOT_EXTENSIONS)
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        raise InputError(
            f"cannot draw {quoted(path)}: plots need matplotlib: pip install 'jaxstyle[plot]'"
        ) from None


def _drawn(kind: str, curves: Mapping[str, np.ndarray], breaks: Sequence[int], title: str) -> bytes:
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()  # the user's own matplotlibrc might ask for TeX, say
        matplotlib.rcParams["svg.hashsalt"] = "jaxstyle"  # else SVG has random names in it
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # an empty box shows it
        figure = Figure(figsize=(7.5, 4.5), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        _draw_curves(axes, curves)
        for at in breaks:
            axes.axvline(at + 1, color="0.6", linewidth=0.8, zorder=0)
        axes.set_xlabel("step")
        axes.set_ylabel("loss")
        axes.grid(axis="y", color="0.9", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        if title:
            axes.set_title(title, loc="left", parse_math=False, wrap=True)
        if not curves:
            axes.text(0.5, 0.5, "no loss above zero", ha="center", transform=axes.transAxes)
        file = io.BytesIO()
        dates: dict[str, Any] = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
        figure.savefig(file, format=kind, dpi=200, metadata=dates[kind])
    return file.getvalue()


def _draw_curves(axes: Any, curves: Mapping[str, np.ndarray]) -> None:
    if not curves:
        return
    axes.set_yscale("log")
    axes.xaxis.get_major_locator().set_params(integer=True)
    lines = []
    for index, values in enumerate(curves.values()):
        steps = np.arange(1, len(values) + 1)
        lines += axes.plot(
            steps,
            values,
            color=f"C{index % _COLORS}",
            linestyle=_DASHES[index // _COLORS % len(_DASHES)],
            linewidth=1.6,
            marker="o" if len(values) < 20 else None,
            markersize=3.5,
        )
    legend = axes.figure.legend(lines, list(curves), loc="outside right upper", frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)
