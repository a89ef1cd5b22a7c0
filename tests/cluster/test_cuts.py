"""What a node that led cuts, on a stream in memory: only what is its own for certain, and of its files only what says
something of that."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine import host
from gateway.config import Cluster
from tests.cluster.test_standby_venue import Stored, StreamInMemory, scripted

messages_of = pytest.importorskip("gateway.cluster.messages")
rejoin = pytest.importorskip("gateway.cluster.rejoin", reason="nats-py is not installed")
led_epochs = pytest.importorskip("gateway.cluster.led_epochs")
noted_seq = pytest.importorskip("gateway.cluster.standby").noted_seq
Author, LedEpoch = messages_of.Author, led_epochs.LedEpoch


class Shown(StreamInMemory):
    """A stream of which a server shows its beginning alone, as one that was cut off, for so many questions."""

    def __init__(self, messages, shown=None, looks=1 << 30):
        super().__init__(messages)
        self.shown, self.looks = shown or len(messages), looks

    async def last(self):
        self.looks -= 1
        seq = self.shown if self.looks >= 0 else len(self.messages)
        return Stored(seq, self.messages[seq - 1])


def epoch_behind(message, epoch, node):
    """The message with which a node begins to lead behind another message."""
    return messages_of.EpochMessage(
        epoch=epoch, node=node, reason="takeover", addresses=[], time_ns=1, segment=message.place.segment,
        number=message.place.number, last_seq=message.last_seq, chain=message.chain,
    )  # fmt: skip


def record_behind(message, author):
    """Another record than the one which this node has behind a message."""
    place = messages_of.Place(message.place.segment, message.place.number + 1)
    last_seq = message.last_seq + 1
    return messages_of.RecordMessage(author, place, last_seq, last_seq, bytes(31) + b"x", b"another")


class Case:
    """A data folder that led in epoch 1 as `one`, and another node's epoch behind all but its last records."""

    def __init__(self, folder, cut_records=3, **settings):
        script = scripted(folder / "one", **settings)
        self.messages, self.short = script.messages, script.messages[:-cut_records]
        self.data, self._config = folder / "one", script.config
        (self.data / "history.db").write_bytes(b"of a venue that has ended more")
        self.end = host.log_end(script.config.journal)
        self.stays = self.short[-1]
        self.two = epoch_behind(self.stays, 2, "two")

    def config(self, name):
        return replace(self._config, cluster=Cluster(servers="nats://127.0.0.1:1", venue="t", node=name))

    def led(self, *led):
        for each in led:
            led_epochs.note(self.data, LedEpoch(*each))
        if not led:
            led_epochs.clear(self.data)

    def cut(self, stream, name="one"):
        return asyncio.run(rejoin.cut_unreplicated(stream, self.config(name)))

    @property
    def is_whole(self):
        return host.log_end(self._config.journal) == self.end and not list(self.data.glob("fenced-*"))

    @property
    def is_cut(self):
        end = host.log_end(self._config.journal)
        return (end.segment, end.number) == self.stays.place and led_epochs.read(self.data) == []


def test_a_node_with_another_name_keeps_the_end_that_it_wrote_last(tmp_path):
    case = Case(tmp_path)
    case.led((1, "one", 1))
    assert case.cut(Shown(case.short), "renamed") is None
    assert case.is_whole and led_epochs.read(case.data) == [LedEpoch(1, "one", 1)]


def test_a_node_that_takes_over_a_name_cuts_what_its_folder_wrote(tmp_path):
    case = Case(tmp_path)
    case.led((1, "one", 1))
    found = case.cut(Shown([*case.short, case.two]), "two")
    assert case.is_cut and found.folder.name == f"fenced-2-{case.stays.last_seq + 1}"
    assert host.log_end(found.folder / "journal") == case.end


def test_a_folder_that_is_one_with_the_stream_is_never_cut_by_an_old_answer(tmp_path):
    """What it has, and the answer lacks, it has from the stream."""
    case = Case(tmp_path)
    case.led()
    for stream in (Shown(case.messages, len(case.short)), Shown([*case.short, case.two])):
        assert case.cut(stream, "three") is None and case.is_whole


def test_an_old_answer_that_shows_the_other_epoch_cuts_what_a_new_one_does(tmp_path):
    for shown in (1, 3):
        case = Case(tmp_path / str(shown))
        case.led((1, "one", 1))
        behind = [case.two, record_behind(case.stays, Author(2, "two")), epoch_behind(case.stays, 3, "three")]
        found = case.cut(Shown([*case.short, *behind], len(case.short) + shown))
        assert case.is_cut
        assert (found.first_seq, found.last_seq) == (case.stays.last_seq + 1, case.end.last_seq)


def test_an_answer_that_does_not_have_the_own_epoch_is_waited_out(tmp_path, monkeypatch):
    monkeypatch.setattr(rejoin, "WAIT_SECONDS", 0)
    case = Case(tmp_path)
    mine = epoch_behind(case.stays, 2, "one")
    behind = [mine, epoch_behind(case.stays, 3, "two")]
    case.led((2, "one", len(case.short) + 1))
    stream = Shown([*case.short, *behind], len(case.short) - 2, looks=5)
    assert case.cut(stream).folder.name.startswith("fenced-3-")
    assert stream.looks < 0 and case.is_cut


def test_without_an_answer_that_has_the_own_epoch_nothing_is_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(rejoin, "WAIT_SECONDS", 0)
    monkeypatch.setattr(rejoin, "AHEAD_NS", 0)
    case = Case(tmp_path)
    case.led((2, "one", len(case.short) + 1))
    assert case.cut(Shown(case.short)) is None and case.is_whole


def test_where_nothing_is_noted_another_record_has_to_show(tmp_path):
    case = Case(tmp_path)
    assert case.cut(Shown([*case.short, case.two]), "three") is None and case.is_whole
    assert case.cut(Shown([*case.short, case.two, record_behind(case.stays, Author(2, "two"))]), "three")
    assert case.is_cut


def test_where_nothing_is_noted_the_nodes_name_says_whose_end_it_is(tmp_path):
    case = Case(tmp_path)
    other = record_behind(case.stays, Author(2, "two"))
    assert case.cut(Shown([*case.short, case.two, other]), "two") is None and case.is_whole


def test_where_no_command_is_cut_history_and_registry_stay(tmp_path):
    case = Case(tmp_path, cut_records=1)
    assert case.stays.last_seq == case.end.last_seq
    case.led((1, "one", 1))
    names = ("registry.db", "history.db")
    before = {name: (case.data / name).read_bytes() for name in names}
    snapshots = sorted((case.data / "journal").glob("snapshot-*"))
    found = case.cut(Shown([*case.short, case.two]))
    assert case.is_cut and found.commands == {} and "no command was in it" in found.line
    assert {name: (case.data / name).read_bytes() for name in names} == before
    assert sorted((case.data / "journal").glob("snapshot-*")) == snapshots and snapshots
    assert (found.folder / "registry.db").read_bytes() == before["registry.db"]
    assert not (found.folder / "history.db").exists() and (found.folder / "journal.tip").exists()


def test_where_commands_are_cut_all_that_was_made_of_them_goes_with_them(tmp_path):
    case = Case(tmp_path)
    case.led((1, "one", 1))
    found = case.cut(Shown([*case.short, case.two]))
    assert sum(found.commands.values()) == case.end.last_seq - case.stays.last_seq > 0
    for name in ("registry.db", "history.db"):
        assert not (case.data / name).exists() and (found.folder / name).exists()


@pytest.mark.parametrize("step", ["_link", "_move", "_truncate", "note_place"])
def test_a_cut_that_ends_in_the_midst_has_the_figures_of_the_whole_cut(tmp_path, monkeypatch, step):
    """Of a journal with several segments, some of which are moved already when it is run again."""
    case = Case(tmp_path, cut_records=5, segment_bytes=512)
    case.led((1, "one", 1))
    assert case.end.segment > case.stays.place.segment + 1
    stream, real = Shown([*case.short, case.two]), getattr(rejoin, step)

    def end(path, *args):
        if step != "_move" or Path(path).name.startswith("journal-"):
            raise InterruptedError
        real(path, *args)

    with monkeypatch.context() as patched, pytest.raises(InterruptedError):
        patched.setattr(rejoin, step, end)
        case.cut(stream)
    assert [path.suffix for path in case.data.glob("fenced-*")] == [".part"]
    if step == "_move":
        with monkeypatch.context() as patched, pytest.raises(InterruptedError):
            patched.setattr(rejoin, "_truncate", end)
            step = ""
            case.cut(stream)
    found = case.cut(stream)
    assert case.is_cut and (case.data / "standby.place").exists()
    facts = json.loads((found.folder / "fenced.json").read_text())
    assert (facts["first_sequence"], facts["last_sequence"]) == (case.stays.last_seq + 1, case.end.last_seq)
    assert sum(facts["commands"].values()) == case.end.last_seq - case.stays.last_seq
    assert facts["commands"] == found.commands and host.log_end(found.folder / "journal") == case.end


class Purged(Shown):
    """A stream of which the beginning is purged as soon as some message of it was read."""

    def __init__(self, messages, first_seq):
        super().__init__(messages)
        self.first_seq, self.is_purged = first_seq, False

    async def bounds(self):
        found = await super().bounds()
        return found._replace(first_seq=self.first_seq) if self.is_purged else found

    async def get(self, seq):
        if self.is_purged and seq < self.first_seq:
            return None
        self.is_purged = True
        return await super().get(seq)


def test_a_stream_that_is_purged_while_it_is_looked_at_is_looked_at_again(tmp_path, monkeypatch):
    monkeypatch.setattr(rejoin, "WAIT_SECONDS", 0)
    case = Case(tmp_path)
    case.led((1, "one", 1))
    assert case.cut(Purged([*case.short, case.two], len(case.short)))
    assert case.is_cut


def test_a_folder_that_led_and_has_nothing_to_cut_notes_where_it_goes_on(tmp_path):
    case = Case(tmp_path)
    case.led((1, "one", 1))
    (case.data / "registry.copy").write_bytes(b"of before it led")
    last = case.messages[-1]
    assert case.cut(Shown([*case.messages, epoch_behind(last, 2, "two")])) is None
    assert case.is_whole and not (case.data / "registry.copy").exists()
    first = next(seq for seq, message in enumerate(case.messages, 1) if message.place == last.place)
    assert noted_seq(case.data) == first
