"""VGG-19 in Flax: architecture, convolutions, preprocessing; its weight files in ``weights``."""
