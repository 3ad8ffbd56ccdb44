"""Weight files. Nothing here knows how a network is used."""

from jaxstyle.network.weights.locate import default_weights, load_weights, weights_directory
from jaxstyle.network.weights.native import read_native, write_native

__all__ = ["default_weights", "load_weights", "read_native", "weights_directory", "write_native"]
