"""Changes about suspected abuse, under the scope compliance: the plan of each."""

from engine.codes import CommandKind
from gateway.office import officer_params as m
from gateway.office.changes.plan import Lookup, Plan
from gateway.registry.registry import Intent
from gateway.surveillance import thresholds


def set_surveillance_threshold(lookup: Lookup, params: m.SetSurveillanceThreshold) -> Plan:
    """One threshold of surveillance, for everything that is looked at from then on."""
    thresholds.check(params.threshold, params.value)
    number = thresholds.NUMBERS[params.threshold]
    return Plan([Intent(CommandKind.VENUE_SET, int(thresholds.CODE), item=number, value=params.value)])
