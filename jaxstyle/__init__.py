"""Neural style transfer in JAX and Flax."""

from jaxstyle._version import __version__

__all__ = ["__version__"]
