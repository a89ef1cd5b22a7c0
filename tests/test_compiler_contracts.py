"""What is taken for granted of the inside of the compiler: each test says what an upgrade of numba would break.

numba promises none of this, so the package pins its version; see also `test_library_contracts`.
"""

import re

import numba
import numpy as np
import pytest
from numba.core import event
from numba.core.compiler import DefaultPassBuilder
from numba.core.typed_passes import NativeLowering
from numba.np.numpy_support import from_dtype

from engine import kernels, row_access, schema, units
from gateway.wire import byte_kernels

pytestmark = pytest.mark.skipif(not units.JIT, reason="nothing is compiled with the JIT off")

# --- numba's compiler: engine/kernels.py --------------------------------------------------------------------------


@kernels.inlined
def _price(level):
    return level.price_ticks


@kernels.rare
def _seldom(level, amount):
    level.leaves_lots -= amount
    return level.leaves_lots


@kernels.kernel
def _put(level, amount):
    if units.unlikely(amount < 0):
        return _seldom(level, amount)
    level.leaves_lots += amount
    return level.leaves_lots * _price(level)


def _total(levels, amount):
    found = 0
    for place in range(levels.size):
        found += _put(levels[place], amount)
    return found


del kernels.KERNELS[-3:]  # the engine's own are counted


class Compiled:
    """`_total`, compiled anew into a cache of its own."""

    def __init__(self, folder, pipelines):
        self.folder, self.pipelines, self.events = folder, pipelines, event.RecordingListener()
        self.levels = np.zeros(3, schema.LEVEL)
        self.levels["price_ticks"] = 7
        with event.install_listener("numba:compile", self.events):
            self.entry = kernels.entry(_total)
            self.result = self.entry(self.levels, 2)
        self.whole = self.entry.overloads[self.entry.signatures[0]].library
        self.part = _put.overloads[_put.signatures[0]].library


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    folder, define, managers = tmp_path_factory.mktemp("cache"), DefaultPassBuilder.define_nopython_pipeline, []

    def defined(state, name="nopython"):
        manager = define(state, name)
        managers.append([step for step, _ in manager.passes])
        return manager

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numba.config, "CACHE_DIR", str(folder))
        patch.setattr(DefaultPassBuilder, "define_nopython_pipeline", defined)
        yield Compiled(folder, managers)


def signature_of(dispatcher):
    [signature] = dispatcher.signatures
    return signature


def test_the_pipeline_has_one_step_that_lowers(compiled):
    """kernels._pipeline puts its own two steps in the place of NativeLowering.

    If that step goes or gets another name, every kernel is compiled as numba would by itself: optimised and emitted
    with all that it calls, again at each level, so that the cold start takes many times as long.
    """
    assert [steps.count(NativeLowering) for steps in compiled.pipelines] == [1] * 4
    assert isinstance(compiled.part, kernels._Part) and isinstance(compiled.whole, kernels._Whole)


def test_a_kernel_is_kept_as_it_was_lowered(compiled):
    """kernels._Part switches off the optimiser and the emitter of a code library by overriding three methods.

    If numba no longer calls them, each kernel is optimised and emitted by itself, and the cold start is slow.
    """
    text = str(compiled.part._final_module)
    assert "= alloca " in text and re.search(r"declare .*_seldom", text)
    assert compiled.part.get_pointer_to_function(signature_of(_put)) == 0
    assert compiled.result == 3 * 2 * 7


def test_an_entry_is_optimised_with_all_that_it_reaches(compiled):
    """kernels._Whole links every library reached, makes its functions internal and optimises them as one module.

    If `_linking_libraries`, `_final_module` or the hook of the optimiser change, calls between kernels stay calls and
    the engine loses most of its speed, or does not link.
    """
    text = compiled.whole.get_llvm_str()
    assert not re.search(r"declare .*(_price|_put|_seldom)", text)
    assert not re.search(r"define .*(_price|_put)", text)
    assert re.search(r"define internal .*_seldom", text)


def test_attributes_stay_with_the_function_that_they_were_put_on(compiled):
    """kernels._compile_once puts `cold` and `noinline` on a kernel's function in its module, found by its LLVM name.

    If the name or the module is another one, what is seldom used is laid out in the middle of what is always used.
    """
    text = compiled.whole.get_llvm_str()
    group = re.search(r"define internal .*_seldom.* #(\d+) ", text)[1]
    attributes = re.search(rf"attributes #{group} = {{(.*)}}", text)[1].split()
    assert {"cold", "noinline"} <= set(attributes)


def test_loads_and_stores_are_tagged_with_their_field(compiled):
    """kernels._TaggedLower overrides `lower_expr` and `lower_inst` and finds the load or store just written.

    If numba lowers a field's access otherwise, the tags are missing or on the wrong instruction. Missing, the
    optimiser must read rows again after each store; on the wrong one it may move a load past a store: wrong results.
    """
    for dispatcher, field, offset, count in ((_put, "leaves_lots", "8", 3), (_price, "price_ticks", "0", 1)):
        text = str(dispatcher.overloads[signature_of(dispatcher)].library._final_module)
        node = re.search(rf'!(\d+) = !{{!"LEVEL.{field}"', text)[1]
        tag = re.search(rf"!(\d+) = !{{!{node}, !{node}, i64 0}}", text)[1]
        accesses = re.findall(r"(?:load|store) .*ptr (%[\w.]+), align \d+(?:, !tbaa !(\d+))?\n", text)
        casts = dict(re.findall(r"(%[\w.]+) = bitcast ptr (%[\w.]+) to ptr", text))
        offsets = dict(re.findall(r"(%[\w.]+) = getelementptr inbounds .*, i32 0, i32 (\d+)", text))
        tagged = [place for place, its_tag in accesses if its_tag]
        assert tagged == [place for place, _ in accesses if place in casts] and len(tagged) == count
        assert {its_tag for _, its_tag in accesses if its_tag} == {tag}
        assert {offsets[casts[place]] for place in tagged} == {offset}
    assert '"LEVEL.leaves_lots"' in compiled.whole.get_llvm_str()


def test_a_place_for_a_result_is_not_cleared_before_the_call(compiled):
    """kernels._TaggedLower.lower_normal_function takes out the store of zero to what a call is about to fill.

    It takes the first argument of each call for that place. If numba passes results otherwise, the stores come back,
    or a store that is needed goes.
    """
    text = str(compiled.part._final_module)
    filled = set(re.findall(r"call i32 @_ZN\S+\(ptr (%[\w.]+),", text))
    cleared = set(re.findall(r"store \S+ (?:0|null), ptr (%[\w.]+),", text))
    assert len(filled) == 2 and cleared and not filled & cleared


@kernels.part
def _first(arrays):
    levels, _ = arrays
    return levels[0]


def _sum_of(arrays):
    return _first(arrays).price_ticks + len(arrays[1])


def _copied(levels):
    return len(levels.copy())


def test_references_to_arrays_are_not_counted(monkeypatch, tmp_path):
    """kernels._SETTLED gives `_nrt` to everything that is compiled, an option that numba documents nowhere.

    If it goes, each array out of a tuple costs two locked instructions: 40 % more for a replay with books. What would
    allocate must not compile, since nobody would free it.
    """
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    counted, copied = kernels.entry(_sum_of), kernels.entry(_copied)
    levels = np.zeros(3, schema.LEVEL)
    levels["price_ticks"] = 7
    assert counted((levels, levels[:2])) == 7 + 2
    assert not re.search("NRT_(inc|dec)ref", counted.overloads[counted.signatures[0]].library.get_llvm_str())
    with pytest.raises(numba.core.errors.NumbaError, match="NRT required"):
        copied(levels)


def test_an_entry_is_loaded_from_the_cache_on_disk(compiled):
    """An entry's library keeps its object code (`enable_object_caching`), and numba finds it in NUMBA_CACHE_DIR.

    If a library of our own class is no longer stored or loaded, every start compiles the engine for minutes.
    """
    assert list(compiled.folder.rglob("*.nbi")) and list(compiled.folder.rglob("*.nbc"))
    again = kernels.entry(_total)
    assert again(compiled.levels, 0) == 3 * 2 * 7
    assert sum(again.stats.cache_hits.values()) == 1 and not again.stats.cache_misses


def test_a_kernel_is_compiled_once_for_the_types_that_its_names_say(compiled):
    """kernels._compile_once replaces a dispatcher's `get_call_template`, which numba asks when it types a call.

    If it asks something else, kernels are compiled for whatever types they are called with.
    """
    assert [str(kind) for kind in signature_of(_put)][1:] == ["int64"]
    assert signature_of(_put)[0] == from_dtype(schema.LEVEL)
    assert not _put._can_compile


def test_compiling_says_when_it_has_ended(compiled):
    """host.warm_up counts the events `numba:compile` for the progress of a first start."""
    assert sum(happened.is_end for _, happened in compiled.events.buffer) == 4


def test_the_text_of_a_record_type_is_made_once():
    """kernels puts the text of a record type into its `__dict__`: numba asks for it at every call.

    If it is no longer asked through `__repr__`, or a record type has no `__dict__`, calls of entries get slow.
    """
    level = from_dtype(schema.LEVEL)
    assert repr(level) is repr(level) and repr(level) == kernels._describe(level)


def test_the_code_of_an_entry_can_be_called_without_its_dispatcher(compiled):
    """kernels.direct calls `entry_point` of an overload with arguments of exactly its types."""
    call = kernels.direct(compiled.entry, compiled.levels, 1)
    assert call(compiled.levels, 0) == 3 * 2 * 7


# --- LLVM's intrinsics: engine/units.py, engine/row_access.py, gateway/wire/byte_kernels.py -------------------

_level_at = row_access.reader(schema.LEVEL)


def _operations(address, left, right):
    """Every intrinsic on two numbers and a row; the last results come out of the row at the address."""
    level = _level_at(address, 1)
    units.prefetch(level)
    return (
        units.wrapping_mul(left, right), units.lowest_bit(left), units.highest_bit(left), units.below(right, left),
        units.mul_high(left, right), units.product_less(left, right, right, right), level.price_ticks,
    )  # fmt: skip


@kernels.kernel
def _flags(taker):
    return taker.flags


def _seen(address, elsewhere):
    """Reads a field again after a prefetch; the row that stands in registers is read by a kernel."""
    level, taker = _level_at(address, 0), row_access.passing_taker()
    taker.flags = 7
    found = level.price_ticks
    units.prefetch(_level_at(elsewhere, 0))
    return found + level.price_ticks + _flags(taker)


del kernels.KERNELS[-1:]


def _bytes(out, text):
    byte_kernels.copy_block(out, 1, text, 2)
    byte_kernels.store_word(out, 40, units.load_word(text, 3))


def test_a_row_in_registers_takes_no_memory_and_a_prefetch_makes_nothing_be_read_again(tmp_path, monkeypatch):
    """LLVM keeps the row of `passing_taker` in registers while only functions that it inlines are given it.

    If that ends, or an `llvm.prefetch`, which is tagged, counts as a change of memory, each order writes its row to the
    stack and reads its fields again after each event.
    """
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    entry, levels = kernels.entry(_seen), np.zeros(2, schema.LEVEL)
    levels["price_ticks"] = 7
    assert entry(row_access.address_of(levels), row_access.address_of(levels)) == 2 * 7 + 7
    text = entry.overloads[entry.signatures[0]].library.get_llvm_str()
    body = re.search(r"define [^\n]*(?<!cpython)\d_seen[^\n]*{.*?\n}", text, re.DOTALL)[0]
    assert len(re.findall(r" = load i64,", body)) == 1 and "alloca" not in body
    assert re.search(r"call void @llvm.prefetch.p0\(.*!tbaa", body)


_position_at, _event_at = row_access.reader(schema.POSITION), row_access.reader(schema.EVENT)


def _told(position_address, event_address):
    """Two fields that stand side by side are copied to two that do."""
    position, event = _position_at(position_address, 0), _event_at(event_address, 0)
    event.position_lots = row_access.size_lots_of(position)
    event.entry_cost_micros = position.entry_cost_micros


def test_a_field_that_was_just_stored_is_read_by_itself(tmp_path, monkeypatch):
    """`row_access._alone` reads by a load that LLVM may not widen, since it is atomic, and may still leave out.

    If LLVM reads it together with the field beside it, each event waits until the cache has what was just stored.
    """
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    entry, positions, events = kernels.entry(_told), np.zeros(1, schema.POSITION), np.zeros(1, schema.EVENT)
    positions["size_lots"], positions["entry_cost_micros"] = -5, 7
    entry(row_access.address_of(positions), row_access.address_of(events))
    assert (events["position_lots"][0], events["entry_cost_micros"][0]) == (-5, 7)
    text = entry.overloads[entry.signatures[0]].library.get_llvm_str()
    body = re.search(r"define [^\n]*(?<!cpython)\d_told[^\n]*{.*?\n}", text, re.DOTALL)[0]
    assert re.search(r"load atomic i64, ptr .* unordered, align 8, !tbaa", body) and "x i64>" not in body


def test_llvm_intrinsics_do_what_their_names_say():
    """The engine writes LLVM's intrinsics by name and its instructions by llvmlite's builder.

    If llvmlite renames a method, or LLVM an intrinsic (`llvm.prefetch.p0`, `llvm.expect.i1`), it does not compile or
    not link; if the meaning of a flag changes, results do.
    """
    levels = np.zeros(2, schema.LEVEL)
    levels["price_ticks"] = 5, 77
    left, right = -(5 << 60), 3 << 61
    operations = numba.njit(error_model="numpy")(_operations)
    low = (left * right & (1 << 64) - 1) - (1 << 64)
    assert operations(row_access.address_of(levels), left, right) == (
        low if low >= -(1 << 63) else low + (1 << 64), 60, 63, True, left * right >> 64, True, 77,
    )  # fmt: skip
    assert "llvm.prefetch.p0" in operations.inspect_llvm(operations.signatures[0])
    out, text = np.zeros(64, np.uint8), np.arange(64, dtype=np.uint8)
    numba.njit(_bytes)(out, text)
    assert out[1:33].tolist() == list(range(2, 34)) and out[40:48].tolist() == list(range(3, 11))
    assert out.sum() == sum(range(2, 34)) + sum(range(3, 11))
