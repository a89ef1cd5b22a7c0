"""The documents: short where they must be, and nothing in them that is not there: paths, links, commands, modules."""

import argparse
import re
import runpy
import shlex
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import cli
from tests.test_arrows import ENGINE_ORDER, GATEWAY_ROOMS, GATEWAY_SEES

ROOT = Path(__file__).parents[1]
SKIPPED = {".venv", "build", "dist", "node_modules"}
MAX_README_BYTES = 9000
DOCUMENTS = sorted(
    path for path in ROOT.rglob("*.md") if not any(part in SKIPPED or part.startswith(".") for part in path.parts)
)
READMES = [path for path in DOCUMENTS if path.name == "README.md"]
PATH = re.compile(r"[\w.-]+(/[\w.-]+)*\.(py|md|js|css|html|sh|png|toml)|[\w.-]+(/[\w.-]+)+/|\.ci/run")
"""What reads as a file of the repository."""
OTHERS = {"bot.py", "lionrock.toml", "NAME.sh"}
"""Files that a reader makes."""
each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
each_readme = pytest.mark.parametrize("path", READMES, ids=lambda path: str(path.relative_to(ROOT)))


def prose(path: Path) -> str:
    """A document without its blocks of code."""
    return re.sub(r"^```.*?^```", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)


def inline(path: Path) -> list[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`\n]+)`", prose(path))


def shell_lines(path: Path) -> Iterator[str]:
    """Each `lionrock` command of the shell blocks, whole."""
    for block in re.findall(r"^```sh\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE):
        text = re.sub(r"<<'END'\n.*?\nEND\n", "\n", block.replace("\\\n", " "), flags=re.DOTALL)
        yield from (line.removesuffix("&").strip() for line in text.splitlines() if line.startswith("lionrock "))


def table(path: Path, heading: str) -> list[str]:
    """The first column of the first table below a heading."""
    section = path.read_text().partition(f"\n{heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.*?) \|", section, re.MULTILINE)
    return [row for row in rows if "---" not in row][1:]


def names(cells: list[str]) -> list[str]:
    """The names between backticks in these cells."""
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= MAX_README_BYTES


# --- paths and links ----------------------------------------------------------------------------------------------


def anchors(path: Path) -> set[str]:
    """The anchors that a document's headings make."""
    headings = re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_document
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    lost = []
    for target in re.findall(r"\]\(([^)]+)\)", prose(path)):
        file, _, anchor = target.partition("#")
        if "://" in target:
            continue
        found = path.parent / file if file else path
        if not found.exists() or (anchor and anchor not in anchors(found)):
            lost.append(target)
    assert lost == []


@each_readme
def test_every_file_that_is_named_exists(path: Path) -> None:
    named = {text for text in inline(path) if PATH.fullmatch(text)} - OTHERS
    assert {text for text in named if not ((path.parent / text).exists() or (ROOT / text).exists())} == set()


# --- commands -----------------------------------------------------------------------------------------------------


def unknown_word(words: list[str]) -> str | None:
    """The first word of a command line that is no subcommand and no flag where it stands; None when all are known."""
    if words[0] not in cli.COMMANDS:
        return words[0]
    parser: argparse.ArgumentParser = cli._parser(words[0])
    for word in words:
        sub = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        if word.startswith("--"):
            if word not in {option for action in parser._actions for option in action.option_strings}:
                return word
        elif sub:
            if word not in sub[0].choices:
                return word
            parser = sub[0].choices[word]
    return None


@each_readme
def test_every_command_that_is_shown_can_be_called(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for line in shell_lines(path):
        words = shlex.split(line)[1:]
        assert unknown_word(words) is None, line
        for word in words:
            if word.endswith((".pdf", ".txt")):
                (tmp_path / word).touch()
        cli._parser(words[0]).parse_args(words)


@each_readme
def test_every_command_that_is_mentioned_exists(path: Path) -> None:
    for text in inline(path):
        if text.startswith("lionrock "):
            assert unknown_word(shlex.split(text)[1:]) is None, text


WITHOUT_A_VENUE = {
    "engine/recordings/README.md": ("lionrock ",),
    "gateway/README.md": ("lionrock schema",),
    "gateway/venue/README.md": ("lionrock serve --print-config",),
    "bench/README.md": ("lionrock bench --list",),
}
"""Commands that need nothing but the file that the document shows."""


@pytest.mark.parametrize("name", WITHOUT_A_VENUE)
def test_commands_that_need_no_venue_work(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for shown in re.findall(r"```csv\n(.*?)```", (ROOT / name).read_text(), re.DOTALL):
        (tmp_path / "orders.csv").write_text(shown)
    lines = [line for line in shell_lines(ROOT / name) if line.startswith(WITHOUT_A_VENUE[name])]
    assert lines
    for line in lines:
        assert cli.main(shlex.split(line)[1:]) == 0, capsys.readouterr().err


PYTHON = re.compile(r"python3? (?:-m ([\w.]+)|([\w./-]+\.py))((?: +\S+)*)")
"""A command that runs a module, or a file: the module's name, the file's, and the words behind it."""
OF_OTHERS = {"pytest", "venv"}
PROGRAMS = [path for name in ("bench", "engine", "gateway", "tests") for path in sorted((ROOT / name).rglob("*.py"))]


def python_commands(text: str) -> Iterator[tuple[str, str, list[str]]]:
    """(module, file, words) of each command of Python in a text, as far as its line or its backticks go."""
    for line in re.split(r"[\n`]", text):
        for module, file, words in PYTHON.findall(line):
            yield module, file, words.split()


def source_of(module: str) -> Path | None:
    """The file that `python -m` runs; None when there is none in the repository."""
    place = ROOT / module.replace(".", "/")
    return next((path for path in (place.with_suffix(".py"), place / "__main__.py") if path.is_file()), None)


SHOWN = sorted({
    module for path in DOCUMENTS if path.name != "CHANGELOG.md"
    for module, _, _ in python_commands(path.read_text()) if module and module not in OF_OTHERS
})  # fmt: skip
"""The modules that documents tell to run."""


@pytest.mark.parametrize("module", SHOWN)
def test_each_module_that_a_document_runs_says_how_it_is_used(
    module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", [module, "--help"])
    for loaded in (module, f"{module}.__main__"):  # by a test before: a program is run afresh
        monkeypatch.delitem(sys.modules, loaded, raising=False)
    try:
        with pytest.raises(SystemExit) as ended:
            runpy.run_module(module, run_name="__main__")
    except ModuleNotFoundError as missing:
        if missing.name != "playwright":
            raise
        pytest.skip("the Python package playwright is missing: pip install '.[browser]'")
    assert ended.value.code == 0 and capsys.readouterr().out.startswith("usage: ")


def test_commands_of_python_run_as_they_are_printed() -> None:
    """In documents and in what the programs' own files say: a file of the repository is run as a module, as it imports
    others of it; the module exists, and it knows each flag."""
    wrong = []
    for path in (*DOCUMENTS, *PROGRAMS):
        if path.name == "CHANGELOG.md" or path == Path(__file__):
            continue
        for module, file, words in python_commands(path.read_text()):
            if module in OF_OTHERS or file in OTHERS:
                continue
            source = source_of(module) if module else None
            flags = {word.partition("=")[0] for word in words if re.fullmatch(r"--[a-z][a-z-]*", word)} - {"--help"}
            if source is None or not all(f'"{flag}"' in source.read_text() for flag in flags):
                wrong.append(f"{path.relative_to(ROOT)}: {module or file} {' '.join(words)}")
    assert wrong == []


# --- tables -------------------------------------------------------------------------------------------------------


def test_the_engines_table_is_the_order_of_imports() -> None:
    assert names(table(ROOT / "engine" / "README.md", "## Modules, in the order of imports")) == ENGINE_ORDER


@each_readme
def test_every_module_that_a_table_names_exists(path: Path) -> None:
    listed = re.findall(r"^\| module \|.*\n\|---.*\n((?:\|.*\n)+)", path.read_text(), re.MULTILINE)
    cells = [row.split("|")[1] for rows in listed for row in rows.splitlines()]
    found = {entry.stem for entry in path.parent.iterdir()}
    assert set(names(cells)) <= found


def test_the_gateways_table_names_every_entry_of_its_folder() -> None:
    entries = {path.name for path in (ROOT / "gateway").iterdir() if not path.name.startswith("__")} - {"README.md"}
    listed = names(table(ROOT / "gateway" / "README.md", "## What is in this folder"))
    assert len(listed) == len(set(listed)) and set(listed) == entries


def test_the_gateways_imports_are_as_its_document_says() -> None:
    text = (ROOT / "gateway" / "README.md").read_text()
    seen, order = (
        re.findall(r"`(\w+)`", text.partition(opening)[2].partition(". ")[0])
        for opening in ("Of the engine it sees only ", "in this order: ")
    )
    assert (set(seen), order) == (GATEWAY_SEES, GATEWAY_ROOMS)


def test_every_dependency_says_why_it_is_there() -> None:
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    told = set(table(ROOT / "gateway" / "README.md", "## Libraries"))
    assert {re.split(r"[<>=\[]", line)[0] for line in needed} <= told


def test_the_readmes_commands_stand_where_they_are_looked_for() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert [line for line in lines if re.match(r"python3 -m venv .*pytest", line)] == [
        line for line in (ROOT / "tests" / "README.md").read_text().splitlines() if line.startswith("python3 -m venv ")
    ]
