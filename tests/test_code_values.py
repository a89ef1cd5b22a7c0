"""The plain ints are the enums' members, and engine and gateway state them nowhere else."""

import ast
from enum import IntEnum
from pathlib import Path

import pytest

from engine import code_values, codes
from tests.test_arrows import ROOT, sources

PREFIXES: dict[str, type[IntEnum]] = {
    "COMMAND": codes.CommandKind, "EVENT": codes.EventKind, "FLAG": codes.EventFlag, "REASON": codes.Reason,
    "SIDE": codes.Side, "TYPE": codes.OrdType, "TIF": codes.TimeInForce, "EXEC": codes.ExecInst,
    "STATUS": codes.OrdStatus, "MARKET": codes.MarketState, "SOURCE": codes.PriceSource,
    "SELF_TRADE": codes.SelfTrade,
}  # fmt: skip
MEMBERS = {f"{prefix}_{name}": member for prefix, enum in PREFIXES.items() for name, member in enum.__members__.items()}
NAMES = [name for name in vars(code_values) if name.isupper()]


@pytest.mark.parametrize("name", [name for name in NAMES if not name.endswith("_BITS")])
def test_a_value_is_the_member_of_its_name(name: str) -> None:
    assert getattr(code_values, name) == MEMBERS[name] and type(getattr(code_values, name)) is int


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("_BITS")])
def test_a_set_of_bits_has_bits_of_its_enum_alone(name: str) -> None:
    bits = getattr(code_values, name)
    assert type(bits) is int and bits & ~sum(PREFIXES[name.split("_")[0]]) == 0


def is_member_as_int(node: ast.AST) -> bool:
    """Whether a part of a program is `int(Enum.MEMBER)`."""
    enums = {enum.__name__ for enum in PREFIXES.values()}
    return (
        isinstance(node, ast.Call)
        and ast.unparse(node.func) == "int"
        and any(isinstance(part, ast.Attribute) and ast.unparse(part.value) in enums for part in ast.walk(node))
        and not any(isinstance(part, ast.Call | ast.Subscript) for part in ast.walk(node.args[0]))
    )


@pytest.mark.parametrize("path", sources("engine", "gateway"), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_other_module_makes_one(path: Path) -> None:
    if path.name != "code_values.py":
        assert [node.lineno for node in ast.walk(ast.parse(path.read_text())) if is_member_as_int(node)] == []
