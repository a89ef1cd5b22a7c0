"""Reads a person's identity where no shell history and no list of processes sees it: file, standard input or prompt."""

import argparse
import getpass
import sys
from pathlib import Path

from gateway.config import Config
from gateway.registry import identities
from gateway.registry.registry import Registry, RegistryError
from gateway.registry.vault import Vault

HELP = "file with one line KIND COUNTRY NUMBER, such as `passport HK K1234567`; - for standard input; without: a prompt"


def add_identity_argument(parser: argparse.ArgumentParser) -> None:
    """--identity-file."""
    parser.add_argument("--identity-file", default="", metavar="FILE", help=HELP)


def sealed_identity(path: str, name: str, vault: Vault) -> str:
    """A person's identity under the venue's key, from a file, from standard input, or asked for without an echo."""
    return identities.sealed(_line(path, name), vault)


def vault_of(registry: Registry, data: str) -> Vault:
    """The vault of a data folder."""
    return Vault(Config(data=data).vault, registry)


def _line(path: str, name: str) -> str:
    if path == "-":
        return sys.stdin.readline()
    if path:
        try:
            return Path(path).read_text().partition("\n")[0]
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "not text"
            raise RegistryError(f"--identity-file: {path}: {why}; name a {HELP.partition(',')[0]}") from None
    if not sys.stdin.isatty():
        raise RegistryError(f"--identity-file: it is missing; who {name} is takes a document: {HELP}")
    return getpass.getpass(f"identity of {name}, as KIND COUNTRY NUMBER: ")
