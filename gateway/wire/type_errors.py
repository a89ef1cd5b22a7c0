"""What is wrong with parameters that are not of their types: the field, and one line about it.

In: the decoder's message, and the type that was asked for. Out: what a person is told, with the values that would pass
where there are few.
"""

import re
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin, get_type_hints

from msgspec import Struct

_PATH = re.compile(r"(?P<text>.*?)(?: - at `\$(?P<path>[^`]*)`)?", re.DOTALL)
_FIELD = re.compile(r"Object (?P<what>missing required|contains unknown) field `(?P<field>[^`]*)`")
_NOT_OF_A_FEW = "Invalid enum value "


def field_and_reason(message: str, wanted: type[Struct], above: str = "") -> tuple[str, str]:
    """(field, reason) of a decoder's message; `above` is the path in the message that leads to the wanted type.

    The field has dots where structures lie in each other; it is empty when the message names none.
    """
    match = _PATH.fullmatch(message)
    text, path = (match["text"], match["path"] or "") if match else (message, "")
    field = path.removeprefix(above).strip(".")
    found = _FIELD.match(text)
    if found:
        reason = "it is missing" if found["what"].startswith("missing") else "unknown parameter; check its spelling"
        return ".".join(filter(None, (field, found["field"]))), reason
    reason = one_line(text)
    if text.startswith(_NOT_OF_A_FEW) and (few := _choices(wanted, field)):
        reason += f"; choose from {', '.join(few)}"
    return field, reason


def one_line(text: str) -> str:
    """A decoder's words for one line of an answer."""
    return text.replace("`", "").replace("\n", " ")[:200]


def _choices(wanted: Any, field: str) -> list[str]:
    """The values that a field may have, in the order in which its type has them; none where they are not listed."""
    for name in field.split("."):
        structs = [part for part in _parts(wanted) if isinstance(part, type) and issubclass(part, Struct)]
        hints = [hints for part in structs if (hints := get_type_hints(part)).keys() >= {name.partition("[")[0]}]
        if not hints:
            return []
        wanted = hints[0][name.partition("[")[0]]
    return [str(value) for part in _parts(wanted) if get_origin(part) is Literal for value in get_args(part)]


def _parts(kind: Any) -> Iterator[Any]:
    """A type and the types that it is made of."""
    yield kind
    if get_origin(kind) is not Literal:
        for part in get_args(kind):
            yield from _parts(part)
