"""Progress in a notebook: one display, kept up to date. Skips where IPython is not installed."""

from __future__ import annotations

import base64
import io
import re
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from jaxstyle import stylize
from jaxstyle.display.loss_curves import Curves
from jaxstyle.display.notebook import NotebookProgress, curves_svg, in_notebook
from jaxstyle.display.progress import LevelProgress
from jaxstyle.errors import InputError
from jaxstyle.optimize import Progress

CONTENT = np.linspace(0, 1, 24 * 32 * 3).reshape(24, 32, 3).astype(np.float32)
STYLE = np.random.default_rng(0).random((32, 32, 3), np.float32)
FAST: dict[str, Any] = {"content_layers": "relu2_1", "style_layers": "relu1_1", "levels": 1}


class Terms(NamedTuple):
    content: float
    style: float


def event(total: int, value: float, *, level: int = 1, levels: int = 1) -> LevelProgress:
    progress = Progress(total, value, Terms(value / 2, 0.0), value, 0.1, lambda: CONTENT)
    return LevelProgress(level, levels, 32, 24, total, total, progress)


@pytest.fixture
def outputs(monkeypatch) -> Iterator[list[dict[str, Any]]]:
    """What a notebook would get to show, in order."""
    pytest.importorskip("IPython", reason="IPython is not installed")
    from IPython.core.displaypub import CapturingDisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    publisher = CapturingDisplayPublisher(shell=shell)
    monkeypatch.setattr(shell, "display_pub", publisher)
    yield publisher.outputs
    InteractiveShell.clear_instance()


def picture_in(output: dict[str, Any]) -> np.ndarray:
    found = re.search(r"data:image/jpeg;base64,([^\"]+)", output["data"]["text/html"])
    assert found is not None
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(found[1]))))


def test_one_display_follows_a_real_run(outputs):
    progress = NotebookProgress(every=0, steps=6)
    result = stylize(CONTENT, STYLE, size=32, steps=6, callback=progress, **FAST)
    names = {output["transient"]["display_id"] for output in outputs}
    assert len(names) == 1
    assert [output["update"] for output in outputs] == [False] + [True] * (len(outputs) - 1)
    last = outputs[-1]["data"]["text/html"]
    assert "32x24 (1/1), step 6/6" in last and "0 s left" in last
    assert f"loss {min(result.losses[0]):.4g}" in last
    pictures = [picture_in(output) for output in outputs]
    assert pictures[-1].shape == (24, 32, 3)
    first, last = (np.abs(pictures[at] / 255 - result.image).mean() for at in (0, -1))
    assert last < first / 2 and last < 0.01


def test_updates_are_few_and_the_last_step_is_shown(outputs):
    progress = NotebookProgress(steps=50)
    for step in range(1, 51):
        progress(event(step, 1.0))
    assert len(outputs) == 2 and "step 50/50" in outputs[-1]["data"]["text/html"]


def test_a_second_run_has_a_display_of_its_own(outputs):
    progress = NotebookProgress(every=0)
    for step in (1, 2, 1):
        progress(event(step, 1.0))
    first, _, second = (output["transient"]["display_id"] for output in outputs)
    assert first != second and not outputs[-1]["update"]


def test_it_is_html_that_is_whole(outputs):
    NotebookProgress()(event(1, 2.0))
    page = outputs[0]["data"]["text/html"].replace("&", "&amp;")
    ElementTree.fromstring(re.sub(r"(<img[^>]*)>", r"\1/>", f"<div>{page}</div>"))


def test_the_curves_fall_with_the_loss_on_a_logarithmic_scale():
    curves = Curves()
    for step, value in enumerate((8.0, 4.0, float("nan"), 2.0, 1.0), start=1):
        curves.add(event(step, value, level=1 + step // 4, levels=2))
    svg = ElementTree.fromstring(curves_svg(curves).partition("<div")[0])
    lines = [path for path in svg.iter() if path.get("fill") == "none"]
    assert len(lines) == 2  # the term that is zero has none
    places = re.findall(r"([\d.]+) ([\d.]+)", lines[-1].get("d") or "")
    heights = [float(y) for _, y in places]
    assert len(heights) == 4 and np.ptp(np.diff(heights)) < 0.3 and heights[0] < heights[-1]
    assert sum(path.get("stroke-dasharray") is not None for path in svg.iter()) == 2
    assert curves_svg(Curves()) == ""


def test_without_ipython_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", None)
    with pytest.raises(InputError, match="pip install ipython"):
        NotebookProgress()


@pytest.fixture
def kernel(outputs, monkeypatch) -> list[dict[str, Any]]:
    """What a notebook's own shell would get to show."""
    import IPython

    class ZMQInteractiveShell:  # told by its name
        display_pub = IPython.get_ipython().display_pub

    monkeypatch.setattr(IPython, "get_ipython", ZMQInteractiveShell)
    return outputs


def test_a_run_in_a_notebook_is_shown_there_by_itself(kernel):
    settings = {"size": 32, "steps": 2, "optimizer": "adam", **FAST}
    stylize(CONTENT, STYLE, **settings)
    name = kernel[0]["transient"]["display_id"]
    assert {output["transient"]["display_id"] for output in kernel} == {name}
    assert "step 2/2" in kernel[-1]["data"]["text/html"]
    del kernel[:]
    steps = []
    stylize(CONTENT, STYLE, callback=steps.append, **settings)
    stylize(CONTENT, STYLE, callback=False, **settings)
    assert len(steps) == 2 and kernel == []


def test_this_is_no_notebook(outputs):
    assert not in_notebook()  # IPython's shell in a terminal is none


@pytest.mark.filterwarnings("default")  # of jupyter's own libraries
def test_in_a_real_kernel():
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    source = f"""
import numpy as np
from jaxstyle import stylize
chance = np.random.default_rng(0)
content, style = chance.random((32, 32, 3)), chance.random((32, 32, 3))
result = stylize(content, style, size=32, steps=4, **{FAST})
"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    shown = [out for out in notebook.cells[0].outputs if out.output_type == "display_data"]
    assert len(shown) == 1 and "step 4/4," in shown[0].data["text/html"]
