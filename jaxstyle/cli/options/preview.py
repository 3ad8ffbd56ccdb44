"""Options for looking on while a run goes on, and the preview that they ask for."""

from __future__ import annotations

import argparse
import atexit
import shutil
import tempfile
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

from jaxstyle.cli.report.messages import tell

if TYPE_CHECKING:
    from jaxstyle.display.preview import Preview
    from jaxstyle.run.job import Job


def add_watch_options(parser: argparse.ArgumentParser) -> None:
    """``--preview`` and ``--open``."""
    group = parser.add_argument_group("watching")
    group.add_argument(
        "--preview",
        nargs="?",
        type=port_number,
        const=0,
        default=None,
        metavar="PORT",
        help="show the run on a page of this machine alone: the picture, the loss, a button to "
        "stop and save; its address is printed (default: a free port)",
    )
    group.add_argument(
        "--open", action="store_true", help="open the preview in the web browser too"
    )


def port_number(text: str) -> int:
    """Read a port.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    if text.isascii() and text.isdigit() and int(text) < 2**16:
        return int(text)
    raise argparse.ArgumentTypeError(
        f"{text!r} is no port: give a number up to 65535, or --preview as the last option"
    )


def preview_from(arguments: argparse.Namespace, job: Job, output: Path) -> Preview | None:
    """The preview that is asked for, being served, its address printed; None where none is.

    Raises:
        InputError: the port cannot be used.
    """
    if arguments.preview is None and not arguments.open:
        return None
    from jaxstyle.display.preview import Preview

    preview = Preview(
        port=arguments.preview or 0,
        title=title_of(job),
        settings=job.config.as_dict(),
        content=None if job.content is None else job.content.rgb,
        style=None if job.style is None else job.style.rgb,
        output=str(output),
    )
    tell_address("preview", preview.url, arguments.open)
    return preview


def tell_address(what: str, url: str, open_too: bool) -> None:
    """Say where a page is, and open it in the web browser too if that is asked for."""
    tell(f"{what}: {url}")
    if open_too and not _open_page(url):
        tell("no web browser was found: open this address yourself")


def _open_page(url: str) -> bool:
    """Open an address in the web browser, by a page that leads there.

    The address holds a secret, and all users of a machine can see what programs are called with.
    """
    folder = tempfile.mkdtemp(prefix="jaxstyle-")  # for its owner alone
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    page = Path(folder) / "page.html"
    page.write_text(f'<!doctype html><meta http-equiv="refresh" content="0; url={url}">')
    return webbrowser.open(page.as_uri())


def title_of(job: Job) -> str:
    """Such as ``photo in the style of painting and 2 more``."""
    content, style = (
        None if picture is None else Path(picture.source).stem
        for picture in (job.content, job.style)
    )
    if style is not None and len(job.styles) > 1:
        style += f" and {len(job.styles) - 1} more"
    if content is not None and style is not None:
        return f"{content} in the style of {style}"
    return content or f"texture of {style}"
