"""The operator's story, with the very commands of its document: a client from nothing, trading, a lapse, the record."""

import asyncio
import csv
import io
import json
import re
import shlex
import time
from contextlib import redirect_stdout
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gateway import cli, clock
from gateway.client import Client, RpcError
from gateway.config import Config
from gateway.wire.civil_dates import HKT
from tests.gateway.identified import identity_file
from tests.gateway.live import BTC, key_file, play, running, until

README = Path(__file__).parents[2] / "gateway" / "office" / "README.md"
TEXTS = ("product", "loss", "affiliate")
START = datetime(2026, 12, 1, 23, 59, 20, tzinfo=HKT)
FAST = 3
"""So fast that midnight is not far, and so slow that index prices, twice a second, are never 10 s apart."""
CANCELLED = ("cancelled", "pi_evidence_expired")
MIDNIGHT_NS = int(datetime(2026, 12, 2, tzinfo=HKT).timestamp()) * 10**9


class Hands:
    """A clock that the test drives: it stands still, runs, or runs fast, and never goes back."""

    def __init__(self):
        self._base_ns, self._real_ns, self._rate = int(START.timestamp()) * 10**9, time.perf_counter_ns(), 0

    def now_ns(self):
        return self._base_ns + (time.perf_counter_ns() - self._real_ns) * self._rate

    def run(self, rate):
        self._base_ns, self._real_ns = self.now_ns(), time.perf_counter_ns()
        self._rate = rate


def blocks():
    """The commands of the document: setting up, onboarding, other clients, what comes later, and the audit trail."""
    text = README.read_text().partition("## Opening a venue and onboarding a client")[2]
    found = [part.partition("```")[0].replace("\\\n", " ") for part in text.split("```sh\n")[1:5]]
    first, _, second = found[0].partition("&\n\n")
    return [[line for line in text.splitlines() if line] for text in (first, second, *found[1:])]


@pytest.fixture
def hands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LIONROCK_DATA", raising=False)
    hands = Hands()
    monkeypatch.setattr(clock, "wall_ns", hands.now_ns)
    monkeypatch.setattr(clock, "steady_ns", hands.now_ns)
    for name in re.findall(r"(\w+)[.]pdf", README.read_text()):
        (tmp_path / f"{name}.pdf").write_text(name)
    for name in TEXTS:
        (tmp_path / f"{name}.txt").write_text(f"What to know of {name}.\n")
    for name in ("Ann", "Ben", "Cat", "Alice", "Maker"):
        identity_file(tmp_path, name)
    return hands


def lionrock(line, monkeypatch):
    """Run one line of the document; what it prints."""
    words = shlex.split(line)
    if words[0] == "export":
        monkeypatch.setenv(*words[1].split("=", 1))
        return ""
    assert words[0] == "lionrock"
    printed = io.StringIO()
    with redirect_stdout(printed):
        assert cli.main(words[1:]) == 0, line
    return printed.getvalue()


def onboard(lines, monkeypatch):
    """Run the onboarding; answers the client's key and the number of the last proposal."""
    key = None
    for line in lines:
        printed = lionrock(line, monkeypatch)
        if line.startswith("lionrock key create"):
            key = json.loads(printed)[0]
    assert "0 changes" in lionrock("lionrock admin list-changes", monkeypatch)
    return key


def for_another(lines, first):
    """The same commands for a maker whose proposals are numbered on and whose statement is of this year."""
    text = "\n".join(lines).replace("Alice Chan", "Max Ho").replace("alice", "maker")
    return numbered_on(text.replace("2025-12-01", "2026-11-01").splitlines(), 6, first)


def numbered_on(lines, of_document, first):
    """The same commands where the first change has another number than in the document."""
    numbers = {str(of_document + more): str(first + more) for more in range(20)}
    made = []
    for line in lines:
        head, found, rest = line.partition("admin approve ")
        if found:
            rest = " ".join(numbers.get(word, word) for word in rest.split())
        made.append(head + found + rest)
    return made


async def refusal(call):
    with pytest.raises(RpcError) as caught:
        await call
    return caught.value.reason


async def logged_in(port, key):
    client = Client(f"ws://127.0.0.1:{port}", key["id"], key["secret"])
    await client.connect()
    return client


async def acknowledge(client, monkeypatch):
    """What the client does itself before it may trade."""
    with TemporaryDirectory() as folder:
        connection = f"--url {client.url} --secret-file {key_file(Path(folder), client.key_id, client._secret)}"
        await _acknowledge(connection, client, monkeypatch)


async def _acknowledge(connection, client, monkeypatch):
    commands = re.findall(r"`(lionrock trade acknowledge [^`]*)`", README.read_text())
    shown = await asyncio.to_thread(lionrock, f"lionrock trade disclosures {connection}", monkeypatch)
    for name in TEXTS:
        assert f"{name} disclosure, version 1, from 2026-12-01" in shown and f"What to know of {name}." in shown
    for command in commands:
        assert "DISCLOSURE" in await refusal(client.buy(BTC, "0.1", price="59000"))
        told = await asyncio.to_thread(lionrock, f"lionrock trade admission {BTC} {connection}", monkeypatch)
        assert "you may not open positions" in told and command.removeprefix("lionrock trade acknowledge ")[:4] in told
        await asyncio.to_thread(lionrock, f"{command} {connection}", monkeypatch)
    assert len(commands) == 2


def test_a_client_from_nothing_to_the_lapse_and_the_record(hands, tmp_path, monkeypatch):
    setting_up, onboarding, others, later, auditing = blocks()
    assert setting_up[-1].strip() == "lionrock serve" and len(onboarding) > 10
    for line in setting_up[:-1]:
        lionrock(line, monkeypatch)
    config = Config(port=0, durability="os")

    async def story():
        # The clock runs once the server is there, however long that took to compile, and stops at the first mark.
        asyncio.get_running_loop().call_soon(hands.run, 1)
        async with running(config) as server:
            hands.run(0)
            # Beside the loop of the server, which carries out what the commands ask for while they wait.
            key = await asyncio.to_thread(onboard, onboarding, monkeypatch)
            alice = await logged_in(server.port, key)
            key = await asyncio.to_thread(onboard, for_another(onboarding, 18), monkeypatch)
            maker = await logged_in(server.port, key)
            for client in (alice, maker):
                await acknowledge(client, monkeypatch)
                assert (await client.call("venue/get_admission", instrument_name=BTC))["may_open"] is True
            await asyncio.to_thread(other_clients, numbered_on(others, 20, 34), monkeypatch)
            heard, notices = await listen(alice)
            resting = await trade(alice, maker)
            hands.run(FAST)
            await until(lambda: hands.now_ns() > MIDNIGHT_NS and heard[resting]["order_state"] != "open", 100)
            hands.run(1)
            assert (heard[resting]["order_state"], heard[resting]["cancel_reason"]) == CANCELLED
            await until(lambda: any(entry["type"] == "lapsed" for entry in notices))
            await only_reduces(alice, maker, notices)
            await switched_off(alice, later, monkeypatch)
            await alice.close()
            await maker.close()

    play(story(), seconds=240)
    printed = [lionrock(line, monkeypatch) for line in later if "audit" in line]
    assert len(printed) == 2
    check_record(tmp_path / "alice.csv")
    assert len([lionrock(line, monkeypatch) for line in auditing]) == 8


def other_clients(lines, monkeypatch):
    """The holding corporation is what it is through the last day of its owner; the institution for a year."""
    told = "".join(lionrock(line, monkeypatch) for line in lines)
    assert "it proves corporate through 2026-12-01" in told
    assert "it proves institutional through 2027-12-01" in told
    wanted = {"acme": ("qualified_corporate", "2026-12-01"), "fund": ("institutional", "2027-12-01")}
    for name, (investor_class, last_day) in wanted.items():
        file = json.loads(lionrock(f"lionrock admin client {name} --json", monkeypatch))
        in_force = file["accounts"][0]["in_force"]
        assert (in_force["investor_class"], in_force["evidence_until"]) == (investor_class, last_day)


async def listen(client):
    """What the client hears of its orders and notices; the lapse that is near is told at once."""
    heard, notices = {}, []

    def hear(data):
        for order in data if isinstance(data, list) else [data]:
            heard[order["order_id"]] = order

    await client.subscribe("user.orders.any.any.raw", hear)
    await client.subscribe("user.notices", notices.extend)
    await until(lambda: notices)
    warned = {entry["reason"]: entry for entry in notices}
    assert set(warned) == {"PI_EVIDENCE_EXPIRED"}
    evidence = warned["PI_EVIDENCE_EXPIRED"]
    assert (evidence["valid_through"], evidence["days_left"], evidence["step"]) == ("2026-12-01", 0, 1)
    return heard, notices


async def trade(alice, maker):
    """Alice buys from the maker; her bid and a stop that would open rest on."""
    await maker.sell(BTC, "0.5", price="60500")
    bought = await alice.buy(BTC, "0.2", price="60500")
    assert (bought.order.order_state, str(bought.trades[0].amount)) == ("filled", "0.2")
    resting = await alice.buy(BTC, "0.1", price="59000")
    await alice.buy(BTC, "0.1", type="stop_market", trigger_price="61500")
    return resting.order.order_id


async def only_reduces(alice, maker, notices):
    """After the lapse: nothing new, and the way out stays open."""
    assert await alice.open_orders() == []
    assert "PI_EVIDENCE_EXPIRED" in await refusal(alice.buy(BTC, "0.1", price="59000"))
    admission = await alice.call("venue/get_admission", instrument_name=BTC)
    [unmet] = [rule for rule in admission["rules"] if not rule["met"]]
    assert (unmet["reason"], unmet["detail"]) == ("PI_EVIDENCE_EXPIRED", "lapsed after 2026-12-01 (Hong Kong)")
    [lapsed] = [entry for entry in notices if entry["type"] == "lapsed"]
    assert (lapsed["reason"], lapsed["instrument_name"]) == ("PI_EVIDENCE_EXPIRED", None)
    await maker.buy(BTC, "0.1", price="59500")
    sold = await alice.sell(BTC, "0.1", price="59500", reduce_only=True)
    assert sold.order.order_state == "filled"
    stop = await alice.sell(BTC, "0.1", type="stop_market", trigger_price="58500", reduce_only=True)
    assert stop.order.order_state == "untriggered"


async def switched_off(alice, later, monkeypatch):
    """The file says what happened, and the kill switch leaves the stop, which only protects what is held."""
    assert "evidence" in lionrock(later[0], monkeypatch)
    file = json.loads(lionrock(later[1], monkeypatch))
    assert file["accounts"][0]["in_force"]["evidence_until"] == "2026-12-01"
    assert {"kyc", "screening", "evidence", "disclosure", "deposit"} <= {entry["topic"] for entry in file["records"]}
    [stop] = await alice.open_orders()
    assert stop.order_state == "untriggered"
    said = await asyncio.to_thread(lionrock, later[2], monkeypatch)
    assert "kill_switch: carried out at sequence " in said and said.endswith(", 0 orders cancelled\n")
    assert await alice.open_orders() == [stop]
    assert "ACCOUNT_SUSPENDED" in await refusal(alice.buy(BTC, "0.1", price="59000"))
    said = await asyncio.to_thread(lionrock, later[3], monkeypatch)
    assert "carried out at sequence " in said and "client alice: under a legal freeze, which stays" in said


def check_record(path):
    """The export names what was refused, filled and cancelled, and why, and who decided what."""
    with path.open() as file:
        rows = list(csv.DictReader(file))
    ended = [row for row in rows if row["reason"] or row["record"] == "order"]
    assert [(row["record"], row["outcome"], row["reason"]) for row in ended] == [
        ("order", "refused", "DISCLOSURE_NOT_ACKNOWLEDGED"),
        ("order", "refused", "DISCLOSURE_NOT_ACKNOWLEDGED"),
        ("order", "accepted", ""),
        ("order", "accepted", ""),
        ("order", "accepted", ""),
        ("event", "happened", "PI_EVIDENCE_EXPIRED"),
        ("event", "happened", "PI_EVIDENCE_EXPIRED"),
        ("event", "happened", "PI_EVIDENCE_EXPIRED"),
        ("order", "refused", "PI_EVIDENCE_EXPIRED"),
        ("order", "accepted", ""),
        ("order", "accepted", ""),
        ("order", "accepted", ""),
        ("order", "refused", "ACCOUNT_SUSPENDED"),
        ("event", "happened", "SANCTIONS"),
    ]
    lapse = next(row for row in rows if row["reason"] == "PI_EVIDENCE_EXPIRED")
    assert int(lapse["time_ns"]) >= MIDNIGHT_NS == int(lapse["account_evidence_until_ns"])
    own = [row for row in rows if row["account_slot"] == "0" and row["record"] == "directive"]
    # Ann alone where it tightens, Ann and Ben, of money Ann and Cat, Alice herself.
    assert {(row["actor"], row["approver"]) for row in own} == {("1", "0"), ("1", "2"), ("1", "3"), ("4", "0")}
