"""What lies beside the journal in a data folder: opened, and refused in one line, before the journal is.

Registry, vault and alerts are checked here. `scrub` looks at the rest of a large registry, beside trading.
"""

import logging
import stat
from collections.abc import Iterator
from pathlib import Path

from engine import disk, host
from gateway.config import Config
from gateway.registry.errors import RegistryError
from gateway.registry.registry import Registry
from gateway.registry.vault import Vault
from gateway.surveillance.store import AlertStore, file_of

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_TOLD = 3
"""How many names a warning lists."""
_LOG = logging.getLogger("lionrock.venue")


def open_side_files(config: Config) -> tuple[Registry, Vault]:
    """The registry and the vault of a data folder, made for a new one. RegistryError or AlertError names the file."""
    folder = Path(config.data)
    disk.make_folder(folder)
    warning = readable_by_others(folder, [Path(config.tls_key)] if config.tls_key else [])
    if warning:
        _LOG.warning("%s", warning)
    if host.holds_journal(config.journal) and not config.registry.exists():
        raise RegistryError(f"{config.registry}: it is missing, and there is a journal; restore the whole data folder")
    if file_of(folder).exists():
        AlertStore(file_of(folder)).close()
    registry = Registry(config.registry)
    try:
        return registry, Vault(config.vault, registry)
    except BaseException:
        registry.close()
        raise


def readable_by_others(folder: Path, keys: list[Path]) -> str:
    """A warning with its remedy when others than its owner may use the folder, a file in it or a key; or nothing."""
    if folder.stat().st_mode & _OTHERS:
        places = [folder, *(place for place in _inside(folder) if place.lstat().st_mode & _OTHERS)]
    else:
        places = []  # nobody else gets into it
    places += [key for key in keys if key.exists() and key.stat().st_mode & _OTHERS]
    if not places:
        return ""
    more = f" and {len(places) - _TOLD} more" if len(places) > _TOLD else ""
    named = ", ".join(f"{place} ({stat.S_IMODE(place.stat().st_mode):04o})" for place in places[:_TOLD])
    remedy = " ".join(str(place) for place in (folder, *keys) if place in places)
    return f"others on this machine can use {named}{more}; close it: chmod -R go= {remedy}"


def _inside(folder: Path) -> Iterator[Path]:
    for place in sorted(folder.iterdir()):
        if not place.is_symlink():
            yield place
            if place.is_dir():
                yield from sorted(inner for inner in place.iterdir() if not inner.is_symlink())
