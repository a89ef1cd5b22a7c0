"""Ways to break the gateway, each as a patch of one place, and the tests that must notice each of them.

To add one: a name that says what goes wrong, the file inside `gateway/`, the text that is there exactly once, what it
becomes, and the test file (or `file::test`) that must fail. Choose a test of seconds: nothing else is run.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mutant:
    """One break: in a file of the gateway, one place of a text becomes another, and one test must fail."""

    name: str
    file: str
    old: str
    new: str
    test: str


SOURCES = "tests/gateway/index_feeds/test_sources.py"

MUTANTS = (
    Mutant(
        "a crossed book has a middle",
        "index_feeds/adapter.py",
        "bid >= ask or",
        "",
        SOURCES,
    ),
    Mutant(
        "a wide book has a middle",
        "index_feeds/adapter.py",
        " or ask - bid > (bid + ask) / 2 * MAX_SPREAD",
        "",
        SOURCES,
    ),
)


def mutate(mutant: Mutant, package: Path) -> None:
    """Break the copy of the gateway in a folder; the text must be there exactly once."""
    path = package / mutant.file
    source = path.read_text()
    found = source.count(mutant.old)
    if found != 1:
        raise ValueError(f"{mutant.name}: its text is {found} times in {mutant.file}; bring the patch up to date")
    path.write_text(source.replace(mutant.old, mutant.new))
