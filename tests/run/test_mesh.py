"""``mesh``: one picture over several devices, through the API and the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest

from jaxstyle import images, stylize
from jaxstyle.cli.main import main
from jaxstyle.errors import InputError
from jaxstyle.run.prepare import prepare

SETTINGS = {
    "size": 72, "levels": 2, "steps": 3, "content_layers": "relu2_1", "style_layers": "relu1_1",
}  # fmt: skip


@pytest.fixture(scope="module")
def pictures() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random((50, 72, 3), np.float32), rng.random((64, 64, 3), np.float32)


def test_a_divided_run_is_the_whole_one(pictures):
    whole = stylize(*pictures, **SETTINGS)
    divided = stylize(*pictures, mesh="2x4", **SETTINGS)
    for ours, theirs in zip(divided.losses, whole.losses, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3)
    np.testing.assert_allclose(divided.image, whole.image, atol=5e-3)
    assert json.loads(divided.record)["config"]["mesh"] == "2x4"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mesh": "9x9"}, "needs 81 devices, but there are 8"),
        ({"mesh": "two"}, "write ROWSxCOLUMNS"),
        ({"mesh": "2x1", "optimizer": "scipy"}, "optimizer scipy cannot"),
        ({"mesh": "2x1", "padding": "circular"}, "padding circular cannot"),
    ],
)
def test_meshes_that_cannot_be(pictures, settings, message):
    with pytest.raises(InputError, match=message):
        prepare(*pictures, **{**SETTINGS, **settings})


def test_a_record_of_more_devices_replays_on_fewer(pictures, tmp_path, monkeypatch):
    from samples import prepare_replay

    monkeypatch.chdir(tmp_path)
    for name, picture in zip(("content.png", "style.png"), pictures, strict=True):
        images.save_image(name, picture)
    settings = {**SETTINGS, "levels": 1, "steps": 1}
    result = stylize("content.png", "style.png", mesh="2x1", **settings)
    result.save("out.png")
    assert prepare_replay("out.png")[0].config.mesh == "2x1"
    monkeypatch.setattr("jax.devices", lambda: __import__("jax").local_devices()[:1])
    job, changed = prepare_replay("out.png")
    assert job.config.mesh is None
    assert changed == {"mesh": "2x1"}


def test_processes_need_a_mesh(tmp_path, monkeypatch, capsys, pictures):
    monkeypatch.chdir(tmp_path)
    for name, picture in zip(("content.png", "style.png"), pictures, strict=True):
        images.save_image(name, picture)
    assert main(["stylize", "content.png", "style.png", "--distributed"]) == 2
    assert "give that, such as 2x1" in capsys.readouterr().err
