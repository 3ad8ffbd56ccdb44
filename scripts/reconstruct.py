"""Figure 1 of the paper: pictures from single layers, and from their statistics.

    python scripts/reconstruct.py --content examples/content.jpg --style examples/style.jpg \\
        -o figure1.png

gives figure1.png, two labelled rows of five pictures. The same as `jaxstyle reconstruct`.
"""

from __future__ import annotations

import sys

from jaxstyle.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["reconstruct", *sys.argv[1:]]))
