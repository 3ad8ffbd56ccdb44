"""Many pictures in the same style.

    python scripts/batch.py examples/content.jpg examples/still_life.jpg \\
        --style examples/style.jpg --size 192 -o painted

gives painted/content.png, painted/still_life.png and painted/manifest.json. The same as
`jaxstyle batch`.
"""

from __future__ import annotations

import sys

from jaxstyle.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["batch", *sys.argv[1:]]))
