"""What the network sees in a style, as a file.

    python scripts/targets.py examples/style.jpg -o style.npz --size 256
    python scripts/stylize.py examples/content.jpg style.npz -o out.png --size 256

The same as `jaxstyle targets`.
"""

from __future__ import annotations

import sys

from jaxstyle.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["targets", *sys.argv[1:]]))
