"""A run to look at while it goes on.

- ``watched``: ``Preview``, the callback that a run tells
- ``server``: the page and its data, over HTTP, to this machine alone
- ``pages``: who looks, and what they have been sent
- ``curves``, ``pace``, ``pictures``: what there is to see
- ``page.html``, ``page.css``, ``page.js``, ``chart.js``: how it is shown
"""

from jaxstyle.display.preview.preview import Preview

__all__ = ["Preview"]
