"""Files of settings as editors leave them."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from jaxstyle import InputError, StylizeConfig
from jaxstyle.config.settings_file import read_settings

TEXTS = {".json": '{"steps": "7", "init": "ü.png"}', ".toml": 'steps = "7"\r\ninit = "ü.png"\r\n'}


@pytest.mark.parametrize("ending", TEXTS)
@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
def test_the_mark_of_windows_is_no_part_of_the_text(ending, mark, tmp_path):
    path = tmp_path / f"a{ending}"
    path.write_bytes(mark + TEXTS[ending].encode())
    assert read_settings(path) == {"steps": "7", "init": "ü.png"}


@pytest.mark.parametrize("ending", TEXTS)
@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-16", "is in UTF-16: save it in UTF-8"),
        ("utf-16-le", "is in UTF-16: save it in UTF-8"),
        ("utf-16-be", "is in UTF-16: save it in UTF-8"),
        ("utf-32", "is in UTF-32: save it in UTF-8"),
        ("latin-1", "is no text in UTF-8"),
    ],
)
def test_other_encodings_have_a_sentence_of_their_own(ending, encoding, said, tmp_path):
    path = tmp_path / f"a{ending}"
    path.write_bytes(TEXTS[ending].encode(encoding))
    with pytest.raises(InputError, match=said):
        read_settings(path)


def test_a_home_in_a_file_and_in_its_settings(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.toml").write_text('weights = "~/net.h5"\ninit = "~/a.png+noise:0.3"')
    config = StylizeConfig(**read_settings("~/a.toml"))
    assert config.weights == str(tmp_path / "net.h5")
    assert config.init == f"{tmp_path}/a.png+noise:0.3"
    assert StylizeConfig(weights=Path("~/net.h5")).weights == config.weights
    assert StylizeConfig(init="content+~/a.png:0.3").init == f"content+{tmp_path}/a.png:0.3"
