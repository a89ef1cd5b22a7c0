"""How the engine's functions are compiled: once each, for arguments that their names give away.

A kernel's parameter that is called `s` is the state, `contract` a CONTRACT row and so on; every other parameter is an
int64. So each function is compiled exactly once, whatever widths the columns have that it is called with.
"""

import inspect
from collections.abc import Callable
from typing import Any

from numba import njit, types
from numba.np.numpy_support import from_dtype

from engine import schema
from engine.units import JIT

KERNELS: list[Any] = []
"""Every kernel in the order of definition, callees first."""

_RECORDS = {
    "s": schema.STATE,
    "c": schema.COMMAND,
    "d": schema.DIRECTIVE,
    "label": schema.LABEL,
    "event": schema.EVENT,
    "contract": schema.CONTRACT,
    "account": schema.ACCOUNT,
    "position": schema.POSITION,
    "order": schema.ORDER,
    "detail": schema.DETAIL,
    "level": schema.LEVEL,
    "ladder_row": schema.LADDER,
    "table": schema.IDMAP,
    "job": schema.JOB,
    "taker": schema.TAKER,
}
_TYPES = {name: from_dtype(dtype) for name, dtype in _RECORDS.items()} if JIT else {}


def _compile_once(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    """A dispatcher that compiles its one signature when it is first needed."""
    dispatcher = njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True, **options)(function)
    names = inspect.signature(function).parameters
    signature = tuple(_TYPES.get(name, types.int64) for name in names)
    resolve = dispatcher.get_call_template

    def get_call_template(args: Any, kws: Any) -> Any:
        if not dispatcher.overloads:
            dispatcher.compile(signature)
            dispatcher.disable_compile()
        return resolve(args, kws)

    dispatcher.get_call_template = get_call_template
    KERNELS.append(dispatcher)
    return dispatcher


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function of the engine, for calls from other kernels."""
    return _compile_once(function, {}) if JIT else function


def inlined(function: Callable[..., Any]) -> Any:
    """A kernel on the path of every order: its body is put where it is called."""
    return _compile_once(function, {"forceinline": True}) if JIT else function
