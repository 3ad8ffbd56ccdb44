"""The pages for people: links lead somewhere, commands parse, Python runs."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import pytest
from conftest import ROOT

from jaxstyle.cli import main as command_line

PAGES = sorted(
    {
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "CHANGELOG.md",
        ROOT / "weights" / "README.md",
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("examples/**/README.md"),
    }
)
MOST_LINES_OF_README = 180
MOST_FILES_OF_THE_PATH = 25

FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
INLINE_CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
ENVIRONMENT = re.compile(r"[A-Z][A-Z0-9_]*=")
ELSEWHERE = ("http://", "https://", "mailto:")


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str
    number: int
    text: str


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(*languages: str) -> list[Block]:
    """The fenced blocks of all pages in these languages."""
    return [
        Block(name_of(page), number, text)
        for page in PAGES
        for number, (language, text) in enumerate(FENCE.findall(page.read_text("utf-8")), 1)
        if language in languages
    ]


def prose_of(page: Path) -> str:
    """A page without its code."""
    return INLINE_CODE.sub("", FENCE.sub("", page.read_text(encoding="utf-8")))


def links_of(page: Path) -> list[str]:
    """Where a page's relative links lead, as written."""
    return [link for link in LINK.findall(prose_of(page)) if not link.startswith(ELSEWHERE)]


def anchors_of(page: Path) -> set[str]:
    """The names that GitHub gives to a page's headings."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    names: dict[str, int] = {}
    anchors = set()
    for heading in HEADING.findall(text):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        name = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        repeated = names.get(name, 0)
        names[name] = repeated + 1
        anchors.add(f"{name}-{repeated}" if repeated else name)
    return anchors


def dead_links(page: Path) -> list[str]:
    """The links of a page that lead nowhere."""
    dead = []
    for link in links_of(page):
        path, _, anchor = unquote(link).partition("#")
        target = page.parent / path if path else page
        missing = not target.exists() or not target.resolve().is_relative_to(ROOT)
        if missing or (anchor and anchor not in anchors_of(target)):
            dead.append(link)
    return dead


def shell_commands(block: Block) -> Iterator[list[str]]:
    """Each command of a block, split as a shell does, without settings of its environment."""
    for line in block.text.replace("\\\n", " ").splitlines():
        words: list[str] = []
        lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;")
        lexer.whitespace_split = True
        for word in [*lexer, "&&"]:
            if word not in ("&&", "||", "|", ";"):
                words.append(word)
                continue
            while words and ENVIRONMENT.match(words[0]):
                words.pop(0)
            if words[:1] == ["cd"]:
                break  # the rest of the line is at home elsewhere
            if words:
                yield words
            words = []


def commands_of(page: Path) -> list[list[str]]:
    """All commands in the blocks of a page."""
    mine = (block for block in blocks("sh", "bash", "") if block.page == name_of(page))
    return [words for block in mine for words in shell_commands(block)]


def of_jaxstyle(words: list[str]) -> list[str] | None:
    """The arguments of ``jaxstyle``, if it or one of its scripts is what a command runs."""
    if words[0] == "jaxstyle":
        return words[1:]
    if words[0].startswith("python") and words[1:3] == ["-m", "jaxstyle"]:
        return words[3:]
    script = ROOT / words[1] if len(words) > 1 and words[1].endswith(".py") else None
    if script is None or not script.is_file():
        return None
    door = re.search(r"main\(\[\"([a-z0-9-]+)\", \*sys\.argv", script.read_text(encoding="utf-8"))
    return None if door is None else [door[1], *words[2:]]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    assert dead_links(page) == []


def test_the_readme_fits_two_screens():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES_OF_README


def test_the_readme_names_every_page():
    links = {link.partition("#")[0] for link in links_of(ROOT / "README.md")}
    assert {name_of(page) for page in ROOT.glob("docs/*.md")} <= links


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/*.md")), ids=name_of)
def test_a_page_opens_with_its_command(page):
    """One that works from the root of the repository: what it reads is there."""
    first = re.search(r"^```(\w*)\n", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert first is not None and first[1] in ("sh", "python")
    before = page.read_text(encoding="utf-8")[: first.start()]
    assert len(before.splitlines()) <= 8


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_parse(page, monkeypatch, capsys):
    """Up to where they would run."""
    monkeypatch.setattr(command_line, "_run", lambda arguments: 0)
    errors = []
    for arguments in filter(None, map(of_jaxstyle, commands_of(page))):
        try:
            command_line.main(arguments)
        except SystemExit as end:  # --help ends with 0
            said = capsys.readouterr().err
            errors += [f"{shlex.join(arguments)}: {said}"] if end.code else []
    assert errors == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_that_commands_name_are_in_the_repository(page):
    ours = ("examples/", "scripts/", "benchmarks/", "jaxstyle/", "tests/", "docs/")
    words = [word for words in commands_of(page) for word in words if word.startswith(ours)]
    paths = [re.split(r"[:*?]", word)[0] for word in words]
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_what_commands_write_is_ignored_in_a_checkout():
    """Whoever tries the examples has nothing to tidy up."""
    options = ("-o", "--output", "--checkpoint", "--strip", "--animation", "--loss-plot")
    written = {
        words[index + 1]
        for page in PAGES
        for words in commands_of(page)
        for index, word in enumerate(words[:-1])
        if word in options
    }
    assert {"out.png", "run.ckpt", "painted.webp"} < written
    written |= {"content-style.png", "batch", "sweep", "video", "figure1.png"}  # the defaults
    files = sorted(name if Path(name).suffix else f"{name}/a.png" for name in written)
    command = ["git", "-C", str(ROOT), "check-ignore", "--no-index", "--stdin"]
    done = subprocess.run(command, input="\n".join(files), capture_output=True, text=True)
    if done.returncode == 128:
        pytest.skip("no checkout")
    assert sorted(set(files) - set(done.stdout.split())) == []


def test_every_command_has_an_example(capsys):
    with pytest.raises(SystemExit):
        command_line.main(["--help"])
    commands = re.findall(r"^    ([a-z][a-z0-9-]+)(?: |$)", capsys.readouterr().out, re.MULTILINE)
    shown = (of_jaxstyle(words) for page in PAGES for words in commands_of(page))
    assert "stylize" in commands and "convert-weights" in commands
    assert set(commands) <= {arguments[0] for arguments in shown if arguments}


def test_the_path_of_a_picture_is_short_and_names_files_that_are_there():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    path = re.findall(r"^\| (\d+) \| `([a-z_/0-9]+\.py)` \|", text, re.MULTILINE)
    assert [int(number) for number, _ in path] == list(range(1, len(path) + 1))
    assert len(path) == len({file for _, file in path}) <= MOST_FILES_OF_THE_PATH
    named = re.findall(r"`((?:\w+/)+\w*(?:\.py)?)`", text)
    inside = [name for name in named if not (ROOT / name).exists()]
    assert [name for name in inside if not (ROOT / "jaxstyle" / name).exists()] == []


PYTHON = blocks("python")


@pytest.mark.parametrize("block", PYTHON, ids=[f"{block[0]}-{block[1]}" for block in PYTHON])
def test_python_runs(block, tmp_path, monkeypatch):
    """As it stands but for the size and the number of steps."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JAXSTYLE_WEIGHTS", str(tmp_path))
    assert "steps=" not in block.text
    small = re.sub(r"\bheight=\d+", "height=48", block.text)
    small = re.sub(r"\b(size|width)=\d+", r"\1=48, steps=1", small)
    exec(compile(small, f"{block.page}, block {block.number}", "exec"), {})


def test_what_is_wrong_is_seen(tmp_path, monkeypatch):
    """These tests can fail: a dead link, a dead anchor, a link out of the repository."""
    page = tmp_path / "page.md"
    page.write_text(
        "# One `two` & three\n[a](#one-two--three) [b](#two) [c](page.md#one-two--three) "
        "[d](missing.md) [e](/etc/hostname) `[f](code.md)`\n```sh\n# [g](code.md)\n```\n"
    )
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    assert dead_links(page) == ["#two", "missing.md", "/etc/hostname"]


def test_commands_are_found_in_blocks():
    text = "A=1 jaxstyle plan a.jpg b.jpg && python x.py  # and more\njaxstyle \\\n  sweep 'a b'\n"
    assert list(shell_commands(Block("page.md", 1, text))) == [
        ["jaxstyle", "plan", "a.jpg", "b.jpg"],
        ["python", "x.py"],
        ["jaxstyle", "sweep", "a b"],
    ]
    assert of_jaxstyle(["python", "scripts/stylize.py", "a", "b"]) == ["stylize", "a", "b"]
    assert of_jaxstyle(["pip", "install", "-e", "."]) is None
