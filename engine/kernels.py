"""How the engine's functions are compiled: once each, for types that the parameters' names tell, all in one piece.

A kernel's parameter that is called `s` is the state, `contract` a CONTRACT row and so on; every other parameter is an
int64. numba would optimise and emit each function with everything below it, again at each level; here a kernel's code
is only kept, and an entry links, optimises and emits all that it uses once. That cuts the cold start to a fraction.
What a what-if question reaches is compiled once more, for an `s` that is an overlay of the state (`overlay`).
"""

import inspect
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from llvmlite import binding as llvm
from llvmlite import ir
from llvmlite.ir import CallInstr, LoadInstr, StoreInstr
from numba import config, njit, typeof, types
from numba.core import ir as numba_ir
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import LoweringPass, register_pass
from numba.core.lowering import Lower
from numba.core.typed_passes import BaseNativeLowering, NativeLowering
from numba.np.numpy_support import from_dtype

from engine import overlay, schema
from engine.units import JIT, alias_tag

for _limit in (
    "memdep-block-scan-limit",
    "memssa-check-limit",
    "dse-memoryssa-scanlimit",
    "dse-memoryssa-walklimit",
    "dse-memoryssa-path-check-limit",
):
    llvm.set_option("", f"-{_limit}=2000")
"""How far the optimiser looks for an earlier load or store of the same field: an order's path is longer than usual."""
llvm.set_option("", "-slp-threshold=1")
"""By how many instructions a store of several fields at once has to be shorter, as the optimiser reckons."""

_describe = types.Record.__repr__


def _remembered(record: Any) -> str:
    """A record type's text, made once: the compiler asks for the state's, with all its columns, at every call."""
    text = record.__dict__.get("_text")
    if text is None:
        text = record.__dict__["_text"] = _describe(record)
    return str(text)


types.Record.__repr__ = _remembered

_SETTLED = {"error_model": "numpy", "_nrt": False}
"""A division by zero raises nothing. Nothing that is compiled here allocates, so references to arrays are not counted:
whoever calls an entry holds its arrays. To count would take two locked instructions for each array out of a tuple.
"""

KERNELS: list[Any] = []
"""Every kernel in the order of definition, callees first."""

_RECORDS = {
    "s": schema.STATE,
    "c": schema.COMMAND,
    "after": schema.COMMAND,
    "amend": schema.COMMAND,
    "cancel": schema.COMMAND,
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
    "terms": schema.TERMS,
    "sums": schema.COUNT,
}


@cache
def record_type(dtype: np.dtype[Any]) -> Any:
    """The compiler's type of rows with this layout, made once: the state's takes milliseconds."""
    return from_dtype(dtype)


_TYPES = {name: record_type(dtype) for name, dtype in _RECORDS.items()} if JIT else {}
OVERLAY_TYPE = record_type(overlay.OVERLAY) if JIT else None
"""The type of `s` where a kernel works on an overlay of the state: the same source is then compiled once more."""
_DTYPES = {name: dtype for name, dtype in vars(schema).items() if isinstance(dtype, np.dtype)}
_LAYOUTS = {record_type(dtype): name for name, dtype in _DTYPES.items()} if JIT else {}


def _is_null(value: Any) -> bool:
    return isinstance(value, ir.Constant) and value.constant in (None, 0)


class _TaggedLower(Lower):
    """Lowering that names the field of a record that each load and store is about.

    Two fields never overlap, nor do rows of two layouts, so the compiler need not load the others again after a store
    to one. No kernel writes one row under two layouts. The fields of the two sides count as one: see
    `row_access.of_side`.
    """

    def lower_expr(self, resty: Any, expr: Any) -> Any:
        value = super().lower_expr(resty, expr)
        if expr.op == "getattr" and isinstance(value, LoadInstr) and isinstance(resty, types.Integer):
            self._tag(value, self.typeof(expr.value.name), expr.attr)
        return value

    def lower_inst(self, inst: Any) -> None:
        super().lower_inst(inst)
        if isinstance(inst, numba_ir.SetAttr):
            store = self.builder.block.instructions[-1]
            if isinstance(store, StoreInstr):
                self._tag(store, self.typeof(inst.target.name), inst.attr)

    def lower_normal_function(self, fndesc: Any) -> None:
        """Without the stores that clear a call's result before the call: a kernel always returns something."""
        super().lower_normal_function(fndesc)
        blocks = self.function.blocks
        calls = [item for block in blocks for item in block.instructions if isinstance(item, CallInstr) and item.args]
        results = {id(call.args[0]) for call in calls}
        for block in blocks:
            block.instructions[:] = [
                item
                for item in block.instructions
                if not (isinstance(item, StoreInstr) and id(item.operands[1]) in results and _is_null(item.operands[0]))
            ]

    def _tag(self, access: Any, owner: Any, field: str) -> None:
        layout = _LAYOUTS.get(owner)
        if layout is None:
            return
        field = schema.SELLS.get(field, field)
        whole = f"{layout}.style" if field in ("side", "ord_type", "tif", schema.STYLES.get(layout)) else None
        access.set_metadata("tbaa", alias_tag(self.builder.module, f"{layout}.{field}", whole))


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
        first, builder = self._codegen._module_pass_manager(opt=0, cost="cheap")
        first.run(self._final_module, builder)
        tuning = llvm.create_pipeline_tuning_options(config.OPT)
        tuning.slp_vectorization = True  # fields side by side are written at once
        tuning.loop_unrolling = False  # loops are short, and short code stays in the instruction cache
        builder = llvm.create_pass_builder(self._codegen._tm, tuning)
        manager = builder.getModulePassManager()
        manager.add_refprune_pass()
        manager.run(self._final_module, builder)


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

    @register_pass(mutates_CFG=True, analysis_only=False)
    class TaggedLowering(BaseNativeLowering):
        _name = f"tagged_lowering_{library_class.__name__}"

        @property
        def lowering_class(self) -> type[Lower]:
            return _TaggedLower

    class Pipeline(CompilerBase):
        def define_pipelines(self) -> list[Any]:
            manager = DefaultPassBuilder.define_nopython_pipeline(self.state)
            for place, (step, _description) in enumerate(manager.passes):
                if step is NativeLowering:
                    manager.passes[place : place + 1] = [
                        (CreateLibrary, "create the code library"),
                        (TaggedLowering, "lower with tags"),
                    ]
                    break
            manager.finalize()
            return [manager]

    return Pipeline


PART_PIPELINE = _pipeline(_Part)
"""How a kernel is compiled that only others call: lowered and kept, optimised by the entry that reaches it."""
_WHOLE_PIPELINE = _pipeline(_Whole)


def _compile_once(function: Callable[..., Any], options: dict[str, Any], attributes: Sequence[str] = ()) -> Any:
    """A dispatcher that compiles its signature when it is first needed; LLVM's attributes go onto its function.

    There is one signature for the state itself and one for an overlay of it.
    """
    settled = _SETTLED | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    options = settled | {"forceinline": False} | options  # explicit, or the caller's would be inherited
    declared = inspect.signature(function)
    function.__signature__ = declared  # type: ignore[attr-defined]  # the compiler asks three times
    dispatcher = njit(pipeline_class=PART_PIPELINE, **options)(function)
    names = declared.parameters
    usual = tuple(_TYPES.get(name, types.int64) for name in names)
    resolve = dispatcher.get_call_template

    def get_call_template(args: Any, kws: Any) -> Any:
        signature = usual
        if OVERLAY_TYPE in args:
            signature = tuple(OVERLAY_TYPE if name == "s" else known for name, known in zip(names, usual, strict=True))
        if signature not in dispatcher.overloads:
            dispatcher.disable_compile(False)
            dispatcher.compile(signature)
            dispatcher.disable_compile()
            compiled = dispatcher.overloads[signature]
            function = compiled.library._final_module.get_function(compiled.fndesc.llvm_func_name)
            for attribute in attributes:
                function.add_function_attribute(attribute)
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


def apart(function: Callable[..., Any]) -> Any:
    """A kernel that stays a function of its own: the compiler takes minutes over a loop that holds the whole engine."""
    return _compile_once(function, {}, ("noinline",)) if JIT else function


def rare(function: Callable[..., Any]) -> Any:
    """A kernel off the path of most commands: out of line, and what leads to it is laid out as unlikely."""
    return _compile_once(function, {}, ("cold", "noinline")) if JIT else function


def entry(function: Callable[..., Any]) -> Any:
    """A function that Python calls: compiled with every kernel that it reaches, and kept in the cache on disk."""
    if not JIT:
        return function
    return njit(pipeline_class=_WHOLE_PIPELINE, **_SETTLED, no_cfunc_wrapper=True, cache=True)(function)


def unlocked(function: Callable[..., Any]) -> Any:
    """An entry that gives the interpreter's lock away while it runs: for a thread of its own."""
    if not JIT:
        return function
    return njit(pipeline_class=_WHOLE_PIPELINE, **_SETTLED, no_cfunc_wrapper=True, cache=True, nogil=True)(function)


def part(function: Callable[..., Any]) -> Any:
    """A compiled function of the gateway that only entries call: its code is kept for the entry that reaches it."""
    if not JIT:
        return function
    options = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return njit(pipeline_class=PART_PIPELINE, **_SETTLED, **options)(function)


def direct(function: Any, *like: Any) -> Any:
    """The code of an entry for arguments of the same types as `like`: calling it skips the check of their types."""
    if not JIT:
        return function
    signature = tuple(typeof(argument) for argument in like)
    function.compile(signature)
    return function.overloads[signature].entry_point


def code_at(function: Any, *like: Any) -> int:
    """Where the machine code of an entry lies, for arguments of the same types as `like`: compiled code calls it there.

    An entry that called another by name would hold a second copy of all that this one reaches.
    """
    if not JIT:
        return 0
    signature = tuple(typeof(argument) for argument in like)
    function.compile(signature)
    compiled = function.overloads[signature]
    return int(compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name))
