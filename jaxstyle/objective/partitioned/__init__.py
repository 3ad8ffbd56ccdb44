"""The objective computed in parts: tile by tile, or each device its part of the picture."""
