"""The protocol as a document, built from the message types and from real answers to example calls.

OpenRPC for the methods; channels, error codes, reasons and the binary records are in the same document.
"""

import json
import logging
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
import numpy as np

from engine.codes import NIL, CommandKind, EventKind
from engine.schema import COMMAND, EVENT, LABEL, SEMANTICS_VERSION
from gateway.document.examples import CHANNELS, EXAMPLES
from gateway.document.officer_examples import set_up_sample
from gateway.document.sample_operation import sample_operation
from gateway.document.sample_rows import NOW, own_trade, sample_projection
from gateway.office.officer_params import WHOLE_TEXT, is_wide, plain_type
from gateway.registry.authentication import Authenticator, new_hmac_key
from gateway.registry.registry import KeyOrder, Registry
from gateway.registry.vault import Vault
from gateway.sessions.actions import LargeReply, Reply, Submit
from gateway.sessions.method_table import METHODS
from gateway.sessions.session import Session
from gateway.sessions.shared_context import Context
from gateway.wire.decimals import Number
from gateway.wire.errors import MEANINGS
from gateway.wire.reasons import PUBLIC_REASONS
from gateway.wire.versions import API_VERSION
from gateway.wire.views import Outcome

_SCALARS = {"string": str, "integer": int, "number": float}
NUMBER = {
    "description": "a number or a string that holds one, read exactly",
    "oneOf": [{"type": "number"}, {"type": "string", "pattern": r"^\d{1,18}(\.\d{1,12})?([eE][+-]?\d{1,2})?$"}],
}


@lru_cache(maxsize=1)
def document() -> dict[str, Any]:
    """The whole document as one JSON object."""
    answers = worked_answers()
    return {
        "openrpc": "1.3.2",
        "info": {
            "title": "Lionrock trading API",
            "version": API_VERSION,
            "description": "JSON-RPC 2.0 over websocket at /ws/api/v2, over HTTP at /api/v2/<method> and POST /api/v2.",
        },
        "methods": [_method(name, answers.get(name)) for name in METHODS],
        "components": {"schemas": _schemas(answers), "errors": _errors()},
        "x-channels": CHANNELS,
        "x-reasons": {
            reason.name: {"number": int(reason), "meaning": meaning} for reason, (meaning, _) in PUBLIC_REASONS.items()
        },
        "x-binary": _binary(),
    }


@lru_cache(maxsize=1)
def text() -> bytes:
    """The document as JSON text."""
    with _unlogged():
        return json.dumps(document(), indent=1).encode()


@contextmanager
def _unlogged() -> Iterator[None]:
    """Keep what the sample's officers do out of the venue's log: nobody has done it."""
    thread, logger = threading.get_ident(), logging.getLogger("lionrock.office")

    def is_real(record: logging.LogRecord) -> bool:
        return record.thread != thread

    logger.addFilter(is_real)
    try:
        yield
    finally:
        logger.removeFilter(is_real)


# --- methods ------------------------------------------------------------------------------------------------------


def _method(name: str, answer: Any) -> dict[str, Any]:
    method = METHODS[name]
    params = EXAMPLES[name]
    return {
        "name": name,
        "summary": method.summary,
        "paramStructure": "by-name",
        "params": [_param(field) for field in msgspec.structs.fields(method.params)],
        "result": {"name": method.result, "schema": _result_schema(method.result)},
        "x-scope": method.scope or "none",
        "x-rate-limit": method.bucket,
        "examples": [
            {
                "name": name,
                "params": [{"name": key, "value": value} for key, value in params.items()],
                "result": {"name": method.result, "value": answer},
            }
        ],
    }


def _param(field: Any) -> dict[str, Any]:
    return {"name": field.encode_name, "required": field.required, "schema": type_schema(field.type)}


def type_schema(kind: Any) -> dict[str, Any]:
    """The JSON schema of a parameter's type."""
    if kind is Number:
        return NUMBER
    if get_origin(kind) in (Union, UnionType):
        choices = [part for part in get_args(kind) if part is not type(None)]
        if len(choices) > 1:
            return {"oneOf": [type_schema(part) for part in choices]}
    can_be_text = is_wide(kind)
    kind, text = plain_type(kind)
    if can_be_text:
        return {"description": text, "oneOf": [{"type": "integer"}, {"type": "string", "pattern": f"^{WHOLE_TEXT}$"}]}
    if text:
        return {"description": text, **type_schema(kind)}
    origin = get_origin(kind)
    if origin is Literal:
        return {"enum": list(get_args(kind))}
    if origin is list:
        return {"type": "array", "items": type_schema(get_args(kind)[0])}
    if origin is dict:
        return {"type": "object"}
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        fields = msgspec.structs.fields(kind)
        properties = {field.encode_name: type_schema(field.type) for field in fields}
        required = [field.encode_name for field in fields if field.required]
        return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return {"type": {str: "string", bool: "boolean", int: "integer"}[kind]}


def _result_schema(name: str) -> dict[str, Any]:
    if name.startswith("["):
        return {"type": "array", "items": _result_schema(name[1:-1])}
    if name == "nothing":
        return {"type": "null"}
    return {"type": name} if name in _SCALARS else {"$ref": f"#/components/schemas/{name}"}


def _schemas(answers: dict[str, Any]) -> dict[str, Any]:
    """The schema of each named result, from a real answer."""
    found: dict[str, Any] = {}
    for name, method in METHODS.items():
        kind, answer = method.result, answers.get(name)
        if kind.startswith("["):
            kind, answer = kind[1:-1], answer[0] if answer else None
        if kind not in _SCALARS and kind != "nothing" and kind not in found and answer is not None:
            found[kind] = shape(answer)
    return found


def shape(value: Any) -> dict[str, Any]:
    """The JSON schema of a value."""
    if isinstance(value, dict):
        return {"type": "object", "properties": {key: shape(item) for key, item in value.items()}}
    if isinstance(value, list):
        return {"type": "array", "items": shape(value[0])} if value else {"type": "array"}
    if isinstance(value, bool):
        return {"type": "boolean"}
    if isinstance(value, int | float):
        return {"type": "number"}
    return {"type": "string"} if isinstance(value, str) else {}


# --- worked calls -------------------------------------------------------------------------------------------------


def worked_answers() -> dict[str, Any]:
    """A real session's answers to the example calls, over sample rows."""
    with tempfile.TemporaryDirectory() as folder:
        registry = Registry(Path(folder) / "registry.db")
        try:
            return _play(registry, Vault(Path(folder) / "vault.key", registry))
        finally:
            registry.close()


def _play(registry: Registry, vault: Vault) -> dict[str, Any]:
    """A client and two officers, each in a session of their own; the second officer decides on what the first asks."""
    set_up_sample(registry)
    context, rows = Context(Authenticator(registry, vault), registry), sample_projection()
    sessions: dict[str, Session] = {}
    context.operation = sample_operation(registry.path.with_name("alerts.db"), sessions.values)
    keys = {
        name: _sample_key(registry, vault, name, slot, scopes)
        for name, slot, scopes in (
            ("sample", 0, ("read", "trade")), ("Ann", NIL, ("compliance", "admin")),
            ("Ben", NIL, ("compliance", "admin")),
        )
    }  # fmt: skip
    sessions |= {name: Session(context, rows, steady_ns=NOW) for name in keys}
    for session in sessions.values():
        session.serves_officers = True
    for name in ("Ann", "Ben"):
        _ask(sessions[name], "public/auth", {**EXAMPLES["public/auth"], **keys[name]})
    answers = {}
    for name, params in EXAMPLES.items():
        real = {**params, **keys["sample"]} if name == "public/auth" else params
        answers[name] = _ask(sessions[_who(name)], name, real)
    answers["public/auth"].update(access_token="ACCESS", refresh_token="REFRESH")
    return answers


def _who(method: str) -> str:
    if METHODS[method].scope not in ("compliance", "admin", "officer"):
        return "sample"
    return "Ben" if method.endswith(("/approve", "/reject")) else "Ann"


def _sample_key(registry: Registry, vault: Vault, name: str, slot: int, scopes: tuple[str, ...]) -> dict[str, str]:
    key = new_hmac_key(vault)
    person = registry.person(name, NOW)
    registry.add_key(KeyOrder(key.id, slot, person, "hmac", key.verifier, scopes, ""), NOW)
    return {"client_id": key.id, "client_secret": key.secret}


def _ask(session: Session, name: str, params: dict[str, Any]) -> Any:
    message = msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": name, "params": params})
    data: bytes | None = None
    for action in session.receive(message, NOW):
        if isinstance(action, Reply | LargeReply):
            data = action.data
        elif isinstance(action, Submit) and action.pending is not None:
            data = action.pending.complete(Outcome(order_id=77, count=1, trades=[own_trade()]), NOW)
    return json.loads(data)["result"] if data else None


# --- the rest -----------------------------------------------------------------------------------------------------


def _errors() -> dict[str, Any]:
    return {code.name.lower(): {"code": int(code), "message": text} for code, text in MEANINGS.items()}


def _binary() -> dict[str, Any]:
    """The fixed-size records of the binary sub-protocol, little-endian."""
    return {
        "subprotocol": "lionrock.binary.v1",
        "semantics_version": SEMANTICS_VERSION,
        "command_kinds": {kind.name: int(kind) for kind in CommandKind if 0 < kind < CommandKind.TIME},
        "event_kinds": {kind.name: int(kind) for kind in EventKind if 0 < kind < EventKind.NOTICE_FIRST},
        "records": {name: record_fields(dtype) for name, dtype in _RECORDS.items()},
    }


_RECORDS = {"COMMAND": COMMAND, "LABEL": LABEL, "EVENT": EVENT}


def record_fields(dtype: "np.dtype[Any]") -> list[dict[str, Any]]:
    """Name, offset, format and count of each field of a record."""
    rows = []
    for name in dtype.names or ():
        field = dtype.fields[name] if dtype.fields else None
        if field is None:
            continue
        base, count = (field[0].subdtype[0], field[0].shape[0]) if field[0].subdtype else (field[0], 1)
        rows.append({"name": name, "offset": field[1], "format": base.str.replace("|", ""), "count": count})
    return rows


def dtype_text(name: str) -> str:
    """A record's NumPy dtype as Python text."""
    parts = [
        f'    ("{row["name"]}", "{row["format"]}"' + (f", ({row['count']},))," if row["count"] > 1 else "),")
        for row in record_fields(_RECORDS[name])
    ]
    return "\n".join([f"{name} = np.dtype([", *parts, "])"])


def record_names() -> list[str]:
    """The records of the binary sub-protocol."""
    return list(_RECORDS)


