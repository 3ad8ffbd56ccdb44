"""The rules of the house, held by the source itself: imports go one way, files stay small."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from conftest import ROOT

PACKAGE = ROOT / "jaxstyle"

FLOORS = (
    ("runtime",),
    ("network",),
    ("images", "optimize", "objective"),
    ("config", "display"),
    ("run",),
    ("pipelines",),
    ("cli",),
)
"""The packages of jaxstyle/ from the ground: each may import those of the floors below its own."""

GROUND = ("errors", "_version")
"""Modules that all may import."""

ALLOWED_ONLY = {"optimize": ("runtime",)}
"""Packages that know of less than all floors below: the optimisers have never heard of pictures."""

ONLY_IMPORTER = {"flax": "network.vgg", "scipy.optimize": "optimize.scipy_lbfgsb"}
"""Libraries behind a seam of one module."""

MOST_LINES = {"a file": 400, "jaxstyle": 29_050, "scripts and benchmarks": 3_000}
"""That of jaxstyle/ is what it has: lower it with each cut."""


def name_of(path: Path) -> str:
    """``jaxstyle/network/vgg.py`` -> ``network.vgg``; a package is its ``__init__``."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


FILES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def package_of(module: str) -> str:
    return module.split(".")[0]


def floor_of(module: str) -> int:
    """The floor of a module's package; ``errors`` lies below, ``jaxstyle/__init__`` above all."""
    package = package_of(module)
    if package in GROUND:
        return -1
    if package in ("__init__", "__main__"):
        return len(FLOORS)
    floors = [index for index, names in enumerate(FLOORS) if package in names]
    assert floors, f"jaxstyle/{package} is on no floor: its code belongs into one of {FLOORS}"
    return floors[0]


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
    modules = set()
    for name in imports(path):
        if name.split(".")[0] != "jaxstyle":
            continue
        parts = name.split(".")[1:]
        while parts and ".".join(parts) not in FILES:
            parts.pop()  # what is left over is a name within the module
        modules.add(".".join(parts) or "__init__")
    return modules


@pytest.mark.parametrize("module", FILES)
def test_imports_go_one_way(module):
    here, package = floor_of(module), package_of(module)
    for imported in own_imports(FILES[module]):
        if package_of(imported) == package:
            continue
        assert floor_of(imported) < here, (
            f"jaxstyle.{module} imports jaxstyle.{imported}, which is not on a floor below"
        )
        allowed = ALLOWED_ONLY.get(package)
        assert allowed is None or package_of(imported) in (*allowed, *GROUND), (
            f"jaxstyle.{module} imports jaxstyle.{imported}, but may know of {allowed} alone"
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
    users = [module for module, path in FILES.items() if "torch" in map(package_of, imports(path))]
    assert users == []
    # What a dependency might pull in: import everything where torch cannot be imported.
    modules = [f"jaxstyle.{name}" for name in FILES if name not in ("__init__", "__main__")]
    program = "import sys; sys.modules['torch'] = None\n" + "\n".join(
        f"import {module}" for module in modules
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_scripts_are_thin_doors():
    for path in sorted((ROOT / "scripts").rglob("*.py")):
        others = own_imports(path) - {"cli.main", "__init__"}
        assert not others, f"{path.name} imports {others}: use jaxstyle.cli.main"


def test_the_house_has_ten_rooms():
    folders = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert folders == {name for names in FLOORS for name in names}
    assert {path.stem for path in PACKAGE.glob("*.py")} == {"__init__", "__main__", *GROUND}


def lines_in(*folders: str) -> dict[str, int]:
    return {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
    }


def test_files_stay_small():
    lines = lines_in("jaxstyle", "scripts", "benchmarks", "tests", "examples")
    assert {name: count for name, count in lines.items() if count > MOST_LINES["a file"]} == {}


def test_the_house_stays_small():
    assert sum(lines_in("jaxstyle").values()) <= MOST_LINES["jaxstyle"]
    assert sum(lines_in("scripts", "benchmarks").values()) <= MOST_LINES["scripts and benchmarks"]


def test_tests_mirror_the_packages():
    tests = ROOT / "tests"
    folders = {path.relative_to(tests) for path in tests.rglob("*") if any(path.glob("test_*.py"))}
    mirrored = {folder for folder in folders if (PACKAGE / folder).is_dir()}
    assert folders - mirrored <= {Path("benchmarks"), Path("docs")}


def test_these_rules_can_fail(tmp_path):
    """The reader of imports sees each of their forms, and unknown packages have no floor."""
    source = tmp_path / "module.py"
    source.write_text(
        "import jaxstyle.network.vgg\n"
        "from jaxstyle.objective import losses\n"
        "def f():\n    from jaxstyle.network.weights.native import read_native\n"
        "if TYPE_CHECKING:\n    from jaxstyle.config.stylize_config import StylizeConfig\n"
        "from jaxstyle import stylize\n"
    )
    assert own_imports(source) == {
        "network.vgg",
        "objective.losses",
        "network.weights.native",
        "config.stylize_config",
        "__init__",
    }
    with pytest.raises(AssertionError, match="is on no floor"):
        floor_of("a_new_package.module")
