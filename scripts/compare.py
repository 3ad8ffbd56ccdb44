"""One pair from several starts, or at several style scales.

    python scripts/compare.py starts examples/content.jpg examples/style.jpg -o starts.png

gives starts.png, five labelled pictures. The same as `jaxstyle compare`.
"""

from __future__ import annotations

import sys

from jaxstyle.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["compare", *sys.argv[1:]]))
