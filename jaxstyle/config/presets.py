"""Settings of the papers and programs of the field, under one name each.

**Ratios.** The papers call alpha/beta = 1e-3 a ratio of content to style. Put into the formulas
that they print (1/2 sum of squares, 1/(4 N^2 M^2) sum of squares), it gives the photograph. In both
of the author's programs 1e-3 is the ratio of the *mean* squares: content 1 to style 1e3 on the
original network, 1e6 to 1e9 on the normalised one. So ``gatys2015`` states it in the convention
``gatys-normalised``, whose factors are those means; in the convention ``paper``, that of the
printed formulas, the same optimum would need 1e-3 / (2 N M), which hangs on the picture's size.

**Networks.** Weights of the unscaled conventions belong to networks of one scale of activations.
``normalised`` says of which; ``jaxstyle convert-weights --normalise`` rescales the original VGG-19.
vgg19-slim is normalised too, but is another network: there (at 160 px, 250 steps) ``gatys-code``
gives a picture of its kind, ``gatys2016`` and still more ``gatys2015`` the style with little of the
content, and ``johnson`` a grey area; ``wasserstein`` (192 px, 100 steps) gives the style with
large forms of the content alone. What was seen on VGG-19 itself is in docs/defaults.md.

**Common to all.** A preset says nothing on what its source leaves to the user: the pictures, their
size, the seed and the network's file. In these the runs differ from every source's:

- one step is one evaluation, and a step that does not descend is taken back and shortened, where
  torch's and Torch's L-BFGS take every step;
- poolings drop an odd last row or column, where Caffe's round up; sides that are multiples of 16
  know no difference;
- pictures are resized by a Lanczos filter, and ``size`` is the longest side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jaxstyle.errors import InputError
from jaxstyle.objective.conventions import STYLE_BALANCE


@dataclass(frozen=True)
class Preset:
    """Attributes:
    name: as ``--preset`` takes it.
    summary: one line.
    settings: fields of ``StylizeConfig``; the same ones in every preset, but for ``history`` and
        those of Adam.
    source: where the settings come from.
    verified: what of them was read where, and what is inferred.
    deviations: where a run differs from the source, beyond what the module says of all.
    normalised: whether its weights are meant for the normalised network.
    """

    name: str
    summary: str
    settings: Mapping[str, Any]
    source: str
    verified: str
    deviations: str
    normalised: bool

    @property
    def details(self) -> str:
        """Source, what is verified and what differs, as one paragraph."""
        network = "the normalised VGG-19" if self.normalised else "the original VGG-19"
        return f"{self.source}. For {network}. Verified: {self.verified} Differs: {self.deviations}"


def johnson_tv_weight(tv_weight: float, width: int, height: int) -> float:
    """The ``tv_weight`` that stands for neural-style's at one size of the picture.

    neural-style adds to the gradient that of tv_weight / 2 times the *sum* of the squared
    differences of neighbouring values, as the network sees them: 255 times ours, less the mean.
    ``losses`` takes the *mean* over the values of the picture in [0, 1].
    """
    return tv_weight / 2 * 255**2 * (3 * width * height)


_RELU_LAYERS = "relu1_1,relu2_1,relu3_1,relu4_1,relu5_1"
_COMMON = {
    "statistic": "gram",
    "style_scale": 1.0,
    "style_crop": 1.0,
    "tv_weight": 0.0,
    "tv": "l2",
    "padding": "zeros",
    "levels": 1,
    "optimizer": "lbfgs",
    "clamp": False,
}

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "gatys2015",
            "the arXiv paper as printed: conv layers, average pooling, from noise, 1e-3",
            {
                **_COMMON,
                "convention": "gatys-normalised",
                "content_weight": 1e6,
                "style_weight": 1e9,
                "content_layers": "conv4_2",
                "style_layers": "conv1_1,conv2_1,conv3_1,conv4_1,conv5_1",
                "pooling": "avg",
                "init": "noise",
                "steps": "2000",
            },
            source="Gatys, Ecker and Bethge, A Neural Algorithm of Artistic Style, "
            "arXiv:1508.06576, figure 2",
            verified="layers, equal layer weights of 1/5, formulas, average pooling, white noise "
            "and the ratio 1e-3, each as others quote the paper, whose text was not at hand. "
            "Inferred: that 1e-3 is between mean squares (both of the author's programs have it "
            "so), L-BFGS, and 2000 steps (his texture program of that year).",
            deviations="on slim little is left of the content, and on the original VGG-19, whose "
            "activations are larger, less is to be expected; figures 2 E and F are said to have "
            "1e-4, which is --content-weight 1e5. The noise is uniform.",
            normalised=True,
        ),
        Preset(
            "gatys2016",
            "the CVPR paper by the author's advice: ReLU layers, average pooling, from noise, 1e-3",
            {
                **_COMMON,
                "convention": "gatys",
                "content_weight": 1.0,
                "style_weight": 1e3,
                "content_layers": "relu4_2",
                "style_layers": _RELU_LAYERS,
                "pooling": "avg",
                "init": "noise",
                "steps": "2000",
            },
            source="Gatys, Ecker and Bethge, Image Style Transfer Using Convolutional Neural "
            "Networks, CVPR 2016, figure 3, with what the author told the makers of "
            "pystiche/papers",
            verified="ReLU outputs, layer weights of 1/C^2, noise and 2000 steps in the code of "
            "pystiche/papers, which gives the author as its source; average pooling, L-BFGS and "
            "the ratios as others quote the paper, whose text was not at hand. Inferred: that "
            "these layer weights go with the original network (as in the author's PyTorch code) "
            "and with average pooling (pystiche runs them with max).",
            deviations="the paper's figures have a ratio each: 1e-3 (B, this one), 8e-4 (C), 5e-3 "
            "(D), 5e-4 (E, F), to be set as --content-weight 0.8, 5 and 0.5. The noise is uniform.",
            normalised=False,
        ),
        Preset(
            "gatys-code",
            "the author's PyTorch program: ReLU layers, max pooling, from the content, 500 steps",
            {
                **_COMMON,
                "convention": "gatys",
                "content_weight": 1.0,
                "style_weight": 1e3,
                "content_layers": "relu4_2",
                "style_layers": _RELU_LAYERS,
                "pooling": "max",
                "init": "content",
                "steps": "500",
                "history": 100,
            },
            source="github.com/leongatys/PytorchNeuralStyleTransfer, NeuralStyleTransfer.ipynb, "
            "first part",
            verified="all of it in the notebook's code, and torch's own L-BFGS defaults.",
            deviations="the notebook's 512 px are the shorter side. Its second part enlarges the "
            "result to 800 px and takes 200 more steps: run again with --init RESULT --size 800 "
            "--steps 200. A history of 100 takes 200 times the picture's memory; 10 does much the "
            "same.",
            normalised=False,
        ),
        Preset(
            "johnson",
            "jcjohnson/neural-style's defaults: 5 to 100, max pooling, from noise, 1000 steps",
            {
                **_COMMON,
                "convention": "johnson",
                "content_weight": 5.0,
                "style_weight": 100.0,
                "tv_weight": johnson_tv_weight(1e-3, 512, 384),
                "content_layers": "relu4_2",
                "style_layers": _RELU_LAYERS,
                "pooling": "max",
                "init": "noise",
                "steps": "1000",
                "history": 100,
            },
            source="github.com/jcjohnson/neural-style, neural_style.lua",
            verified="all of it in neural_style.lua; the history of 100 is the default of Torch's "
            "own L-BFGS.",
            deviations="its total variation of 1e-3 is a sum over pixels from 0 to 255 and is here "
            "what that comes to at 512x384, so scale --tv-weight with the number of pixels; with "
            "slim, which sees smaller numbers, it drowns all else; there it is in the gradient "
            "alone, here in the loss too. neural-style starts from grey with faint noise (0.001 "
            "of a grey level), here the noise is white and uniform; and its pixels go to 256, "
            "not 255.",
            normalised=False,
        ),
        Preset(
            "wasserstein",
            "style-transfer-pytorch's defaults: Wasserstein-2, first layers most, Adam, all sizes",
            {
                **_COMMON,
                "statistic": "wasserstein",
                "convention": "jaxstyle",
                "content_weight": 0.015,
                "style_weight": 1 / STYLE_BALANCE,
                "tv_weight": 2.0,
                "content_layers": "relu4_2",
                "style_layers": "relu1_1:256,relu2_1:64,relu3_1:16,relu4_1:4,relu5_1",
                "pooling": "max",
                "init": "content",
                "levels": 0,
                "steps": "1000,500",
                "optimizer": "adam",
                "learning_rate": 0.02,
                "average": 0.99,
                "clamp": True,
            },
            source="github.com/crowsonkb/style-transfer-pytorch, style_transfer/style_transfer.py",
            verified="layers and their weights, content and total variation weights, the distance "
            "itself, pooling, Adam's step of 0.02 with moments of 0.9 and 0.99, the average of "
            "0.99 from which the next size starts, start, clamp and sizes, in its code.",
            deviations="its errors are mean squares of activations, ours are relative to those of "
            "the target: the weights mean the same in a layer whose mean square is 1, and where "
            "it is more or less, so is the peer's pull. Adam's moments go on from size to size, "
            "where here they begin anew; its sizes are half an octave apart, ours are octaves. Its "
            "total variation looks at nine points, which is the same on smooth slopes; its first "
            "layer continues the picture beyond its border, 1e-4 is added to its covariances, its "
            "network is torchvision's, its pictures are resized bicubically, the style never "
            "enlarged.",
            normalised=False,
        ),
        Preset(
            "spst",
            "Scaling Painting Style Transfer: Gram, mean and deviation, octaves, steps that fall",
            {
                **_COMMON,
                "statistic": "gram+adain",
                "convention": "jaxstyle",
                "content_weight": 1.0,
                "style_weight": 1.0,
                "content_layers": "relu4_2",
                "style_layers": _RELU_LAYERS,
                "pooling": "max",
                "init": "content",
                "levels": 0,
                "steps": "600,200,66,30",
            },
            source="Galerne, Raad, Lezama and Morel, Scaling Painting Style Transfer (2024), "
            "github.com/bgalerne/scaling_painting_style_transfer, spst.py, its mode spst-fast",
            verified="layers, the three statistics, start, octaves, steps (a third of the last "
            "octave's, at least 30) and L-BFGS with a history of 10, in its code.",
            deviations="its mean squares are weighted 1 (content), 1e3/N^2 (Gram) and 1e4 (means "
            "and deviations); ours are the relative errors of our default balance. Its coarsest "
            "size is 512 to 1023 px on the shorter side, ours 96 to 191 px on the longer, so that "
            "the 600 steps fall where they are cheaper; its history at the coarsest is 100; its "
            "style is never enlarged, ours is as large as the picture.",
            normalised=False,
        ),
    )
}


def preset_settings(name: Any) -> dict[str, Any]:
    """The settings of a preset, as fields of ``StylizeConfig``.

    Raises:
        InputError: there is none of that name.
    """
    if not isinstance(name, str) or name not in PRESETS:
        raise InputError(f"there is no preset {name!r}: choose one of {', '.join(PRESETS)}")
    return dict(PRESETS[name].settings)


def with_preset(values: Mapping[str, Any], where: str = "the settings") -> dict[str, Any]:
    """``values`` with ``preset`` replaced by its settings, which the other values go over.

    Raises:
        InputError: there is no preset of that name.
    """
    values = dict(values)
    name = values.pop("preset", None)
    if name is None:
        return values
    try:
        return {**preset_settings(name), **values}
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
