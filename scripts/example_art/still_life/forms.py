"""Building blocks of the bodies: distances, turns and constants over points."""

from __future__ import annotations

import numpy as np

from example_art.still_life.tracing import Vectors


def around(p: Vectors) -> np.ndarray:
    return np.hypot(p[:, 0], p[:, 1])


def smooth_min(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    """Minimum with a fillet (polynomial form by I. Quilez)."""
    h = np.maximum(width - np.abs(a - b), 0) / width
    return np.minimum(a, b) - h * h * width / 4


def vector(x: float, y: float, z: float) -> np.ndarray:
    return np.array([x, y, z], np.float32)


def norm(p: Vectors) -> np.ndarray:
    return np.sqrt(p[:, 0] ** 2 + p[:, 1] ** 2 + p[:, 2] ** 2)


def capsule(p: Vectors, a: tuple, b: tuple, radius: float) -> np.ndarray:
    start, way = np.array(a, np.float32), np.subtract(b, a).astype(np.float32)
    part = np.clip((p - start) @ way / (way @ way), 0, 1)
    return norm(p - start - part[:, None] * way) - radius


def rotation(yaw: float, tilt: float = 0.0) -> np.ndarray:
    """Local axes as columns: tilted about y, then turned about z."""
    c, s, d, t = np.cos(yaw), np.sin(yaw), np.cos(tilt), np.sin(tilt)
    about_z = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    about_y = np.array([[d, 0, t], [0, 1, 0], [-t, 0, d]])
    return (about_z @ about_y).astype(np.float32)


def full(p: Vectors, value: float) -> np.ndarray:
    return np.full(len(p), value, np.float32)
