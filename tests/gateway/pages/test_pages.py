"""The pages ask for what the venue has: its methods and its channels."""

import re
from pathlib import Path

import pytest

from gateway import pages
from gateway.document.sample_rows import BTC
from gateway.sessions.method_table import METHODS
from gateway.wire import channels

SOURCES = sorted(path for path in (Path(pages.__file__).parent / "src").rglob("*.ts*") if ".test." not in path.name)
TEXT = "\n".join(path.read_text() for path in SOURCES)
PLACES = {"${name}": BTC.name, "${instrument.instrument_name}": BTC.name, "${resolution}": "1"}


def asked_channels() -> set[str]:
    """Every channel that the sources name, with a contract's name in its place."""
    kinds = "book|ticker|trades|chart\\.trades|liquidations|user|platform_state"
    texts = re.findall(rf'(?:"|`)((?:{kinds})(?:\.[\w.${{}}]*)?)(?:"|`)', TEXT)
    for place, text in PLACES.items():
        texts = [found.replace(place, text) for found in texts]
    return {text for text in texts if text == "platform_state" or re.fullmatch(r"[\w.-]+\.[\w.-]+", text)}


@pytest.mark.parametrize("kind", ["book", "ticker", "trades", "liquidations", "platform_state", "user.notices"])
def test_the_terminal_follows_each_kind_of_channel(kind: str) -> None:
    assert any(name.startswith(kind) for name in asked_channels())


@pytest.mark.parametrize("name", sorted(asked_channels()))
def test_each_channel_that_a_page_asks_for_exists(name: str) -> None:
    assert channels.parse(name, lambda text: BTC if text == BTC.name else None, 0) is not None


def test_the_console_asks_for_changes_that_exist() -> None:
    asked = set(re.findall(r'(?:askFor\(|ask\(|change: )"([a-z_]+)"', TEXT))
    changes = {name.removeprefix("venue/admin/") for name, method in METHODS.items() if method.result == "Change"}
    assert asked <= changes, asked - changes
    assert {"kill_switch", "record_kyc", "set_affiliation"} <= asked


def test_the_pages_call_methods_that_exist() -> None:
    called = set(re.findall(r'"((?:public|private|venue)/[a-z_]+(?:/[a-z_]+)?)"', TEXT))
    assert called <= set(METHODS), called - set(METHODS)
    assert {"private/edit", "private/close_position", "venue/get_admission", "venue/resume"} <= called
