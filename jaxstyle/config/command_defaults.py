"""What the paper's experiments set, where it differs from the defaults of ``StylizeConfig``."""

from __future__ import annotations

from types import MappingProxyType

LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
"""The layers that Figure 1 reconstructs the content from (arXiv:1508.06576)."""

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
"""The same layers after the ReLU, where the author's programs take the style from."""

NESTED = tuple(",".join(STYLE_LAYERS[: count + 1]) for count in range(len(STYLE_LAYERS)))
"""Growing sets of style layers: the rows A to E of Figure 3."""

RATIOS = (1e-5, 1e-4, 1e-3, 1e-2)
"""Content over style: the columns of Figure 3."""

RATIO_OF_BALANCE = 1e-3
"""The paper's name for what the ``jaxstyle`` convention calls content weight 1 to style weight 1.

The paper's numbers are ratios of mean squares in its own network. In our convention a weight means
the same for every network, so a column is so many decades away from the balance.
"""

CONTENT_RECONSTRUCTION = MappingProxyType(
    {
        "size": 256,
        "style_layers": "",
        "init": "noise",
        # Poolings hide noise from the deeper layers; nothing else would take it away.
        "tv_weight": 0.5,
        "steps": 150,
    }
)

STYLE_RECONSTRUCTION = MappingProxyType(
    {
        "size": 256,
        "content_layers": "",
        "init": "noise",
        # At a single size a layer makes structures no larger than it sees, which is the point.
        "levels": 1,
        "tv_weight": 0.5,
        "steps": 200,
    }
)

TEXTURE = MappingProxyType({"content_layers": "", "init": "noise", "tv_weight": 1.0, "steps": 100})

FIGURE3 = MappingProxyType(
    {"size": 256, "content_layers": "relu4_2", "init": "noise", "tv_weight": 2.0, "steps": 100}
)

STARTS = MappingProxyType({"size": 256, "levels": 1, "steps": 200})

SCALES = MappingProxyType({"size": 384})
"""Style scales are compared with all levels, as ``stylize`` would run them."""


VIDEO = MappingProxyType({"temporal_weight": 100.0})
"""Over the defaults of ``StylizeConfig``."""

STEPS_NEXT, LEVELS_NEXT = 30, 1
"""Of all frames but the first, which have the last one to start from."""

CLIPS = (".mp4", ".gif", ".webp")
"""What can be written, besides a folder of pictures."""
