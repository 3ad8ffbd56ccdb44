"""Why runs end: one order of gravity, one question for who goes on with other runs."""

from __future__ import annotations

import json

from jaxstyle.optimize import Ending
from jaxstyle.optimize.ending import graver


def test_only_people_cut_a_run_short():
    assert [ending for ending in Ending if ending.cut_short] == [Ending.STOPPED, Ending.INTERRUPTED]


def test_it_is_text_in_records():
    assert json.dumps({"reason": Ending.MAX_SECONDS}) == '{"reason": "max_seconds"}'
    assert Ending("stopped") is Ending.STOPPED == "stopped"


def test_the_gravest_of_some():
    assert graver(Ending.STEPS, Ending.MAX_SECONDS, Ending.TOLERANCE) is Ending.MAX_SECONDS
    assert graver(Ending.INTERRUPTED, Ending.STOPPED) is Ending.INTERRUPTED
