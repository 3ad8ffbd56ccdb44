"""Whatever becomes of the standard streams, a command says what it can and has no traceback."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT

from jaxstyle.runtime.streams import Stream, standard_streams

TALKER = """
import json, os, sys
from jaxstyle.runtime.streams import standard_streams
with standard_streams() as output:
    file = open("result.txt", "w")  # must not get the number of a stream that is closed
    print("to whom it may concern", file=sys.stderr)
    os.write(2, b"as a library does\\n")
    for number in range(20000):
        print(json.dumps({"number": number}))
    file.write(f"whole, {output.failure or 'no failure'}")
    file.close()
    output.flush()
    if output.failure:
        print(output.failure, file=sys.stderr)
"""


def shell(folder, redirections: str) -> subprocess.CompletedProcess:
    command = f'set -o pipefail; "{sys.executable}" -c "$TALKER" {redirections}'
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TALKER": TALKER}
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("redirections", "said", "complained"),
    [
        ("| head -1", '{"number": 0}\n', True),
        (">&-", "", True),
        ("2>&- | tail -1", '{"number": 19999}\n', False),
        ("<&- 2>&- | tail -1", '{"number": 19999}\n', False),
        ("<&- >&- 2>&-", "", False),
        ("2>/dev/full | tail -1", '{"number": 19999}\n', False),
    ],
)
def test_streams_that_are_closed_or_end_early(tmp_path, redirections, said, complained):
    done = shell(tmp_path, redirections)
    assert (done.returncode, done.stdout) == (0, said)
    assert done.stderr == ("to whom it may concern\nas a library does\n" if complained else "")
    assert (tmp_path / "result.txt").read_text() == "whole, no failure"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full device")
def test_a_full_disk_is_told(tmp_path):
    done = shell(tmp_path, "> /dev/full")
    assert done.stderr.endswith("No space left on device\n")


class Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


def test_a_stream_that_breaks_is_given_up_quietly():
    stream = Stream(Broken())
    assert stream.write("text") == 4
    assert stream.failure == ""
    closed = io.StringIO()
    closed.close()
    Stream(closed).write("text")


def test_letters_that_the_encoding_lacks_are_written_as_numbers():
    file = io.BytesIO()
    stream = Stream(io.TextIOWrapper(file, encoding="ascii", write_through=True))
    stream.write("photo-\udcff-ü")
    assert file.getvalue() == b"photo-\\udcff-\\xfc"


def test_the_streams_of_the_host_come_back(monkeypatch):
    mine = io.StringIO()
    monkeypatch.setattr(sys, "stdout", mine)
    monkeypatch.setattr(sys, "stderr", None)
    with standard_streams():
        print("out")
        print("error", file=sys.stderr)
    assert (sys.stdout, sys.stderr) == (mine, None)
    assert mine.getvalue() == "out\n"


def test_only_json_goes_to_standard_output(tmp_path):
    """Whichever stream is missing: ``print`` to a missing standard error would be to the other."""
    done = shell(tmp_path, "2>&-")
    assert [json.loads(line)["number"] for line in done.stdout.splitlines()] == [*range(20000)]
