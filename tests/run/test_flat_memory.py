"""Pictures of ever new shapes, as in a long batch or in a server: the process must not grow."""

from __future__ import annotations

import subprocess
import sys

from conftest import ROOT

SHAPES = 30

PAINTS_MANY_SHAPES = f"""
import sys
sys.path.insert(0, "tests")
import numpy as np
from samples import random_network
from jaxstyle import stylize
from jaxstyle.runtime.memory import memory_in_use

chance = np.random.default_rng(0)
for width in range(32, 32 + 2 * {SHAPES}, 2):
    stylize(
        chance.random((32, width, 3)),
        chance.random((32, 32, 3)),
        network=random_network(),
        content_layers="relu1_2",
        style_layers="relu1_1,relu2_1",
        size=width,
        levels=1,
        steps=2,
        optimizer="adam",
    )
    print(memory_in_use().host)
"""


def test_new_shapes_leave_no_programs_behind():
    command = [sys.executable, "-c", PAINTS_MANY_SHAPES]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    held = [int(line) for line in done.stdout.split()]
    assert len(held) == SHAPES
    assert max(held[5:]) - held[4] < 50 * 2**20
