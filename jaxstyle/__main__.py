"""``python -m jaxstyle``: the command line, where its script is not on the path."""

import sys

from jaxstyle.cli.main import main

sys.exit(main())
