"""CSV and JSON: another program reads the same values."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jaxstyle.display.figures import check_file, write_csv, write_json
from jaxstyle.errors import InputError

IN_FOLDER = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


def read_csv(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@given(st.lists(st.dictionaries(NAMES, NAMES, min_size=1), min_size=1))
@IN_FOLDER
def test_csv_round_trip(tmp_path, rows):
    path = tmp_path / "t.csv"
    write_csv(path, rows)
    columns = {key for row in rows for key in row}
    assert read_csv(path) == [{key: row.get(key, "") for key in columns} for row in rows]


def test_columns_come_in_order_of_appearance(tmp_path):
    path = tmp_path / "t.csv"
    write_csv(path, [{"b": 1, "a": 0.1}, {"c": "x,\ny", "b": np.float32(0.5)}])
    assert path.read_bytes() == b'b,a,c\r\n1,0.1,\r\n0.5,,"x,\ny"\r\n'


def test_no_rows_make_an_empty_file(tmp_path):
    write_csv(tmp_path / "t.csv", [])
    assert (tmp_path / "t.csv").read_bytes() == b""


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(VALUES)
@IN_FOLDER
def test_json_round_trip(tmp_path, value):
    path = tmp_path / "t.json"
    write_json(path, value)
    assert json.loads(path.read_text(encoding="utf-8")) == value


def test_json_takes_what_results_are_made_of(tmp_path):
    path = tmp_path / "t.json"
    value = {
        "loss": np.float32(0.5),
        "bad": [float("nan"), np.float64("inf")],
        "shape": (1, np.int64(2)),
        "array": np.array([[1.0, np.nan]]),
        "file": Path("a.png"),
        3: "Tübingen \udcff",
    }
    write_json(path, value)
    text = path.read_text(encoding="utf-8")

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    assert json.loads(text, parse_constant=refuse) == {
        "loss": 0.5,
        "bad": [None, None],
        "shape": [1, 2],
        "array": [[1.0, None]],
        "file": "a.png",
        "3": "Tübingen \udcff",
    }
    assert "Tübingen" in text
    with pytest.raises(TypeError):
        write_json(path, {"x": object()})
    assert path.read_text(encoding="utf-8") == text


# --- files ---------------------------------------------------------------------------------------


def test_a_file_is_whole_or_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    write_csv(path, [{"a": 1}])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("jaxstyle.runtime.atomic_files.os.fsync", full)
    with pytest.raises(InputError, match=r"cannot write '.*t\.csv': No space left on device"):
        write_csv(path, [{"a": 2}])
    assert [file.name for file in tmp_path.iterdir()] == ["t.csv"]
    assert read_csv(path) == [{"a": "1"}]


def test_whoever_reads_the_old_file_reads_all_of_it(tmp_path):
    path = tmp_path / "t.csv"
    write_csv(path, [{"a": 1}])
    with open(path) as reader:
        write_csv(path, [{"a": 2}])
        assert reader.read() == "a\n1\n"
    assert read_csv(path) == [{"a": "2"}]


def test_links_are_followed_and_permissions_usual(tmp_path):
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    write_json(tmp_path / "link.json", 1)
    assert (tmp_path / "link.json").is_symlink()
    (tmp_path / "plain").touch()
    assert (tmp_path / "real.json").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("write", [check_file, lambda path: write_json(path, 1)])
def test_refusals_before_and_after(tmp_path, write):
    with pytest.raises(InputError, match=r"there is no folder .*: create it first"):
        write(tmp_path / "none" / "t.json")
    with pytest.raises(InputError, match="it is a folder: choose another name"):
        write(tmp_path)
    with pytest.raises(InputError, match="cannot write"):
        write("a\0b.json")
    assert list(tmp_path.iterdir()) == []


def test_checking_leaves_nothing(tmp_path):
    check_file(tmp_path / "t.json", [".json"])
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match=r"its extension is '\.txt': use one of \.json"):
        check_file(tmp_path / "t.txt", [".json"])
    with pytest.raises(InputError, match="it has no extension"):
        check_file(tmp_path / "t", [".json"])
