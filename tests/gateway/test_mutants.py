"""Each seeded mutant of the gateway fails the test that it names."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import engine
from tests.gateway import mutants
from tests.gateway.mutants import Mutant, broken
from tests.gateway.mutants_of_backups import BACKUP_MUTANTS
from tests.gateway.mutants_of_cluster import CLUSTER_MUTANTS
from tests.gateway.mutants_of_history import HISTORY_MUTANTS
from tests.gateway.mutants_of_index import ALIVE, INDEX_MUTANTS
from tests.gateway.mutants_of_inputs import INPUT_MUTANTS
from tests.gateway.mutants_of_invariants import INVARIANT_MUTANTS
from tests.gateway.mutants_of_limits import LIMIT_MUTANTS
from tests.gateway.mutants_of_losses import LOSS_MUTANTS
from tests.gateway.mutants_of_officers import OFFICER_MUTANTS
from tests.gateway.mutants_of_operation import OPERATION_MUTANTS
from tests.gateway.mutants_of_owners import OWNER_MUTANTS
from tests.gateway.mutants_of_previews import PREVIEW_MUTANTS
from tests.gateway.mutants_of_side_files import SIDE_FILE_MUTANTS
from tests.gateway.mutants_of_snapshots import SNAPSHOT_MUTANTS
from tests.gateway.mutants_of_statute import STATUTE_MUTANTS
from tests.gateway.mutants_of_surveillance import SURVEILLANCE_MUTANTS
from tests.gateway.mutants_of_time import TIME_MUTANTS
from tests.gateway.mutants_of_trail import TRAIL_MUTANTS
from tests.gateway.socketless_venue import SocketlessVenue
from tests.gateway.warm_process import WarmProcess
from tests.patience import BRIEF
from tests.test_arrows import imported

ROOT = Path(__file__).parents[2]
MUTANTS = (
    *mutants.MUTANTS, *OFFICER_MUTANTS, *OWNER_MUTANTS, *STATUTE_MUTANTS, *TRAIL_MUTANTS, *SURVEILLANCE_MUTANTS,
    *INVARIANT_MUTANTS, *OPERATION_MUTANTS, *SIDE_FILE_MUTANTS, *TIME_MUTANTS, *HISTORY_MUTANTS, *LOSS_MUTANTS,
    *SNAPSHOT_MUTANTS, *LIMIT_MUTANTS, *BACKUP_MUTANTS, *INPUT_MUTANTS, *INDEX_MUTANTS,
    *PREVIEW_MUTANTS, *CLUSTER_MUTANTS,
)  # fmt: skip
FAILED = 1
"""pytest's exit code of a failure; what cannot be collected has another one and does not count."""
TIMEOUT_S = 240
"""A mutant whose test still runs after so long hangs, which is a failure too."""
HOOK = "from tests.gateway.broken_module import install\ninstall({!r}, {!r}, {!r})\n"
OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist")


def place(folder: Path, mutant: Mutant) -> tuple[str, str, str]:
    """Put the broken text in a folder, for every Python process whose path has it: the module's name, file and text."""
    path = ROOT / "gateway" / mutant.file
    text = folder / path.name
    text.write_text(broken(mutant, ROOT / "gateway"))
    module = (".".join(path.relative_to(ROOT).with_suffix("").parts), str(path), str(text))
    (folder / "sitecustomize.py").write_text(HOOK.format(*module))
    return module


@cache
def reached(name: str) -> frozenset[str]:
    """A module of the gateway and all those of it that it imports."""
    path = ROOT.joinpath(*name.split(".")).with_suffix(".py")
    if not name.startswith("gateway.") or not path.exists():
        return frozenset()
    return frozenset({name}).union(*map(reached, set(imported(path)) - {name}))


def place_cache(folder: Path, broken_name: str) -> None:
    """A cache of its own with the compiled code that the broken module has no part in.

    The files on disk are whole: by them, all of it would be taken.
    """
    compiled = Path(os.environ["NUMBA_CACHE_DIR"])
    (folder / compiled.name).mkdir()
    rooms = {folder.name: folder for folder in (ROOT / "gateway").rglob("*") if folder.is_dir()}
    for entry in compiled.iterdir():
        place, room = folder / compiled.name / entry.name, rooms.get(entry.name.rpartition("_")[0])
        if room is None:
            place.symlink_to(entry)
            continue
        place.mkdir()
        for file in entry.iterdir():
            path = room / file.name.partition(".")[0]
            if broken_name not in reached(".".join(path.relative_to(ROOT).parts)):
                (place / file.name).symlink_to(file)


def run(process: WarmProcess, folder: Path, mutant: Mutant) -> tuple[int, str]:
    """Run the test that a mutant names: exit code and what was printed."""
    module = place(folder, mutant)
    for name in ("cache", "temporary"):
        (folder / name).mkdir()
    place_cache(folder / "cache", module[0])
    roots = (folder, ROOT, Path(engine.__file__).parents[1])
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, roots)), "LIONROCK_CACHE_DIR": str(folder / "cache"),
        "TMPDIR": str(folder / "temporary"), **BRIEF,
    }  # fmt: skip
    code, output = process.run(environment, module, [*OPTIONS, mutant.test], TIMEOUT_S)
    return (FAILED, "the test never ended") if code is None else (code, output)


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmProcess]:
    """Everything is compiled once before, not in each mutant's own cache."""
    SocketlessVenue(tmp_path_factory.mktemp("compiled")).venue.close()
    process = WarmProcess()
    yield process
    process.close()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_is_caught(mutant: Mutant, process: WarmProcess, tmp_path: Path) -> None:
    code, output = run(process, tmp_path, mutant)
    assert code == FAILED, output


def test_the_gateway_as_it_is_passes_in_the_same_way(process: WarmProcess, tmp_path: Path) -> None:
    """The way of breaking breaks nothing by itself: a text that says the same passes."""
    whole = Mutant("nothing", "index_feeds/adapter.py", "class Book:", "class Book:", ALIVE)
    code, output = run(process, tmp_path, whole)
    assert code == 0, output


def test_one_that_hangs_is_killed(process: WarmProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.gateway.test_mutants.TIMEOUT_S", 2)
    hangs = Mutant("hangs", "index_feeds/adapter.py", "import msgspec\n", "while True:\n    pass\n", ALIVE)
    assert run(process, tmp_path, hangs) == (FAILED, "the test never ended")


def test_each_has_a_name_of_its_own() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


def test_a_patch_that_no_longer_fits_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("one\n")
    with pytest.raises(ValueError, match=r"its text is 0 times in a\.py"):
        broken(Mutant("gone", "a.py", "two", "three", MUTANTS[0].test), tmp_path)
