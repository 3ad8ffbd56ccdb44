"""The list of known files, as data and as people see it."""

from __future__ import annotations

from conftest import ROOT
from downloads import DATA, sha256

from jaxstyle.cli.commands.convert_weights.download import manual_steps
from jaxstyle.network.weights.download.download import Wanted
from jaxstyle.network.weights.download.known_files import KNOWN_FILES


def test_the_manual_steps_say_all_that_one_needs(tmp_path):
    target = tmp_path / "vgg19.h5"
    text = manual_steps(
        Wanted(("https://a.org/x.h5", "https://b.org/x.h5"), 1234567, (sha256(DATA),)),
        target,
        "jaxstyle convert-weights",
    )
    for needed in (
        "https://a.org/x.h5",
        "https://b.org/x.h5",
        "1,234,567 bytes",
        sha256(DATA).digest,
        str(target),
        "jaxstyle convert-weights",
    ):
        assert needed in text


def test_the_manual_steps_do_not_show_a_password(tmp_path):
    text = manual_steps(Wanted(("https://me:secret@a.org/x.h5",)), tmp_path / "x.h5", "jaxstyle")
    assert "https://a.org/x.h5" in text and "secret" not in text


def test_the_registry_is_well_formed():
    assert len({known.name for known in KNOWN_FILES}) == len(KNOWN_FILES)
    for known in KNOWN_FILES:
        assert all(url.startswith("https://") for url in known.urls)
        assert known.urls[0].endswith(known.file)
        for checksum in known.checksums:
            assert checksum.algorithm in ("sha256", "sha1", "md5") and checksum.origin
            assert int(checksum.digest, 16) >= 0
            longest = {"sha256": 64, "sha1": 40, "md5": 32}[checksum.algorithm]
            assert len(checksum.digest) in (8, longest)
    assert any(checksum.whole for checksum in KNOWN_FILES[0].checksums)


def test_the_table_for_people_has_all_that_the_registry_has():
    text = (ROOT / "weights" / "README.md").read_text(encoding="utf-8")
    for known in KNOWN_FILES:
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `{known.name}` |")]
        facts = [*known.urls, f"{known.size:,}" if known.size else "unknown"]
        facts += [
            f"{checksum.digest}{'' if checksum.whole else '...'}`" for checksum in known.checksums
        ]
        for fact in facts:
            assert fact in row
        kinds = {"full" if checksum.whole else "prefix" for checksum in known.checksums}
        assert all(kind in row for kind in kinds or {"none"})
