"""Paint a content picture in the style of another.

    python scripts/stylize.py examples/content.jpg examples/style.jpg -o out.png

gives out.png, 512 px on its longest side, in one to two minutes on two CPU cores, offline.
``--help-all`` lists all settings; ``jaxstyle stylize`` is the same program.
"""

import sys

from jaxstyle.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["stylize", *sys.argv[1:]]))
