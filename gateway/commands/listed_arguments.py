"""Lists of items on the command line: `--item key=value key=value`, once for each, or a CSV file with one a line.

A key is the name of the item's field in the protocol. A SHA-256 may be given as a file, of which it is taken.
"""

import argparse
import csv
import hashlib
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec

from gateway.office.officer_params import plain_type

_ONE = {"items": "item", "parties": "party", "documents": "document"}


def hash_of(text: str) -> str:
    """64 hexadecimal digits, or the SHA-256 of the file of this name."""
    if len(text) == 64 and not set(text) - set("0123456789abcdef"):
        return text
    try:
        return hashlib.sha256(Path(text).read_bytes()).hexdigest()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no SHA-256 and no file: {error.strerror}") from None


def item_type(hint: Any) -> type[msgspec.Struct] | None:
    """What a parameter lists, or None when it is no list."""
    return get_args(hint)[0] if get_origin(hint) is list else None


def add_list(parser: argparse.ArgumentParser, name: str, kind: type[msgspec.Struct], text: str) -> None:
    """Add --item and --items-file, or what they are called for another list."""
    one, keys = _ONE[name], ", ".join(_told(field) for field in msgspec.structs.fields(kind))
    parser.add_argument(
        f"--{one}", dest=name, nargs="+", action="append", metavar="KEY=VALUE",
        help=f"{text}: once for each, of these keys: {keys}",
    )  # fmt: skip
    parser.add_argument(
        f"--{name}-file", metavar="FILE", help=f"or a CSV file, one {one} a line; `lionrock admin template` prints one"
    )


def _told(field: Any) -> str:
    hint, _ = plain_type(field.type)
    values = " | ".join(get_args(hint)) if get_origin(hint) is Literal else ""
    told = f"{field.encode_name} ({values})" if values else field.encode_name
    return told if field.required else f"[{told}]"


def read_list(args: argparse.Namespace, name: str, kind: type[msgspec.Struct]) -> list[dict[str, Any]] | None:
    """The items that were given, or None; ValueError names the item, the key and the remedy."""
    given, path = getattr(args, name), getattr(args, f"{name}_file")
    if given and path:
        raise ValueError(f"--{name}-file: give it or --{_ONE[name]}, not both")
    if path:
        rows = _rows_of(path, name)
    elif given:
        rows = [_pairs(number, words, _ONE[name]) for number, words in enumerate(given, 1)]
    else:
        return None
    return [_item(number, row, kind, _ONE[name]) for number, row in enumerate(rows, 1)]


def _pairs(number: int, words: list[str], one: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in words:
        key, is_pair, value = word.partition("=")
        if not is_pair or not value:
            raise ValueError(f"{one} {number}: {word[:40]!r} is not KEY=VALUE, such as amount=8000000")
        if key in found:
            raise ValueError(f"{one} {number}, {key}: it is there twice; give it once")
        found[key] = value
    return found


def _rows_of(path: str, name: str) -> list[dict[str, str]]:
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"--{name}-file: {path}: {error}; give a CSV file in UTF-8") from None
    for number, row in enumerate(rows, 1):
        if None in row or None in row.values():
            raise ValueError(f"--{name}-file: line {number + 1} has not as many values as the first line has names")
    return [{key: value for key, value in row.items() if value} for row in rows]


def _item(number: int, row: dict[str, str], kind: type[msgspec.Struct], one: str) -> dict[str, Any]:
    """An item with its values as the protocol has them."""
    fields = {field.encode_name: plain_type(field.type)[0] for field in msgspec.structs.fields(kind)}
    found: dict[str, Any] = {}
    for key, value in row.items():
        if key not in fields:
            raise ValueError(f"{one} {number}, {key[:40]}: there is no such key; choose from {', '.join(fields)}")
        try:
            is_hash = key == "hash" or key.endswith("_hash")
            found[key] = hash_of(value) if is_hash else int(value) if fields[key] is int else value
        except argparse.ArgumentTypeError as error:
            raise ValueError(f"{one} {number}, {key}: {error}") from None
        except ValueError:
            raise ValueError(f"{one} {number}, {key}: {value[:40]!r} is not a whole number") from None
    return found


def place_of(path: str) -> str:
    """Where a value is, as a person counts: `items[1].amount` is item 2, amount."""
    name, is_listed, rest = path.partition("[")
    if not is_listed or name not in _ONE:
        return path
    index, _, field = rest.partition("]")
    return f"{_ONE[name]} {int(index) + 1}" + (f", {field.removeprefix('.')}" if field else "")


def template(kind: type[msgspec.Struct]) -> str:
    """A CSV file's first line, and a second one that says what each value is."""
    fields = msgspec.structs.fields(kind)
    says = [_says(field) for field in fields]
    return f"{','.join(field.encode_name for field in fields)}\n{','.join(says)}\n"


def _says(field: Any) -> str:
    hint, text = plain_type(field.type)
    values = " | ".join(get_args(hint)) if get_origin(hint) is Literal else text.replace(",", ";")
    return values if field.required else f"({values})"
