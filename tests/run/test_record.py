"""Records: complete, the same each time, and refused in one line when they are not ours."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jaxstyle
from jaxstyle.images import ImageError, read_record, save_image
from jaxstyle.run.record import make_record, parse_record, versions

CONFIG = {"size": 512, "style_layers": {"relu1_1": 1.0}, "tolerance": None, "init": "content"}
INPUTS = {
    "content": {"path": "Bücher/content.jpg", "sha256": "ab"},
    "styles": [{"path": "style.jpg", "sha256": "cd"}],
    "weights": {"name": "slim", "sha256": "ef", "source": "vgg19-slim"},
}
RECORD = make_record(CONFIG, INPUTS, {"backend": "cpu"})


def changed(**changes) -> str:
    return json.dumps({**json.loads(RECORD), **changes})


def refusal(text: str) -> str:
    with pytest.raises(ImageError) as caught:
        parse_record(text)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


def test_all_that_was_given_comes_back():
    record = parse_record(RECORD)
    assert record["config"] == CONFIG
    assert record["inputs"] == INPUTS
    assert record["extra"] == {"backend": "cpu"}
    assert record["versions"] == versions()
    assert record["format"] == "jaxstyle-record"
    assert record["version"] == 1


def test_versions_are_those_in_use():
    import jax
    import PIL

    found = versions()
    assert found["jaxstyle"] == jaxstyle.__version__
    assert found["jax"] == jax.__version__
    assert found["numpy"] == np.__version__
    assert found["pillow"] == PIL.__version__
    assert found["python"].startswith("3.")


def test_versions_leave_out_what_is_not_installed(monkeypatch):
    monkeypatch.setattr("jaxstyle.run.record.PACKAGES", ("numpy", "no-such-package"))
    assert versions().keys() == {"jaxstyle", "python", "numpy"}


def test_order_of_keys_does_not_matter():
    backwards = dict(reversed(CONFIG.items()))
    assert make_record(backwards, dict(reversed(INPUTS.items())), {"backend": "cpu"}) == RECORD
    assert RECORD.isascii()


def test_paths_are_written_as_text():
    record = parse_record(make_record({"weights": Path("a/b.h5")}, INPUTS, {}))
    assert record["config"]["weights"] == "a/b.h5"


@pytest.mark.parametrize("extension", [".png", ".jpg", ".webp", ".tif"])
def test_record_goes_through_files(extension, tmp_path):
    path = tmp_path / f"x{extension}"
    save_image(path, np.zeros((4, 4, 3), np.float32), record=RECORD)
    assert parse_record(read_record(path)) == json.loads(RECORD)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        (RECORD[:-1], "not JSON"),
        ("[" * 100000, "not JSON"),
        ("[]", "not of format 'jaxstyle-record'"),
        ('{"prompt": "a cat"}', "another program wrote it"),
        (changed(version=2), "version 2, this jaxstyle reads up to 1: upgrade jaxstyle"),
        (changed(version="1"), "no version"),
        (changed(version=0), "no version"),
        (changed(config=None), "config is missing"),
        (changed(versions=[]), "versions is missing"),
        (changed(inputs={}), "inputs.styles is missing"),
        (changed(inputs={**INPUTS, "content": {"path": "x"}}), "inputs.content is"),
        (changed(inputs={**INPUTS, "styles": None}), "inputs.styles is"),
        (
            changed(inputs={**INPUTS, "content": None, "styles": []}),
            "inputs.content or inputs.styles is",
        ),
        (changed(inputs={**INPUTS, "styles": ["x.jpg"]}), "inputs.styles[0] is"),
        (changed(inputs={**INPUTS, "weights": {"sha256": 1}}), "inputs.weights is"),
    ],
)
def test_records_that_are_refused(text, reason):
    assert reason in refusal(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["format", "version", "config", "inputs", "content", "styles"]),
                inner,
                max_size=4,
            )
        ),
    )
)
def test_any_json_is_refused_in_one_line(value):
    refusal(json.dumps(value))
    refusal(changed(inputs=value))
