"""Persons with an identity, as a venue with officers demands it."""

from pathlib import Path

from gateway.index_feeds.sources import parse_sources
from gateway.office.changes.index_sources import source_intents
from gateway.registry import identities
from gateway.registry.registry import Registry


def document(number):
    """An identity as it is kept, of a made-up document."""
    return f"passport HK {number:064x}"


def bind_all(registry: Registry, now_ns=0):
    """Bind every person who holds a key to a document of its own."""
    for (person,) in registry.all("SELECT DISTINCT person FROM keys ORDER BY person"):
        if not identities.is_bound(registry, person):
            identities.bind(registry, person, document(person), 0, now_ns)


def scripted_sources(registry: Registry, price="20000", now_ns=0):
    """Have the log name a scripted index for every contract, as officers would."""
    for record in registry.contracts():
        registry.add_intents(source_intents(record.slot, parse_sources(f"scripted:{price}", "sources"))[:3], now_ns)


def identity_file(folder, name, number=None):
    """A file with a made-up document of a person."""
    path = folder / f"{name.lower().replace(' ', '-')}.identity"
    path.write_text(f"passport HK {number or 'K' + format(sum(name.encode()) * 7919 % 10**7, '07d')}\n")
    return str(path)


def officer_words(*named):
    """The words of `lionrock admin init` for (name, key file), each with a made-up document in a file beside it."""
    words = []
    for name, file in named:
        folder = Path(file).parent
        words += ["--officer", name, str(file), identity_file(folder, name) if folder.is_dir() else "nowhere"]
    return words
