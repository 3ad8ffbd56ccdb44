"""A run to look at while it goes on, on a page at this machine's own address."""

from jaxstyle.display.preview.preview import Preview

__all__ = ["Preview"]
