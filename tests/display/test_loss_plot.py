"""Loss plots: files of their kind, with what can be shown and without warnings."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest
from PIL import Image

from jaxstyle.display.figures import check_plot_path, save_loss_plot
from jaxstyle.errors import InputError

STEPS = np.arange(60)
CURVES = {
    "content": 1e3 + STEPS,
    "style": 1e6 * np.exp(-STEPS / 9),
    "tv": np.zeros(60),
}


@pytest.fixture(autouse=True)
def _needs_matplotlib(request):
    if "missing" not in request.node.name:
        pytest.importorskip("matplotlib")


def drawn_axes(monkeypatch, tmp_path, curves, **options):
    """The axes as they are when the figure is saved."""
    from matplotlib.figure import Figure

    seen = []
    save = Figure.savefig

    def spy(figure, *arguments, **keywords):
        seen.extend(figure.axes)
        return save(figure, *arguments, **keywords)

    monkeypatch.setattr(Figure, "savefig", spy)
    save_loss_plot(tmp_path / "l.png", curves, **options)
    (axes,) = seen
    return axes


@pytest.mark.parametrize(
    ("ending", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")]
)
def test_each_kind_of_file_and_the_same_bytes_again(tmp_path, ending, start):
    for name in "ab":
        save_loss_plot(tmp_path / (name + ending), CURVES, breaks=[0, 30], title="Loss")
    data = (tmp_path / f"a{ending}").read_bytes()
    assert data.startswith(start)
    assert data == (tmp_path / f"b{ending}").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_lines_steps_and_breaks(monkeypatch, tmp_path):
    axes = drawn_axes(monkeypatch, tmp_path, CURVES, breaks=[0, 30])
    assert axes.get_yscale() == "log"
    content, style, first, second = axes.lines
    np.testing.assert_array_equal(content.get_xdata(), STEPS + 1)
    np.testing.assert_array_equal(style.get_ydata(), CURVES["style"])
    assert [line.get_xdata()[0] for line in (first, second)] == [1, 31]
    (legend,) = axes.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["content", "style"]
    colors = [line.get_color() for line in (content, style)]
    assert len(set(colors)) == 2


def test_what_a_log_axis_cannot_show_is_left_out(monkeypatch, tmp_path):
    values = [1.0, 0.0, -3.0, float("nan"), float("inf"), 2.0]
    axes = drawn_axes(monkeypatch, tmp_path, {"x": values, "empty": [], "bad": [float("nan")]})
    (line,) = axes.lines
    np.testing.assert_array_equal(np.ma.getmaskarray(line.get_ydata()), [0, 1, 1, 1, 1, 0])


@pytest.mark.parametrize("curves", [{}, {"tv": [0, 0]}, {"x": []}])
def test_nothing_to_show_still_makes_a_picture(tmp_path, curves):
    save_loss_plot(tmp_path / "l.png", curves)
    assert np.asarray(Image.open(tmp_path / "l.png").convert("L")).min() < 128


def test_names_are_text_not_markup(tmp_path):
    names = ["_hidden", "$\\frac{", "日本", "a_b^c", "<script>"]
    save_loss_plot(tmp_path / "l.svg", {name: [1, 2] for name in names}, title="$x_ & <b>")
    text = (tmp_path / "l.svg").read_text(encoding="utf-8")
    assert "<script>" not in text
    assert len(re.findall('<g id="text_', text)) >= len(names)


def test_many_lines_can_be_told_apart(monkeypatch, tmp_path):
    axes = drawn_axes(monkeypatch, tmp_path, {f"t{i}": [1, 2] for i in range(25)})
    looks = {(line.get_color(), line.get_linestyle()) for line in axes.lines}
    assert len(looks) == 25


def test_the_users_matplotlib_is_left_alone(tmp_path):
    import matplotlib

    with matplotlib.rc_context({"lines.linewidth": 9, "text.usetex": True}):
        save_loss_plot(tmp_path / "l.png", CURVES)
        assert matplotlib.rcParams["lines.linewidth"] == 9
        assert matplotlib.rcParams["svg.hashsalt"] is None
    assert "matplotlib.pyplot" not in sys.modules


def test_refusals(tmp_path):
    with pytest.raises(InputError, match=r"'\.jpg': use one of \.png \.svg \.pdf"):
        check_plot_path(tmp_path / "l.jpg")
    with pytest.raises(InputError, match="there is no folder"):
        save_loss_plot(tmp_path / "none" / "l.png", CURVES)
    check_plot_path(tmp_path / "l.png")
    assert list(tmp_path.iterdir()) == []


def test_missing_matplotlib_is_said_before_a_run(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for call in (check_plot_path, lambda path: save_loss_plot(path, CURVES)):
        with pytest.raises(InputError, match=r"pip install 'jaxstyle\[plot\]'") as caught:
            call(tmp_path / "l.png")
        assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
