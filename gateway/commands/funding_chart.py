"""The settlements that `lionrock funding audit` recomputed, as a chart: mark, rate and payments of each contract."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from engine.recordings.batches import ContractSpec
from engine.recordings.charts import TIME, Chart, Curve, Panel
from engine.units import PPB, SUBTICKS

MOST_CONTRACTS = 8
"""A chart shows the settlements of so many contracts at most, unless one is named."""
_PERCENT = 100 / PPB
_MICROS = 1_000_000


@dataclass
class Settlement:
    """One interval's end: what stands on the stream, the rate that follows from its inputs, and what payers paid."""

    time_ns: int
    mark_subticks: int
    average_ppb: int
    rate_ppb: int
    computed_ppb: int
    paid_micros: int = 0


Settlements = Mapping[int, Sequence[Settlement]]
"""By the contract's slot."""


def spec_of(specs: Sequence[ContractSpec], slot: int) -> ContractSpec:
    """A contract as the registry beside the journal names it; without one its price is in ticks."""
    return specs[slot] if slot < len(specs) else ContractSpec(f"C{slot}")


def chosen(settled: Settlements, specs: Sequence[ContractSpec], instrument: str) -> list[int]:
    """The slots to draw: of the contract that is named, or the first ones. ValueError for a name that is none's."""
    if not instrument:
        return sorted(settled)[:MOST_CONTRACTS]
    slots = [slot for slot in settled if spec_of(specs, slot).name == instrument]
    if not slots:
        names = ", ".join(spec_of(specs, slot).name for slot in sorted(settled)) or "none"
        raise ValueError(f"--instrument {instrument}: no contract with a settlement in this journal; they are {names}")
    return slots


def chart_of(settled: Settlements, specs: Sequence[ContractSpec], slots: Sequence[int], title: str) -> Chart:
    """Three panels for each contract: prices in its own decimals, rates in per cent, payments in money."""
    panels = [panel for slot in slots for panel in _panels(spec_of(specs, slot), settled[slot], slot < len(specs))]
    return Chart(title, tuple(panels))


def _panels(spec: ContractSpec, settled: Sequence[Settlement], is_known: bool) -> list[Panel]:
    tick = Decimal(spec.tick)
    decimals = max(0, -int(tick.normalize().as_tuple().exponent))
    currency = spec.name.partition("_")[2].partition("-")[0] or "of the settlement currency"
    times = [one.time_ns for one in settled]
    marks = [one.mark_subticks / SUBTICKS * float(tick) for one in settled]
    rates = [one.rate_ppb * _PERCENT for one in settled]
    wrong = [one for one in settled if one.rate_ppb != one.computed_ppb]
    curves = [
        Curve("rate", times, rates, "dots"),
        Curve("average premium", times, [one.average_ppb * _PERCENT for one in settled]),
    ]
    if wrong:
        computed = [one.computed_ppb * _PERCENT for one in wrong]
        curves.append(Curve("from its inputs, where it differs", [one.time_ns for one in wrong], computed, "points"))
    paid = Curve("paid", times, [one.paid_micros / _MICROS for one in settled], "dots")
    price = f"{spec.name}: mark" if is_known else f"{spec.name}: mark, ticks"
    return [
        Panel(price, (Curve("mark", times, marks, "dots"),), TIME, decimals=decimals),
        Panel(f"{spec.name}: funding, % of the value", tuple(curves), TIME, weight=2),
        Panel(f"{spec.name}: paid at a settlement, {currency}", (paid,), TIME, from_zero=True),
    ]
