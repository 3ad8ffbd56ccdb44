"""The frames of a video in the style of a picture, each from the last.

    python scripts/video.py clip.mp4 examples/style.jpg -o painted.mp4 --size 320

The same as `jaxstyle video`; needs `pip install -e '.[video,flow]'`.
"""

from __future__ import annotations

import sys

from jaxstyle.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["video", *sys.argv[1:]]))
