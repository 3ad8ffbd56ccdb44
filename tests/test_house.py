"""The rules of the house, held by the source itself: imports go one way, files stay small."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import ROOT

PACKAGE = ROOT / "jaxstyle"
MOST_LINES = 400

LEVELS: tuple[tuple[tuple[str, ...], ...], ...] = (
    (("errors", "_version", "memory_first", "interrupts"),),
    (
        (
            "layers",
            "preprocess",
            "convolution",
            "winograd",
            "images*",
            "png16*",
            "metadata",
            "color*",
            "luminance",
            "masks",
            "network",
        ),
    ),
    (
        ("vgg",),
        ("formats*",),
        ("losses", "conventions", "statistics*", "regularisers", "gradients"),
        ("figures*",),
    ),
    (("quantities", "objective", "targets", "tiling", "windows", "cutting", "dealt"),),
    (("optimize*",),),
    (
        (
            "weight_statistics",
            "pyramid",
            "sweeping",
            "planner",
            "processes",
            "needs",
            "padded",
            "sharding",
            "usage",
            "level_progress",
        ),
    ),
    (("setting", "config", "presets", "axes", "experiment_settings"),),
    (("strategy", "programs"),),
    (("preview*", "notebook"),),
    (
        (
            "initial",
            "styles",
            "saved*",
            "job",
            "job_record",
            "sized",
            "recolour",
            "levels",
            "result",
            "checkpoint*",
            "api",
        ),
    ),
    (("replay", "grouping", "chunks", "grid", "cell_files"),),
    (("experiments",), ("batch*", "video*", "flow")),
    (("__init__",),),
    (("compilation_cache", "deterministic"),),
    (("calibration",),),
    (("commands*",),),
    (("cli", "__main__"),),
)
"""Who may import whom: a module those of earlier levels and of its own place, a place being one
tuple of patterns. Places of one level are kept apart on purpose."""

ALLOWED_ONLY = {"optimize*": ("errors", "memory_first")}
"""Places that know of less than all earlier levels."""

ONLY_IMPORTER = {"flax": "vgg", "scipy.optimize": "optimize.scipy_bridge"}
"""Libraries behind a seam of one module."""


class Place(NamedTuple):
    level: int
    index: int


def name_of(path: Path) -> str:
    """``jaxstyle/formats/native.py`` -> ``formats.native``; a package is its ``__init__``."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


FILES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def place_of(module: str) -> Place:
    """Where ``LEVELS`` puts a module; the top package decides for what lies inside it."""
    top = module.split(".")[0]
    for level, places in enumerate(LEVELS):
        for index, patterns in enumerate(places):
            if any(fnmatch(top, pattern) for pattern in patterns):
                return Place(level, index)
    raise AssertionError(
        f"jaxstyle/{module.replace('.', '/')} has no place yet: add it to LEVELS in {__file__}, "
        "after all that it may import and before all that may import it"
    )


def imports(path: Path) -> Iterator[str]:
    """Dotted names of all that a file imports, also within functions and for type checking."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import: name the module in full"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(path: Path) -> set[str]:
    """The modules of jaxstyle that a file imports, as keys of ``FILES``."""
    found = set()
    for name in imports(path):
        if name.split(".")[0] != "jaxstyle":
            continue
        parts = name.split(".")[1:]
        while parts and ".".join(parts) not in FILES:
            parts.pop()  # what is left over is a name within the module
        found.add(".".join(parts) or "__init__")
    return found


@pytest.mark.parametrize("module", FILES)
def test_imports_go_one_way(module):
    here = place_of(module)
    patterns = LEVELS[here.level][here.index]
    only = [name for pattern in patterns for name in ALLOWED_ONLY.get(pattern, ())]
    for imported in own_imports(FILES[module]):
        there = place_of(imported)
        assert there == here or there.level < here.level, (
            f"jaxstyle.{module} imports jaxstyle.{imported}, which is not below it in LEVELS"
        )
        assert there == here or not only or imported in only, (
            f"jaxstyle.{module} imports jaxstyle.{imported}, but may know of {only} alone"
        )


def test_no_imports_in_a_circle():
    graph = {module: own_imports(path) - {module} for module, path in FILES.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize("library", ONLY_IMPORTER)
def test_a_library_stays_behind_its_seam(library):
    users = {
        module
        for module, path in FILES.items()
        if any(f"{name}.".startswith(f"{library}.") for name in imports(path))
    }
    assert users == {ONLY_IMPORTER[library]}


def test_the_package_needs_no_torch():
    users = [module for module, path in FILES.items() if "torch" in map(top, imports(path))]
    assert users == []
    # What a dependency might pull in: import everything where torch cannot be imported.
    modules = [f"jaxstyle.{name}" for name in FILES if name not in ("__init__", "__main__")]
    program = "import sys; sys.modules['torch'] = None\n" + "\n".join(
        f"import {module}" for module in modules
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_scripts_use_the_public_interface():
    scripts = sorted((ROOT / "scripts").rglob("*.py"))
    for path in scripts:
        if path.parent.name == "benchmarks":
            continue  # they measure single parts
        public = {"cli", "__init__", "images", "images.files", "figures"}
        private = own_imports(path) - public
        assert not private, (
            f"{path.name} imports {private}: use jaxstyle.cli.main or `jaxstyle` itself"
        )


@pytest.mark.parametrize("folder", ["jaxstyle", "scripts", "tests"])
def test_files_stay_small(folder):
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in (ROOT / folder).rglob("*.py")
    }
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}


def top(name: str) -> str:
    return name.split(".")[0]


def test_these_rules_can_fail(tmp_path):
    """The reader of imports sees each of their forms, and unknown modules have no place."""
    source = tmp_path / "module.py"
    source.write_text(
        "import jaxstyle.network.vgg\n"
        "from jaxstyle import losses\n"
        "def f():\n    from jaxstyle.network.weights.native import read_native\n"
        "if TYPE_CHECKING:\n    from jaxstyle.config.stylize_config import StylizeConfig\n"
        "from jaxstyle import stylize\n"
    )
    assert own_imports(source) == {"vgg", "losses", "formats.native", "config", "__init__"}
    with pytest.raises(AssertionError, match="has no place yet: add it to LEVELS"):
        place_of("a_new_module")
