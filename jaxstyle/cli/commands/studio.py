"""``jaxstyle studio``: a page on this machine where a picture is painted while its knobs turn."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from jaxstyle.cli.options.preview import port_number, tell_address
from jaxstyle.cli.report.messages import tell
from jaxstyle.runtime.interrupts import begun

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
"""Those of a checkout; an installed package has none."""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "studio",
        description="Paint on a page of this machine alone: drop a photo and a painting, turn the "
        "knobs while it paints, refine, save. Ends with Ctrl-C.",
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path("studio"),
        help="where results are kept, and pictures that are dropped (default: studio)",
    )
    parser.add_argument(
        "--port", type=port_number, default=0, help="of the page (default: a free one)"
    )
    parser.add_argument("--open", action="store_true", help="open the page in the web browser too")
    parser.add_argument(
        "--weights", default="slim", help="the network, as for stylize (default: slim)"
    )
    parser.add_argument(
        "--examples",
        type=Path,
        default=EXAMPLES if EXAMPLES.is_dir() else None,
        metavar="FOLDER",
        help="pictures to choose from (default: those of the checkout)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C."""
    from jaxstyle.display.local_server import LocalServer
    from jaxstyle.display.studio.routes import routes_of
    from jaxstyle.network.weights import load_weights
    from jaxstyle.pipelines.studio import Studio
    from jaxstyle.pipelines.studio_files import StudioFiles
    from jaxstyle.runtime.compilation_cache import keep_compiled_programs

    load_weights(arguments.weights)
    files = StudioFiles(arguments.folder.resolve(), arguments.examples)
    keep_compiled_programs(tell)
    studio = Studio(files, arguments.weights)
    try:
        server = LocalServer(routes_of(studio), "studio", arguments.port)
        tell_address("studio", server.url, arguments.open)
        tell(f"Ctrl-C ends it; results are in {files.folder}")
        begun()
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            pass
        server.close()
    finally:
        studio.close()
    return 0
