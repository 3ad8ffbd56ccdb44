"""The picture of ``bench.py optimise``: the loss over evaluations and over seconds."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from itertools import accumulate
from typing import Any

from jaxstyle.display.figures.loss_plot import check_plot_path
from jaxstyle.runtime.atomic_files import extension_of, write_bytes

Runs = Mapping[tuple[str, str], Mapping[str, Any]]
"""(start, optimiser) -> losses and times, one each for every evaluation."""


def save_curves(path: str | os.PathLike[str], runs: Runs) -> None:
    """One column of panels for each start: the lowest loss so far, on a log axis.

    Raises:
        InputError: matplotlib is missing, or the file cannot be written.
    """
    check_plot_path(path)
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullLocator

    starts = list(dict.fromkeys(start for start, _ in runs))
    names = list(dict.fromkeys(name for _, name in runs))
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams["svg.hashsalt"] = "jaxstyle"
        figure = Figure(figsize=(max(6.4, 4.6 * len(starts)), 6.8), layout="constrained")
        panels = figure.subplots(2, len(starts), squeeze=False, sharey="col")
        lines = {}
        for (start, name), run in runs.items():
            lowest = list(accumulate(run["losses"], lambda a, b: b if b < a else a))
            column, color = starts.index(start), f"C{names.index(name)}"
            dashes = "--" if name.startswith("PyTorch") else "-"
            for row, x in enumerate((range(1, len(lowest) + 1), run["times"])):
                (line,) = panels[row][column].plot(x, lowest, dashes, color=color, linewidth=1.5)
                lines[name] = line
        for column, start in enumerate(starts):
            panels[0][column].set_title(f"from {start}", loc="left")
            for row, heading in enumerate(("evaluations", "seconds")):
                panels[row][column].set(yscale="log", xlabel=heading, ylabel="lowest loss so far")
                axis = panels[row][column].yaxis
                axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
                axis.set_major_formatter(FormatStrFormatter("%g"))
                axis.set_minor_locator(NullLocator())
                panels[row][column].spines[["top", "right"]].set_visible(False)
                panels[row][column].grid(axis="y", which="both", color="0.92", linewidth=0.6)
        figure.legend(
            list(lines.values()), list(lines), loc="outside lower center", ncols=3, frameon=False
        )
        file = io.BytesIO()
        metadata: Any = {"Date": None} if extension_of(path) == ".svg" else {}
        figure.savefig(file, format=extension_of(path)[1:], dpi=150, metadata=metadata)
    write_bytes(path, file.getvalue())
