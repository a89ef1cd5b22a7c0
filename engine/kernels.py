"""How the engine's functions are compiled: once each, for arguments that their names give away, all in one piece.

A kernel's parameter that is called `s` is the state, `contract` a CONTRACT row and so on; every other parameter is an
int64. numba would optimise and emit each function with everything below it, again at each level; here a kernel's code
is only kept, and an entry links, optimises and emits all that it uses once. That cuts the cold start to a fraction.
"""

import inspect
from collections.abc import Callable
from typing import Any

from numba import njit, types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import LoweringPass, register_pass
from numba.core.typed_passes import NativeLowering
from numba.np.numpy_support import from_dtype

from engine import schema
from engine.units import JIT

_describe = types.Record.__repr__


def _remembered(record: Any) -> str:
    """A record type's text, made once: the compiler asks for that of the state, all columns, at every call."""
    text = record.__dict__.get("_text")
    if text is None:
        text = record.__dict__["_text"] = _describe(record)
    return str(text)


types.Record.__repr__ = _remembered

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


class _NoEnvironment:
    """Kernels raise nothing and touch no Python object, so they need no environment."""

    def set_env(self, name: str, env: Any) -> None:
        return None


class _Part(JITCodeLibrary):
    """The code of one kernel as it was lowered: neither optimised nor emitted, and without its callees."""

    codegen = _NoEnvironment()

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout

    def finalize(self) -> None:
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        self._ensure_finalized()
        return 0


class _Whole(JITCodeLibrary):
    """The code of an entry with every kernel that it reaches, optimised as one module."""

    _linking_libraries: list[Any]

    def finalize(self) -> None:
        reached: list[Any] = []
        waiting = list(self._linking_libraries)
        while waiting:
            library = waiting.pop()
            if library not in reached:
                reached.append(library)
                if isinstance(library, _Part):
                    waiting.extend(library._linking_libraries)
        self._linking_libraries = reached
        super().finalize()

    def _optimize_final_module(self) -> None:
        for function in self._final_module.functions:
            if not function.is_declaration and function.linkage.name == "linkonce_odr":
                function.linkage = "internal"
        super()._optimize_final_module()


def _pipeline(library_class: type[JITCodeLibrary]) -> type[CompilerBase]:
    @register_pass(mutates_CFG=True, analysis_only=False)
    class CreateLibrary(LoweringPass):
        _name = f"create_{library_class.__name__}"

        def __init__(self) -> None:
            LoweringPass.__init__(self)

        def run_pass(self, state: Any) -> bool:
            state.library = library_class(state.targetctx.codegen(), state.func_id.func_qualname)
            state.library.enable_object_caching()
            return True

    class Pipeline(CompilerBase):
        def define_pipelines(self) -> list[Any]:
            manager = DefaultPassBuilder.define_nopython_pipeline(self.state)
            for place, (step, _description) in enumerate(manager.passes):
                if step is NativeLowering:
                    manager.passes.insert(place, (CreateLibrary, "create the code library"))
                    break
            manager.finalize()
            return [manager]

    return Pipeline


_PART_PIPELINE = _pipeline(_Part)
_WHOLE_PIPELINE = _pipeline(_Whole)


def _compile_once(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    """A dispatcher that compiles its one signature when it is first needed."""
    options = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True, **options}
    dispatcher = njit(pipeline_class=_PART_PIPELINE, **options)(function)
    signature = tuple(_TYPES.get(name, types.int64) for name in inspect.signature(function).parameters)
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
    """A small kernel on the path of every order: its body is put where it is called."""
    return _compile_once(function, {"forceinline": True}) if JIT else function


def entry(function: Callable[..., Any]) -> Any:
    """A function that Python calls: compiled with every kernel that it reaches, and kept in the cache on disk."""
    if not JIT:
        return function
    return njit(pipeline_class=_WHOLE_PIPELINE, error_model="numpy", no_cfunc_wrapper=True, cache=True)(function)
