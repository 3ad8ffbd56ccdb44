"""Download VGG-19, check it, and convert it to the project's own format.

    python scripts/convert_weights.py

gives weights/vgg19.h5 (about 72 MB, from a download of 80 MB) within a minute on a usual line;
``stylize`` then uses it by default. With a path, it converts the weights that you have:

    python scripts/convert_weights.py vgg19-dcbb9e9d.pth -o weights/vgg19.h5

``--help`` lists all settings; ``jaxstyle convert-weights`` is the same program.
"""

import sys

from jaxstyle.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["convert-weights", *sys.argv[1:]]))
