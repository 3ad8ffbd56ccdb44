"""What tests of downloads have in common."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from jaxstyle.network.weights.download.download import Wanted
from jaxstyle.network.weights.download.known_files import Checksum

DATA = bytes(range(256)) * 4000  # 1,024,000 bytes
OTHER = DATA[::-1]


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be quick to give up, and independent of the proxies of whoever runs the test."""
    monkeypatch.setattr("jaxstyle.network.weights.download.download.SILENCE", 0.5)
    monkeypatch.setattr("pooch.core.time", SimpleNamespace(sleep=lambda seconds: None))
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def sha256(data: bytes) -> Checksum:
    return Checksum("sha256", hashlib.sha256(data).hexdigest(), "this test")


SIZE, SUM = len(DATA), sha256(DATA)


def wanted(*sites, size=SIZE, checksums=(SUM,), **more) -> Wanted:
    return Wanted(tuple(site.url for site in sites), size, checksums, **more)


def left_behind(target: Path) -> set[str]:
    return {path.name for path in target.parent.iterdir()} if target.parent.exists() else set()
