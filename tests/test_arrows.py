"""The shape of the code: who may import whom, and how long modules and functions get."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ENGINE_ORDER = [
    "codes",
    "code_values",
    "cache_stamps",
    "units",
    "row_layout",
    "log_rows",
    "owner_rows",
    "scratch_rows",
    "schema",
    "state_memory",
    "overlay",
    "kernels",
    "row_access",
    "ladder",
    "idmap",
    "running_totals",
    "book",
    "timed_queues",
    "ledger",
    "listing",
    "events",
    "makers_ahead",
    "funding",
    "index_and_mark",
    "collateral",
    "margin",
    "isolated_margin",
    "liquidation_rules",
    "adl_ranking",
    "funding_payments",
    "eligibility",
    "exposure_limits",
    "plain_terms",
    "regular_orders",
    "cancel_queue",
    "standing",
    "fill_or_kill",
    "admission",
    "taker_row",
    "matching",
    "money",
    "mass_cancel",
    "eligibility_lapses",
    "clients",
    "triggers",
    "reference_prices",
    "liquidator",
    "contract_settlement",
    "mark_tick",
    "orders",
    "fleeting_orders",
    "straight_path",
    "timers",
    "accounts",
    "directives",
    "batch_end",
    "step",
    "disk",
    "journal",
    "statements",
    "batch_slices",
    "recovery",
    "host",
    "recordings",
    "owner_invariants",
    "invariants",
]
"""Each module of the engine imports only what stands before it; `invariants` is imported by none of them."""
GATEWAY_SEES = {
    "codes", "code_values", "units", "row_layout", "schema", "kernels", "disk", "host", "recordings", "statements",
    "invariants",
}  # fmt: skip
GATEWAY_ROOMS = [
    "clock",
    "pages",
    "wire",
    "client",
    "index_feeds",
    "registry",
    "surveillance",
    "affiliates",
    "config",
    "office",
    "read_model",
    "market_data",
    "audit_trail",
    "sessions",
    "document",
    "plain_orders",
    "venue",
    "cluster",
    "operations",
    "net",
    "commands",
    "cli",
]
"""The gateway's rooms: each imports only from itself and from those before it."""
MAX_GATEWAY_ENTRIES, MAX_FLOORS = 26, 12
MAX_MODULE_LINES, MAX_FUNCTION_LINES, MAX_ARGUMENTS = 600, 60, 6
IO_MODULES = {"asyncio", "socket", "picows", "uvloop", "http", "urllib", "ssl"}
CLOCKS = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "random"}


def sources(*folders: str) -> list[Path]:
    """The Python files below some folders."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


@cache
def parsed(text: str) -> tuple[ast.AST, ...]:
    """All nodes of a text: many tests look at each file."""
    return tuple(ast.walk(ast.parse(text)))


def imported(path: Path) -> Iterator[str]:
    """The full names of the modules that a file imports, anywhere in it."""
    for node in parsed(path.read_text()):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import in line {node.lineno}"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def engine_module(name: str) -> str | None:
    """Which module of the engine a dotted name belongs to."""
    parts = name.split(".")
    return parts[1] if parts[0] == "engine" and len(parts) > 1 and parts[1] in ENGINE_ORDER else None


def module_of(path: Path) -> str:
    """The engine's module that a file is, or is a part of."""
    return path.relative_to(ROOT / "engine").with_suffix("").parts[0]


ENGINE = [path for path in sources("engine") if module_of(path) != "__init__"]


def test_every_module_of_the_engine_has_its_place() -> None:
    assert {module_of(path) for path in ENGINE} == set(ENGINE_ORDER)


@pytest.mark.parametrize("path", ENGINE, ids=lambda path: str(path.relative_to(ROOT)))
def test_engine_imports_only_what_stands_before(path: Path) -> None:
    place = ENGINE_ORDER.index(module_of(path))
    seen = {module for module in map(engine_module, imported(path)) if module and module != module_of(path)}
    assert {module for module in seen if ENGINE_ORDER.index(module) > place} == set()


@pytest.mark.parametrize("path", sources("engine"), ids=lambda path: str(path.relative_to(ROOT)))
def test_engine_never_sees_the_gateway_or_a_socket(path: Path) -> None:
    never = {"gateway", "bench", "tests"} | IO_MODULES
    assert {name for name in imported(path) if name.split(".")[0] in never} == set()


@pytest.mark.parametrize("path", sources("gateway"), ids=lambda path: str(path.relative_to(ROOT)))
def test_gateway_sees_only_the_engines_front(path: Path) -> None:
    assert {module for module in map(engine_module, imported(path)) if module} - GATEWAY_SEES == set()


@pytest.mark.parametrize("path", sources("gateway"), ids=lambda path: str(path.relative_to(ROOT)))
def test_product_never_imports_its_tests(path: Path) -> None:
    assert {name for name in imported(path) if name.split(".")[0] == "tests"} == set()


# --- the gateway's rooms ------------------------------------------------------------------------------------------


def place_in_gateway(path: Path, root: Path = ROOT) -> str:
    """The room that a file of the gateway lies in, or its own name when it lies in none."""
    return path.relative_to(root / "gateway").with_suffix("").parts[0]


def gateway_room(name: str) -> str | None:
    """Which room of the gateway a dotted name belongs to."""
    parts = name.split(".")
    return parts[1] if parts[0] == "gateway" and len(parts) > 1 else None


def wrong_arrows(path: Path, root: Path = ROOT) -> set[str]:
    """The rooms that a file of the gateway imports although they do not stand before its own."""
    own = place_in_gateway(path, root)
    allowed = GATEWAY_ROOMS[: GATEWAY_ROOMS.index(own) + 1] if own != "__init__" else []
    return {room for room in map(gateway_room, imported(path)) if room and room in GATEWAY_ROOMS} - set(allowed)


GATEWAY = sources("gateway")


def test_every_entry_of_the_gateway_has_its_place() -> None:
    entries = [path for path in (ROOT / "gateway").iterdir() if path.name != "__pycache__"]
    assert {place_in_gateway(path) for path in GATEWAY} == {*GATEWAY_ROOMS, "__init__"}
    assert len(entries) <= MAX_GATEWAY_ENTRIES, sorted(path.name for path in entries)


@pytest.mark.parametrize("path", GATEWAY, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_of_the_gateway_imports_only_from_rooms_before_it(path: Path) -> None:
    assert wrong_arrows(path) == set()


def test_a_wrong_import_is_found_also_where_it_is_for_types_alone(tmp_path: Path) -> None:
    planted = tmp_path / "gateway" / "read_model" / "planted.py"
    planted.parent.mkdir(parents=True)
    for line in ("from gateway.net import server", "import gateway.sessions.session", "from gateway import commands"):
        planted.write_text(f"from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    {line}\n")
        assert wrong_arrows(planted, tmp_path), line
    planted.write_text("from gateway.wire import errors\nfrom gateway import clock\n")
    assert wrong_arrows(planted, tmp_path) == set()


def floors_of(arrows: dict[str, set[str]]) -> dict[str, int]:
    """The floor of each name: one above the highest that it imports. An AssertionError names a circle."""
    floors: dict[str, int] = {}

    def floor(name: str, below: tuple[str, ...]) -> int:
        assert name not in below, f"a circle of imports: {' -> '.join((*below[below.index(name) :], name))}"
        if name not in floors:
            floors[name] = 1 + max((floor(other, (*below, name)) for other in sorted(arrows[name])), default=0)
        return floors[name]

    for name in sorted(arrows):
        floor(name, ())
    return floors


def test_rooms_lie_on_few_floors() -> None:
    rooms: dict[str, set[str]] = {"engine": set()}
    for path in GATEWAY:
        own = place_in_gateway(path)
        seen = {gateway_room(name) or name.split(".")[0] for name in imported(path)}
        rooms.setdefault(own, set()).update(room for room in seen if room in {*GATEWAY_ROOMS, "engine"} - {own})
    assert max(floors_of(rooms).values()) <= MAX_FLOORS


def module_name(path: Path) -> str:
    """The dotted name of a file; a package's is its folder's."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_no_modules_import_each_other_in_a_circle() -> None:
    paths = {module_name(path): path for path in sources("engine", "gateway", "bench")}
    arrows: dict[str, set[str]] = {}
    for name, path in paths.items():
        named = set(imported(path)) & set(paths)
        # `from package import module` names both: what is meant is the module.
        packages = {other for other in named if any(inner.startswith(f"{other}.") for inner in named)}
        arrows[name] = {other for other in named - packages - {name} if not name.startswith(f"{other}.")}
    floors_of(arrows)
    with pytest.raises(AssertionError, match="a circle of imports: a -> b -> a"):
        floors_of({"a": {"b"}, "b": {"a"}})


def calls(path: Path) -> set[str]:
    """The dotted names that a file calls."""
    nodes = (node.func for node in parsed(path.read_text()) if isinstance(node, ast.Call))
    return {ast.unparse(function) for function in nodes if isinstance(function, ast.Attribute | ast.Name)}


HOST_MODULES = ("batch_slices", "cache_stamps", "disk", "host", "journal", "recordings")
KERNEL_MODULES = [path for path in ENGINE if module_of(path) not in HOST_MODULES]


@pytest.mark.parametrize("path", KERNEL_MODULES, ids=lambda path: path.name)
def test_rules_have_no_clock_no_chance_and_no_fractions(path: Path) -> None:
    found = {name for name in calls(path) if name in CLOCKS or name.startswith(("random.", "np.random."))}
    assert found == set()
    nodes = parsed(path.read_text())
    floats = [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, float)]
    divisions = [n.lineno for n in nodes if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Div)]
    paths = [n.lineno for n in nodes if isinstance(n, ast.BinOp) and "Path" in ast.dump(n)]
    assert floats == [] and set(divisions) <= set(paths)


PRODUCT = sources("engine", "gateway", "bench")


@pytest.mark.parametrize("path", sources("engine", "gateway", "bench", "tests"), ids=lambda p: str(p.relative_to(ROOT)))
def test_module_length(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_MODULE_LINES


@pytest.mark.parametrize("path", PRODUCT, ids=lambda p: str(p.relative_to(ROOT)))
def test_what_waits_can_be_cancelled(path: Path) -> None:
    """`asyncio.wait_for` of Python 3.11 drops a cancellation that comes with the result: a task went on for ever.
    `asyncio.timeout` does not.
    """
    assert "asyncio.wait_for(" not in path.read_text()


def arguments(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How many arguments a function takes, `self` not counted."""
    given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return len(given) - (1 if given and given[0].arg in ("self", "cls") else 0)


@pytest.mark.parametrize("path", PRODUCT, ids=lambda path: str(path.relative_to(ROOT)))
def test_function_length_and_arguments(path: Path) -> None:
    found = []
    for node in parsed(path.read_text()):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MAX_FUNCTION_LINES or arguments(node) > MAX_ARGUMENTS:
                found.append(f"{node.name}: {lines} lines, {arguments(node)} arguments")
    assert found == []


UNFINISHED = ("TODO", "FIXME", "XXX", "NotImplementedError", "pragma: no cover")


@pytest.mark.parametrize("path", PRODUCT, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_left_unfinished(path: Path) -> None:
    text = path.read_text()
    assert [mark for mark in UNFINISHED if mark in text] == []


def test_only_the_clock_reads_time_in_the_gateway() -> None:
    readers = {"time.time", "time.time_ns", "datetime.now", "datetime.datetime.now"}
    found = {path.name for path in sources("gateway") if calls(path) & readers}
    assert found <= {"clock.py"}
