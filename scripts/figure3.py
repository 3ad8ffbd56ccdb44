"""Figure 3 of the paper: style layers against content over style.

    python scripts/figure3.py examples/content.jpg examples/style.jpg -o figure3.png

gives figure3.png, a labelled grid of 5 x 4 pictures. The same as `jaxstyle figure3`.
"""

from __future__ import annotations

import sys

from jaxstyle.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["figure3", *sys.argv[1:]]))
