"""One level of a job: its pictures and masks at that size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from jaxstyle.config.stylize_config import StylizeConfig
from jaxstyle.images import Picture, resize, resize_picture, resize_wrapped
from jaxstyle.images.color_matching import match_colors, match_histograms
from jaxstyle.images.luminance import grey, luminance, match_luminance
from jaxstyle.images.masks import full, resize_mask
from jaxstyle.objective.objective import Objective
from jaxstyle.objective.pytrees import Weights
from jaxstyle.run.inputs import Style
from jaxstyle.run.job import Job, weights_of
from jaxstyle.run.start import initial_picture
from jaxstyle.run.style_pictures import style_picture, style_share, style_size

RGB = Float[np.ndarray, "height width 3"]
Share = Float[np.ndarray, "height width"]


@dataclass(frozen=True, eq=False)
class Level:
    """One size that a job's picture is worked out at.

    Its pictures are made anew at each call, and never kept: one of 50 megapixels fills 600 MB.

    Attributes:
        job: the run.
        index: 0 for the coarsest level.
    """

    job: Job
    index: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.job.sizes[self.index]

    @property
    def is_tiled(self) -> bool:
        """Whether it is computed tile by tile: no level is that a single tile covers."""
        return self.job.config.strategy == "tiled" and max(self.size) > self.job.config.tile

    def weights(self, objective: Objective) -> Weights:
        """The traced part of the loss.

        Args:
            objective: the job's, or one with further layers, which count nothing.
        """
        job, last = self.job, len(self.job.sizes) - 1
        return weights_of(
            job.config,
            objective,
            fineness=self.index / last if last else 1.0,
            goals=[goal.weight for goal in job.goals],
            opaque_share=job.opaque_share,
        )

    def start(self) -> RGB:
        """The picture that the run starts from, if this is its first level."""
        job = self.job
        if job.previous is not None:
            return self.enlarge(job.previous[0])
        start = initial_picture(job.config.init, self.content(), self.style(), job.config.seed)
        return self._frozen(start)

    def enlarge(self, image: RGB) -> RGB:
        """A result of another level at this one's size, with what is frozen as it was."""
        return self._frozen(self.resized(image))

    def resized(self, image: RGB) -> RGB:
        """A picture at this level's size."""
        if image.shape[1::-1] == self.size:
            return np.asarray(image, np.float32)  # no copy: it may fill the memory
        change = resize_wrapped if self.job.config.padding == "circular" else resize
        return change(image, *self.size)

    def original(self) -> RGB:
        """The content picture in its own colours, which transparency hides none of; else black."""
        if self.job.content is None:
            width, height = self.size
            return np.zeros((height, width, 3), np.float32)
        return self._without_hidden(self.job.content)

    def content(self) -> RGB:
        """The content picture as the network sees it; black where the job has none."""
        return self._as_transferred(self.original())

    def contents(self) -> Iterator[tuple[RGB, Float[np.ndarray, ""]]]:
        """All content pictures as the network sees them, each with its share."""
        total = sum(content.weight for content in self.job.contents)
        for picture, weight in self.job.contents:
            seen = self._as_transferred(self._without_hidden(picture))
            yield seen, np.array(weight / total, np.float32)

    def style(self, style: Style | None = None, factor: float = 1.0) -> RGB:
        """A style picture at the size that goes with the level; the content if the job has none.

        Args:
            style: the job's first if not given.
            factor: over all other scales.

        Returns:
            In [0, 1], but for colours that are matched: these have the content's mean and
            covariance.
        """
        if style is None and self.job.style is None:
            return self.content()
        config, style = self.job.config, style or self.job.used[0]
        size = style_size(config, style, max(self.size), factor)
        picture = resize_picture(style_picture(config, style), *size).rgb
        return self._with_colours_of_content(style, picture)

    def alpha(self) -> Share | None:
        """How opaque the content is; None if it is so all over."""
        content = self.job.content
        if content is None or content.alpha is None or full(content.alpha):
            return None
        return resize_mask(content.alpha, *self.size)

    def freeze(self) -> Share | None:
        """How far each pixel is to stay the content's; None if none is."""
        freeze = self.job.freeze
        return None if freeze is None else resize_mask(freeze.values, *self.size)

    def painted(self) -> Share | None:
        """How far each pixel is there and may change; None if all are and may."""
        alpha, freeze = self.alpha(), self.freeze()
        if freeze is None:
            return alpha
        return 1 - freeze if alpha is None else alpha * (1 - freeze)

    def regions(self) -> list[Share]:
        """The mask of each region."""
        return [resize_mask(region.mask.values, *self.size) for region in self.job.regions]

    def fixed(self) -> np.ndarray | None:
        """Where no pixel may change: frozen or transparent, (height, width) bool; None: nowhere."""
        freeze, alpha = self.freeze(), self.alpha()
        if freeze is None:
            return None if alpha is None else alpha == 0
        return freeze >= 0.5 if alpha is None else (freeze >= 0.5) | (alpha == 0)

    def _frozen(self, image: RGB) -> RGB:
        """With the content's pixels where the picture is not to change."""
        fixed = self.fixed()
        return image if fixed is None else np.where(fixed[..., None], self.content(), image)

    def _without_hidden(self, picture: Picture) -> RGB:
        """A picture of which no colour comes from where alpha is 0."""
        return resize_picture(picture.without_hidden, *self.size).rgb

    def _as_transferred(self, picture: RGB) -> RGB:
        config = self.job.config
        return grey(picture, config.color_space) if config.color == "luminance" else picture

    def _with_colours_of_content(self, style: Style, picture: RGB) -> RGB:
        """A style picture in the content's colours, if that is asked for."""
        config = self.job.config
        if self.job.content is None or config.color not in ("luminance", "match-before"):
            return picture
        content, height, width = self.original(), *picture.shape[:2]
        weights = style_share(config, style, (width, height))
        reference_weights = self._painted_by(style)
        # Not clipped: the network takes any value, and the moments would not be the content's.
        if config.color == "match-before":
            return match_by_method(config, picture, content, weights, reference_weights)
        space = config.color_space
        luma = match_luminance(
            luminance(picture, space),
            luminance(content, space),
            weights=weights,
            reference_weights=reference_weights,
        )
        return np.repeat(luma[..., None], 3, axis=-1)

    def _painted_by(self, style: Style) -> Share | None:
        """The part of the content whose colours a style takes: its region's, if it has just one."""
        alpha = self.alpha()
        regions = {
            goal.region for goal in self.job.goals if any(part is style for part, _ in goal.styles)
        }
        if not self.job.regions or len(regions) != 1:
            return alpha
        mask = self.regions()[regions.pop()]
        mask = mask if alpha is None else mask * alpha
        return mask if mask.any() else alpha


def match_by_method(
    config: StylizeConfig,
    picture: RGB,
    reference: RGB,
    weights: Share | None,
    reference_weights: Share | None,
) -> RGB:
    """A picture in the colours of another, by the method of the settings."""
    shares = {"weights": weights, "reference_weights": reference_weights}
    if config.color_method == "histogram":
        return match_histograms(picture, reference, **shares)
    return match_colors(picture, reference, config.color_method, **shares)
