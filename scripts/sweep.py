"""A grid of runs along any settings.

    python scripts/sweep.py examples/content.jpg examples/style.jpg --size 192 --init noise \\
        --axis style_weight=0.1,1,10 --axis seed=0..1 -o sweep

gives sweep/sheet.png, sweep/index.html, sweep/losses.csv and the six cells. The same as
`jaxstyle sweep`.
"""

from __future__ import annotations

import sys

from jaxstyle.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["sweep", *sys.argv[1:]]))
