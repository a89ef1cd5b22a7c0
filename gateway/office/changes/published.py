"""What the venue publishes to its clients: the texts of disclosures."""

from gateway.office import disclosures
from gateway.office import evidence_params as m
from gateway.office.changes.plan import Lookup, Plan
from gateway.office.professional_investor import read_date
from gateway.registry.registry import Record, RegistryError


def publish_disclosure(lookup: Lookup, params: m.PublishDisclosure) -> Plan:
    """A disclosure's text in a new version, which contracts may require from a day on; it is never changed."""
    first = read_date(params.effective_from, "effective_from") if params.effective_from else lookup.today
    if first < lookup.today:
        raise RegistryError(f"effective_from: {first} is past; today is {lookup.today} in Hong Kong")
    known = disclosures.texts(lookup.registry, params.disclosure)
    if known and params.version <= known[-1].version:
        raise RegistryError(f"version: {params.version} is not above {known[-1].version}, the last that was published")
    sha256 = disclosures.sha256_of(params.text)
    same = next((text for text in known if text.sha256 == sha256), None)
    if same is not None:
        raise RegistryError(f"text: it is that of version {same.version}; a new version has a new text")
    text = disclosures.Text(params.disclosure, params.version, sha256, first, params.text)
    details = {
        "disclosure": text.disclosure, "version": text.version, "text_sha256": sha256, "effective_from": str(first),
    }  # fmt: skip
    write = lambda: disclosures.publish(lookup.registry, text, lookup.now_ns)  # noqa: E731
    return Plan(records=[Record("disclosure_text", details=details)], writes=[write], loosens=True)
