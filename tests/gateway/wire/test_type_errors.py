"""Parameters of the wrong type are told with their field, and with what would pass where that is a few values."""

from typing import Literal, get_args, get_origin, get_type_hints

import msgspec
import pytest

from gateway.sessions.method_table import METHODS
from gateway.wire.type_errors import field_and_reason


class Leg(msgspec.Struct, forbid_unknown_fields=True):
    side: Literal["buy", "sell"]
    amount: int = 1


class Basket(msgspec.Struct, forbid_unknown_fields=True):
    legs: list[Leg]
    best: Leg | None = None


def told(value, wanted=Basket):
    with pytest.raises(msgspec.ValidationError) as error:
        msgspec.convert(value, wanted)
    return field_and_reason(str(error.value), wanted)


def test_a_value_that_is_not_one_of_a_few_is_told_with_them():
    assert told({"legs": [{"side": "up"}]}) == ("legs[0].side", "Invalid enum value 'up'; choose from buy, sell")
    assert told({"legs": [], "best": {"side": "up"}}) == ("best.side", "Invalid enum value 'up'; choose from buy, sell")


def test_what_is_missing_unknown_or_of_another_type_is_told_with_its_field():
    assert told({"legs": [{}]}) == ("legs[0].side", "it is missing")
    assert told({"legs": [], "leg": 1}) == ("leg", "unknown parameter; check its spelling")
    assert told({"legs": 1}) == ("legs", "Expected array, got int")
    assert told(1) == ("", "Expected object, got int")


def few(kind):
    parts = [kind, *get_args(kind)]
    return [value for part in parts if get_origin(part) is Literal for value in get_args(part)]


CHOSEN = [
    (name, field, few(kind))
    for name, method in METHODS.items()
    for field, kind in get_type_hints(method.params).items()
    if few(kind)
]


@pytest.mark.parametrize(("name", "field", "values"), CHOSEN, ids=lambda part: part if isinstance(part, str) else "")
def test_every_parameter_of_a_few_values_names_them(name, field, values):
    assert told({field: "~"}, METHODS[name].params) == (
        field, f"Invalid enum value '~'; choose from {', '.join(map(str, values))}",
    )  # fmt: skip


def test_there_are_such_parameters():
    assert {("private/buy", "type"), ("private/preview_order", "direction")} <= {one[:2] for one in CHOSEN}
