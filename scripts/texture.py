"""A picture of any size with the texture of another.

    python scripts/texture.py examples/mosaic.jpg --shape 512x256 --seamless -o texture.png

gives texture.png, whose copies tile a plane. The same as `jaxstyle texture`.
"""

from __future__ import annotations

import sys

from jaxstyle.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["texture", *sys.argv[1:]]))
