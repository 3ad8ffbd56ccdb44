"""Every setting of a run, with its default and its help: the one place of both.

The command line is generated from ``StylizeConfig``, the API takes its fields as keywords, and
it is what gets recorded in a picture and read from ``--config`` files. Loading this module loads
no JAX, so that ``--help`` is quick.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from jaxstyle.config.fields import checked, factors, setting, whole_numbers
from jaxstyle.config.presets import with_preset
from jaxstyle.errors import InputError
from jaxstyle.network.architecture import PADDINGS, POOLINGS, parse_layers
from jaxstyle.objective.conventions import CONVENTIONS, get_convention

OPTIMIZERS = ("lbfgs", "adam", "scipy")
PRECISIONS = ("highest", "high", "default", "bf16")
STRATEGIES = ("auto", "whole", "tiled")
COLORS = ("style", "keep", "luminance", "match-before", "match-after")
COLOR_METHODS = ("cholesky", "pca", "symmetric", "histogram")
GUIDES = ("simple", "inside", "all")
VARIATIONS = ("l1", "l2", "power")


def _statistics_help() -> str:
    from jaxstyle.objective.statistics import STATISTICS  # late: it loads JAX

    summaries = "; ".join(f"{name}: {entry.summary}" for name, entry in STATISTICS.items())
    return f"what of the style is compared, several joined by +: {summaries}"


@dataclass(frozen=True)
class StylizeConfig:
    """Settings of ``stylize``; see the help of each field.

    Raises:
        InputError: a value that is out of its range, of a wrong type, or not among its choices.
    """

    size: int = setting(512, "longest side of the result in pixels", of="common", least=1)
    style_scale: float = setting(
        1.0,
        "longest side of the style picture, as a multiple of --size",
        of="common style-file targets",
        above=0,
        most=16,
    )
    style_crop: float = setting(
        1.0,
        "use only the middle of the style picture: this fraction of its width and height, "
        "enlarged to the size that the whole would have",
        of="style-file targets",
        above=0,
        most=1,
    )
    style_multiscale: str = setting(
        "1",
        "average the style over these sizes, as multiples of its size, such as 0.5,0.7,1",
        of="style-file targets",
    )
    style_scales: str = setting(
        "",
        "scale of the style by layer, over --style-scale: relu1_1:0.5,relu4_1:2 takes fine strokes "
        "from a smaller and large forms from a larger style picture",
        of="targets",
    )
    blend: str = setting(
        "gram",
        "several styles: average their statistics, or add up the losses of each",
        choices=("gram", "losses"),
    )
    statistic: str = setting("gram", _statistics_help)
    style_shift: float = setting(
        -1.0,
        "shifted-gram: what is added to activations, as a multiple of the style's mean",
        of="targets",
        needs=("--statistic shifted-gram", lambda config, _: "shifted-gram" in config.statistics),
    )
    guide: str = setting(
        "simple",
        "masks in deep layers: by the area that a position covers, or only positions that see "
        "nothing outside (inside), or all that see something inside (all)",
        of="targets",
        choices=GUIDES,
        needs=("masks or transparency", lambda _, masked: masked),
    )
    color: str = setting(
        "style",
        "colours of the style; or keep those of the content: keep takes the luminance of the "
        "result, luminance transfers the luminance alone, match-before gives the style the "
        "content's colours first, match-after gives the result the content's",
        of="common targets",
        choices=COLORS,
    )
    color_method: str = setting(
        "cholesky",
        "how match-before and match-after match colours",
        of="targets",
        choices=COLOR_METHODS,
        needs=(
            "--color match-before or match-after",
            lambda config, _: config.color in ("match-before", "match-after"),
        ),
    )
    color_space: str = setting(
        "yiq",
        "luminance of keep and luminance: Y of the coded values, or that of linear light",
        of="targets",
        choices=("yiq", "linear"),
        needs=(
            "--color keep or luminance, or --saturation",
            lambda config, _: config.color in ("keep", "luminance") or config.saturation != 1,
        ),
    )
    saturation: float = setting(
        1.0, "of the result's colours: 0 grey, 1 as they are", of="painting", least=0, most=8
    )
    weights: str | None = setting(
        None,
        "the network: slim (comes with jaxstyle), vgg19 (converted), or a jaxstyle .h5 file "
        "(default: vgg19 if it has been converted, else slim)",
        of="common path",
    )
    convention: str = setting(
        "jaxstyle",
        "what loss weights mean: "
        + "; ".join(f"{name}: {entry.summary}" for name, entry in CONVENTIONS.items()),
        choices=tuple(CONVENTIONS),
    )
    content_weight: float | None = setting(
        None, "weight of the content loss", of="convention painting common", least=0
    )
    style_weight: float | None = setting(
        None, "weight of the style loss", of="convention painting common", least=0
    )
    tv_weight: float | None = setting(
        None, "weight of the total variation", of="convention painting", least=0
    )
    content_layers: str | None = setting(
        None,
        "content layers, each with a weight after a colon if that is not 1",
        of="convention painting",
    )
    style_layers: str | None = setting(
        None, "style layers, such as conv1_1:1,conv3_1:0.5", of="convention"
    )
    coarse_layers: str = setting(
        "",
        "layers that count more or less at the coarsest level, and from there to the last, where "
        "the factor is 1, in even steps: relu1_1:0,relu5_1:2 begins with large forms",
        needs="coarse",
    )
    tv: str = setting(
        "l2",
        "total variation: absolute or squared differences, or their length to a power",
        choices=VARIATIONS,
        needs="tv",
    )
    tv_power: float = setting(2.0, "the power of --tv power", above=0, most=8, needs="tv power")
    wavelet_weight: float = setting(
        0.0, "weight of checkerboards, the diagonal detail of the finest wavelets", least=0
    )
    range_weight: float = setting(
        0.0, "weight of values beyond black or white; for --no-clamp", least=0, needs="no clamp"
    )
    temporal_weight: float = setting(
        0.0,
        "weight of the squared distance from the last frame, moved along with the picture; used by "
        "video",
        least=0,
    )
    content_clip: float = setting(
        0.0,
        "error of a content layer from which on it pulls no harder, as in Huber's loss; 0: none",
        least=0,
    )
    style_clip: float = setting(0.0, "the same for style layers", least=0)
    normalise_gradients: bool = setting(
        False,
        "scale the gradient of each loss layer to an L1 norm of its weight, as neural-style's "
        "-normalize_gradients does; needs --optimizer adam",
    )
    pooling: str = setting(
        "trained",
        "pooling of the network: trained, which is max for VGG-19 and avg for vgg19-slim; the "
        "paper has avg",
        of="style-file",
        choices=("trained", *POOLINGS),
    )
    padding: str = setting(
        "zeros", "what the network sees beyond the border of the picture", choices=PADDINGS
    )
    precision: str = setting(
        "high",
        "of convolutions: highest is float32 throughout; high is three passes of bfloat16 on TPU "
        "and TF32 on NVIDIA GPUs, default one pass, both float32 on CPU; bf16 also keeps features "
        "in bfloat16. Gram sums, losses and pixels are float32 in any case",
        of="style-file",
        choices=PRECISIONS,
    )
    init: str = setting(
        "content",
        "where to start: content, style, noise, a picture's path, or a blend such as "
        "content+noise:0.3 (30 % noise)",
        of="common painting path",
    )
    seed: int = setting(
        0, "seed of the noise", of="common painting", least=0, most=2**32 - 1, needs="noise"
    )
    levels: int = setting(
        0, "sizes to work through, coarse to fine: 1 for the final size alone, 0 for all", least=0
    )
    steps: str = setting(
        "200,100,50",
        "evaluations of the loss at each level, coarse to fine; the last number is for all others",
        of="common",
    )
    optimizer: str = setting("lbfgs", "the optimiser", of="common", choices=OPTIMIZERS)
    history: int = setting(10, "steps that L-BFGS remembers", least=1, most=200, needs="history")
    learning_rate: float = setting(
        0.05, "Adam's, in units of the pixels' range 0 to 1", above=0, needs="adam"
    )
    average: float = setting(
        0.9, "Adam: decay of the mean over iterates that is returned; 0: the last", least=0, below=1
    )
    clamp: bool = setting(True, "keep every pixel between black and white during the run")
    tolerance: float = setting(
        0.0, "end a level when ten steps lower the loss by less than this fraction", least=0
    )
    max_seconds: float | None = setting(
        None, "end after about so many seconds, shared out among the levels", above=0
    )
    strategy: str = setting(
        "auto",
        "how the gradient is computed: of the whole picture at once, or tile by tile, which is "
        "the same up to rounding and needs memory for a tile only; auto: whole if it fits",
        of="machine",
        choices=STRATEGIES,
    )
    tile: int = setting(
        1024,
        "longest side of a tile in pixels; auto halves it where memory is short",
        of="machine",
        least=32,
    )
    offload: bool = setting(
        False,
        "tiled, on an accelerator: keep picture and optimiser state in the host's memory, not the "
        "device's; auto does so where memory is short",
        of="machine",
    )
    recompute_content: bool = setting(
        False,
        "tiled: compute the content's features again at each step, which takes less memory than "
        "to keep them; auto does so where memory is short",
        of="machine",
    )
    mesh: str | None = setting(
        None,
        "divide the picture over devices: 4x2 is 4 parts of the height, 2 of the width "
        "(default: one device)",
    )
    steps_per_call: int = setting(
        0, "steps in one compiled call: 0 means 1 on CPU and 10 on GPU and TPU", least=0
    )
    match_histogram: bool = setting(
        False,
        "in the end give each colour channel the very histogram of the style picture; of several "
        "the one between theirs by weight, of each region that of its own",
        of="painting",
    )
    bits: int = setting(8, "bits per channel of the result: 8, or 16 for PNG and TIFF", of="file")
    quality: int = setting(95, "quality of JPEG and WebP", of="file", least=1, most=100)
    record: str = setting(
        "names",
        "what a result tells of its making: names and hashes; full: paths and all EXIF too; none: "
        "nothing, so that replay and --resume cannot know it",
        of="file",
        choices=("names", "full", "none"),
    )

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = checked(entry, getattr(self, entry.name))
            object.__setattr__(self, entry.name, value)
        if self.bits not in (8, 16):
            raise InputError(f"bits is {self.bits}: choose 8 or 16")
        self._check_together()
        if not [*self.content_loss_layers, *self.style_loss_layers]:
            raise InputError("no layer is tapped: give content layers, style layers or both")

    @property
    def content_loss_layers(self) -> dict[str, float]:
        """Content tap -> weight."""
        return parse_layers(self._or_own("content_layers"))

    @property
    def style_loss_layers(self) -> dict[str, float]:
        """Style tap -> weight."""
        return parse_layers(self._or_own("style_layers"))

    @property
    def statistics(self) -> tuple[str, ...]:
        """Names of ``statistics.STATISTICS``."""
        from jaxstyle.objective.statistics import parse_statistics  # late: it loads JAX

        return parse_statistics(self.statistic)

    @property
    def multiscale(self) -> tuple[float, ...]:
        """Factors of the style's size."""
        return factors(self.style_multiscale)

    @property
    def layer_scales(self) -> dict[str, float]:
        """Style tap -> factor of the style's size, where one is given."""
        return parse_layers(self.style_scales)

    def level_steps(self, levels: int) -> tuple[int, ...]:
        """Steps of each of so many levels, coarsest first."""
        numbers = whole_numbers(self.steps)
        return tuple(numbers[min(level, len(numbers) - 1)] for level in range(levels))

    def layer_factors(self, share: float) -> dict[str, float]:
        """Tap -> factor of its term at a level: ``share`` is 0 at the coarsest, 1 at the last."""
        coarse = parse_layers(self.coarse_layers)
        return {tap: factor + (1 - factor) * share for tap, factor in coarse.items()}

    @property
    def tileable(self) -> bool:
        """Whether the gradient can be computed in parts."""
        from jaxstyle.objective.statistics import additive

        summed = additive(self.statistics) and not self.normalise_gradients
        return summed and self.padding != "circular" and self.optimizer != "scipy"

    def _check_together(self) -> None:
        if self.statistics != ("gram",) and self.convention != "jaxstyle":
            raise InputError(
                f"statistic is {self.statistic}, for which convention {self.convention} has no "
                "weights: use convention jaxstyle"
            )
        if self.normalise_gradients and self.optimizer != "adam":
            raise InputError(
                f"normalise_gradients needs optimizer adam, not {self.optimizer}: line searches "
                "want the gradient of the loss itself"
            )
        if min([*self.multiscale, *self.layer_scales.values()]) <= 0:
            raise InputError("scales of the style must be above 0")
        if unknown := set(self.layer_scales).difference(self.style_loss_layers):
            raise InputError(f"style_scales names {min(unknown)}, which is no style layer")
        tapped = {**self.content_loss_layers, **self.style_loss_layers}
        if unknown := set(self.layer_factors(0)).difference(tapped):
            raise InputError(
                f"coarse_layers names {min(unknown)}, which is no content or style layer"
            )

    def resolved(self) -> StylizeConfig:
        """The same with nothing left to the convention, so that a record says it all."""
        return replace(self, **{name: self._or_own(name) for name in names_of("convention")})

    def _or_own(self, name: str) -> Any:
        value = getattr(self, name)
        return getattr(get_convention(self.convention), name) if value is None else value

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def names_of(*kinds: str) -> tuple[str, ...]:
    """The settings of some kinds, such as ``names_of("machine", "file")``; see ``fields.KINDS``."""
    return tuple(
        entry.name
        for entry in fields(StylizeConfig)
        if not set(kinds).isdisjoint(entry.metadata["kinds"])
    )


def config_from(values: Mapping[str, Any], where: str = "the settings") -> StylizeConfig:
    """Build a config from plain values, refusing names that are no setting.

    A ``preset`` among them stands for its settings, see ``with_preset``.

    Raises:
        InputError: an unknown name or an unfit value.
    """
    values = with_preset(values, where)
    settings = [entry.name for entry in fields(StylizeConfig)]
    for name in values:
        if name not in settings:
            near = difflib.get_close_matches(name, [*settings, "preset"], n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise InputError(f"{where}: there is no setting {name!r}{hint}")
    return StylizeConfig(**values)
