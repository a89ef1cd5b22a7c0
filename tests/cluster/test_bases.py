"""What a standby begins from where the stream was purged: made, kept, checked, refused, on a real object store."""

import asyncio
import base64
import json
import logging
import shutil
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine import host
from gateway import cli, clock
from gateway.cluster import beginning, leases
from gateway.cluster.base import MANIFEST, REGISTRY, BaseAt, BaseError, Name, pack_manifest, unpack_manifest
from gateway.cluster.messages import Present, RecordMessage, stream_name
from gateway.cluster.side_pages import SideFile
from gateway.config import Cluster
from tests.cluster.servers import need_servers, one_server
from tests.cluster.test_standby_venue import ONE, Script, scripted, trade
from tests.gateway.live import config_of, market, play

need_servers()
_REASON = "nats-py is not installed"
pytest.importorskip("nats", reason=_REASON)
base_fetch = pytest.importorskip("gateway.cluster.base_fetch", reason=_REASON)
base_process = pytest.importorskip("gateway.cluster.base_process", reason=_REASON)
base_store = pytest.importorskip("gateway.cluster.base_store", reason=_REASON)
retention = pytest.importorskip("gateway.cluster.retention", reason=_REASON)
rejoin = pytest.importorskip("gateway.cluster.rejoin", reason=_REASON)
BaseOrder = pytest.importorskip("gateway.cluster.bases").BaseOrder
LogStream = pytest.importorskip("gateway.cluster.log_stream", reason=_REASON).LogStream
Stream = pytest.importorskip("gateway.cluster.stream", reason=_REASON).Stream
DivergenceError = pytest.importorskip("gateway.cluster.follower", reason=_REASON).DivergenceError
SECONDS = 600


class Venue:
    """The log of a venue that was stopped, in a stream; bases can be made of it at any number of marks."""

    def __init__(self, server, stream, folder, messages):
        self.server, self.stream, self.folder = server, stream, folder
        self.config = config_of(folder / "one", cluster=self.cluster("one"))
        self.leader = messages[0]
        self.end = host.log_end(self.config.journal)
        (self.snapshot,) = host.snapshots(self.config.journal)
        self.seq = len(messages)
        self.store = base_store.BaseStore(stream.connection, "t")

    def cluster(self, name, **settings):
        return Cluster(servers=self.server.address, venue="t", node=name, replicas=1, **settings)

    def node(self, name):
        """The settings of another node, whose folder is empty."""
        config = config_of(self.folder / name, cluster=self.cluster(name))
        Path(config.data).mkdir(mode=0o700)
        shutil.copy(self.config.vault, config.vault)
        return config

    async def publish(self, message):
        self.seq = await self.stream.publish(message, self.seq)
        return self.seq

    async def another_leads(self):
        """Another node leads behind the log; the epoch's message."""
        message = beginning.epoch_message(type(ONE)(2, "two"), self.end, "takeover", [])
        await self.publish(message)
        return message

    async def at_mark(self, leader=None):
        """What a base can be made of, at a new mark behind the log."""
        leader = leader or self.leader
        mark = await self.publish(beginning.mark_message(leader.author, self.end))
        digest = self.snapshot.digest.hex()
        digest_seq = await self.publish(beginning.digest_message(leader.author, self.end, self.end.last_seq, digest))
        file = SideFile(self.config.registry)
        file.changes()
        image = self.folder / f"registry-{mark}.copy"
        image.write_bytes(file.sent[1])
        return BaseAt(
            stream_seq=mark, segment=self.end.segment, number=self.end.number, last_seq=self.end.last_seq,
            chain=self.end.chain, digest=digest, digest_seq=digest_seq, leader=leader, registry=str(image),
            registry_version=1,
        )  # fmt: skip

    def order(self, at, **settings):
        found = {
            "data": self.config.data, "servers": [self.server.address], "venue": "t", "replicas": 1, "kept": 2,
            "retain_commands": 0, "standby_lease_seconds": 0, "history_rows": self.config.history_rows,
            "reserve_bytes": 0, "at": at,
        }  # fmt: skip
        return BaseOrder(**(found | settings))

    async def based(self, **settings):
        """The name of a base that was made at a new mark."""
        at = await self.at_mark()
        await base_process.make(self.order(at, **settings))
        return Name(at.stream_seq, at.last_seq)

    async def purge(self, seq):
        await self.stream.connection.jetstream().purge_stream(stream_name("t"), seq=seq)

    async def first_seq(self):
        return (await self.stream.bounds()).first_seq


@asynccontextmanager
async def venue(tmp_path, messages):
    """A server with the stream of a stopped venue."""
    with one_server(tmp_path / "n1") as server:
        making = Stream([server.address], "t")
        await making.connect()
        await making.ensure(1)
        making.drop()
        stream = LogStream([server.address], "t")
        await stream.connect()
        try:
            for seq, message in enumerate(messages):
                await stream.publish(message, seq)
            made = Venue(server, stream, tmp_path, messages)
            await made.store.make(1)
            yield made
        finally:
            await stream.close()


def run(tmp_path, story, messages=None):
    """Play a story with a venue that traded, was stopped, and whose log is in a stream."""
    messages = messages or scripted(tmp_path / "one").messages

    async def limited():
        async with asyncio.timeout(SECONDS), venue(tmp_path, messages) as made:
            await story(made)

    asyncio.run(limited())


def files_of(folder):
    """The bytes of everything below a folder, by path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def test_an_empty_folder_begins_from_the_newest_base_of_a_purged_stream(tmp_path):
    async def story(made):
        two = made.node("two")
        assert await base_fetch.begin_from_base(made.stream, two) is None, "the stream has the whole log"
        assert await base_fetch.begin_from_base(made.stream, made.node("three")) is None
        await made.based()
        newest = await made.based()
        assert (await made.store.complete())[0] == newest
        await made.purge(newest.stream_seq)
        begun = await base_fetch.begin_from_base(made.stream, two)
        assert (begun.manifest.stream_seq, begun.aside) == (newest.stream_seq, None)
        assert host.log_end(two.journal) == made.end
        state = host.Engine.read(two.journal)
        assert (state.last_seq, state.digest()) == (made.end.last_seq, made.snapshot.digest.hex())
        assert two.registry.exists() and (Path(two.data) / REGISTRY).exists()
        assert not list(Path(two.data).glob("base.*"))
        assert await base_fetch.begin_from_base(made.stream, two) is None, "it has its place in the stream now"

    run(tmp_path, story)


def test_no_more_bases_are_kept_than_are_wanted_and_nothing_of_the_others_stays(tmp_path):
    async def story(made):
        names = [await made.based() for _ in range(3)]
        assert await made.store.complete() == names[:0:-1]
        paths = (await made.store.objects())[names[-1]]
        assert set(await made.store.objects()) == set(names[1:])
        assert len(await made.store._subjects("C")) == 2 * len(paths)

    run(tmp_path, story)


def test_a_base_without_its_manifest_is_not_used_and_is_taken_away(tmp_path):
    async def story(made):
        whole = await made.based()
        at = await made.at_mark()
        name = Name(at.stream_seq, at.last_seq)
        files = [await base_process._put(made.store, name, part) for part in base_process._parts(
            made.config, made.order(at))]  # fmt: skip
        assert files and (await made.store.objects())[name] >= {REGISTRY}
        await made.stream.connection.jetstream().publish(f"$O.{made.store._bucket}.C.nobodys", b"chunk of an upload")
        await made.purge(whole.stream_seq)
        assert await made.store.complete() == [whole]
        begun = await base_fetch.begin_from_base(made.stream, made.node("two"))
        assert begun.manifest.stream_seq == whole.stream_seq
        await made.based()
        assert name not in await made.store.objects() and "nobodys" not in await made.store._subjects("C")

    run(tmp_path, story)


def flipped(data):
    return data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]


async def damage(made, name, kind, caplog):
    """Harm a base in the store in one way."""
    manifest = await made.store.manifest(name)
    snapshot, rows = (file.path for file in manifest.files[:2])
    if kind == "another file of the same size":
        path = made.config.journal / Path(snapshot).name
        packed = base_process.Packed(memoryview(flipped(path.read_bytes())))
        await made.store.put(name, snapshot, packed)
        return "does not match its hash"
    if kind == "bytes that are no file":
        await made.store.put(name, rows, b"not compressed")
        return "cannot be decompressed"
    if kind == "a chunk is gone":
        nuid = (await made.store._store.get_info(name.object(snapshot))).nuid
        await made.store._purge("C", nuid)
        return "chunks are missing"
    if kind == "a file is gone":
        await made.store._store.delete(name.object(rows))
        return "is missing"
    if kind == "a manifest of another log":
        await made.store.put(name, MANIFEST, pack_manifest(_other(manifest, chain=bytes(32))))
        return "is not its mark: it is of another log"
    await made.store.put(name, MANIFEST, flipped(pack_manifest(manifest)))
    return "its manifest"


def _other(manifest, **fields):
    return type(manifest)(**{name: getattr(manifest, name) for name in manifest.__struct_fields__} | fields)


KINDS = (
    "another file of the same size", "bytes that are no file", "a chunk is gone", "a file is gone",
    "a manifest of another log", "a flipped byte in the manifest",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_base_is_refused_in_one_line_and_the_older_one_is_used(kind, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(base_store, "STALL_SECONDS", 2.0)

    async def story(made):
        older, newest = await made.based(), await made.based()
        line = await damage(made, newest, kind, caplog)
        await made.purge(older.stream_seq)
        two = made.node("two")
        with caplog.at_level(logging.ERROR, "lionrock.cluster"):
            begun = await base_fetch.begin_from_base(made.stream, two)
        (said,) = [record.getMessage() for record in caplog.records if "a base is not used" in record.getMessage()]
        assert line in said and "\n" not in said
        assert begun.manifest.stream_seq == older.stream_seq
        assert host.Engine.read(two.journal).digest() == made.snapshot.digest.hex()

    run(tmp_path, story)


def test_what_a_folder_had_is_kept_aside_and_a_journal_that_goes_past_the_base_stays(tmp_path):
    async def story(made):
        whole = await made.based()
        behind, past = made.node("behind"), made.node("past")
        shutil.copytree(made.config.journal, past.journal)
        shutil.copy(made.config.registry, past.registry)
        shutil.copytree(made.config.journal, behind.journal)
        last = next(reversed(list(host.raw_records(made.config.journal, 1))))
        segment = behind.journal / "journal-00000001.log"
        segment.write_bytes(segment.read_bytes()[: -sum(map(len, last.parts))])
        await made.purge(whole.stream_seq)
        led = {"journal.tip": b"its end", "led.epochs": b"[]"}
        for name, data in led.items():
            (Path(behind.data) / name).write_bytes(data)
        before = files_of(behind.journal)
        begun = await base_fetch.begin_from_base(made.stream, behind)
        assert {name: (begun.aside / name).read_bytes() for name in led} == led
        assert not any((Path(behind.data) / name).exists() for name in led), "they say something of that journal"
        assert begun.aside.name.startswith("purged-") and str(begun.aside) in begun.line
        kept = files_of(begun.aside / "journal")
        assert {name: kept[name] for name in before} == before
        assert host.log_end(behind.journal) == made.end and behind.vault.exists()
        before = files_of(past.journal)
        begun = await base_fetch.begin_from_base(made.stream, past)
        assert begun.aside is None and files_of(past.journal) == before
        assert (Path(past.data) / REGISTRY).exists() and not list(Path(past.data).glob("purged-*"))

    run(tmp_path, story)


def test_a_journal_that_the_stream_goes_on_from_is_not_moved_aside(tmp_path):
    """A backup that ends before the newest base: it follows; where an older base has the registry, it takes that."""

    async def story(made):
        whole = await made.based()
        backup = made.node("backup")
        shutil.copytree(made.config.journal, backup.journal)
        shutil.copy(made.config.registry, backup.registry)
        records = list(host.raw_records(made.config.journal, 1))
        segment = backup.journal / "journal-00000001.log"
        segment.write_bytes(segment.read_bytes()[: -sum(map(len, records[-1].parts))])
        places = [(await made.stream.get(seq)).message.place for seq in range(1, made.seq)]
        at_last = 1 + places.index((records[-1].segment, records[-1].number))
        await made.purge(at_last)
        before = files_of(backup.data)
        assert await base_fetch.begin_from_base(made.stream, backup) is None
        assert files_of(backup.data) == before
        await made.purge(whole.stream_seq)
        assert (await base_fetch.begin_from_base(made.stream, backup)).aside is not None

    run(tmp_path, story)


def test_a_journal_of_another_log_and_a_registry_that_is_nowhere_else_are_not_touched(tmp_path):
    async def longer():
        async with market(tmp_path / "other") as (primary, clients):
            for _ in range(20):
                await trade(clients, 20000)
            return primary.venue.config

    other = play(longer())

    async def story(made):
        whole = await made.based()
        await made.purge(whole.stream_seq)
        strange, unborn = made.node("strange"), made.node("unborn")
        shutil.copytree(other.journal, strange.journal)
        shutil.copy(other.registry, unborn.registry)
        before = files_of(strange.journal), files_of(unborn.data)
        assert host.log_end(strange.journal)[:2] > made.end[:2]
        with pytest.raises(DivergenceError, match="another venue's log"):
            await base_fetch.begin_from_base(made.stream, strange)
        assert files_of(strange.journal) == before[0]
        assert await base_fetch.begin_from_base(made.stream, unborn) is None
        assert files_of(unborn.data) == before[1]

    run(tmp_path, story)


def test_a_process_that_ends_between_the_moves_is_gone_on_with(tmp_path, monkeypatch):
    async def story(made):
        whole = await made.based()
        await made.purge(whole.stream_seq)
        for wanted in range(1, 30):
            two = made.node(f"moved{wanted}")
            shutil.copytree(made.config.journal, two.journal)
            segment = two.journal / "journal-00000001.log"
            segment.write_bytes(segment.read_bytes()[:-64])
            calls = []

            def rename(source, target, wanted=wanted, calls=calls):
                calls.append(source)
                if len(calls) == wanted:
                    raise InterruptedError
                source.rename(target)

            with monkeypatch.context() as patched:
                patched.setattr(host.disk.SystemDisk, "rename", staticmethod(rename), raising=True)
                try:
                    await base_fetch.begin_from_base(made.stream, two)
                except InterruptedError:
                    pass
                else:
                    return
            await base_fetch.begin_from_base(made.stream, two)
            assert host.log_end(two.journal) == made.end and two.registry.exists(), calls[-1]
            assert not list(Path(two.data).glob("*.part")) and not list(Path(two.data).glob("base.*"))
            assert list(Path(two.data).glob("purged-*/journal")), "what was there is kept"
        raise AssertionError("there are fewer moves")

    run(tmp_path, story)


def long_log(folder):
    """The messages of a venue whose log has several segments, and that was stopped."""

    async def story():
        async with market(folder, segment_bytes=1 << 16) as (primary, clients):
            script = Script(primary.venue.config)
            script.begin()
            script.registry()
            while host.retention.segments_of(primary.venue.config.journal).last < 3:
                await trade(clients, 20000)
        script.log()
        return script

    return play(story())


def test_a_node_that_began_in_the_midst_of_the_log_begins_anew_when_a_cut_has_taken_what_is_made_of_it(tmp_path):
    messages = long_log(tmp_path / "one").messages

    async def story(made):
        whole = await made.based()
        await made.purge(whole.stream_seq)
        two = made.node("two")
        await base_fetch.begin_from_base(made.stream, two)
        assert host.retention.segments_of(two.journal).first > 1
        assert host.Engine.read(two.journal).digest() == made.snapshot.digest.hex()
        for name in ("registry.db", "registry.copy", "registry.copy.version"):  # as a cut does
            (Path(two.data) / name).unlink()
        begun = await base_fetch.begin_from_base(made.stream, two)
        assert begun.aside is not None and two.registry.exists()
        assert host.Engine.read(two.journal).digest() == made.snapshot.digest.hex()
        assert await base_fetch.begin_from_base(made.stream, two) is None
        first = host.retention.segments_of(two.journal).first
        for number in range(1, first):
            host.retention.archive_segment(made.config.journal, number)
        shutil.copytree(Path(made.config.data) / "archive", Path(two.data) / "archive")
        assert cli.main(["verify", two.data]) == 0, "with another node's archive the log is whole"

    run(tmp_path, story, messages)


# --- retention --------------------------------------------------------------------------------------------------------


def test_the_first_message_that_stays_is_what_the_slowest_needs():
    bases = [Name(90, 9), Name(50, 5)]
    standby = Present(node="b", process="1", stream_seq=99, noted_seq=70)
    assert retention.first_kept(bases, 80, [standby]) == 50
    assert retention.first_kept(bases[:1], 80, [standby]) == 70
    assert retention.first_kept(bases[:1], 60, [standby]) == 60
    assert retention.first_kept(bases[:1], 99, []) == 90
    assert retention.first_kept(bases, 80, [standby, Present(node="c", process="2", stream_seq=99)]) == 0


def test_a_standby_that_is_silent_for_a_moment_keeps_what_it_needs_until_its_lease_is_over(tmp_path):
    """The clock is what is handed in."""
    author, lease_ns = type(ONE)(3, "a"), 100
    known = leases.read(tmp_path, author, 1000)
    assert not known.are_known(1099, lease_ns) and known.are_known(1100, lease_ns)
    slow = Present(node="b", process="1", stream_seq=99, noted_seq=70)
    known.listen([slow], True, 1100, lease_ns)
    bases = [Name(90, 9)]
    for now_ns, is_sure in ((1110, True), (1150, True), (1199, True), (1300, False)):
        known.listen([], is_sure, now_ns, lease_ns)
        assert retention.first_kept(bases, 90, known.heard.values()) == 70, now_ns
    leases.write(tmp_path, known)
    known = leases.read(tmp_path, author, 1300)
    assert known.heard["b"].misses == 3
    known.listen([], True, 1300, lease_ns)
    assert retention.first_kept(bases, 90, known.heard.values()) == 90, "its lease is over"
    known.listen([slow], True, 1400, lease_ns)
    known.listen([], True, 9000, lease_ns)
    assert "b" in known.heard, "it was missed once alone"
    another = leases.read(tmp_path, type(ONE)(4, "a"), 1500)
    assert not another.heard and not another.are_known(1501, lease_ns), "a new leader waits for one lease"


def test_the_stream_is_purged_behind_the_bases_and_never_past_a_standby_or_what_is_retained(tmp_path, monkeypatch):
    monkeypatch.setattr(retention, "PAUSE_SECONDS", 0.0)

    async def story(made):
        one = await made.based(retain_commands=1)
        assert await made.first_seq() == 1, "there is one base, and two are wanted: the older one must be usable"
        async with base_fetch.present(made.stream, "slow", lambda: 3):
            two = await made.based(retain_commands=1)
            assert await made.first_seq() == 3
        await made.based(retain_commands=1)
        assert await made.first_seq() == 3, "it was missed once: it may be silent for a moment"
        await made.based(retain_commands=made.end.last_seq)
        first = await made.first_seq()
        assert isinstance((await made.stream.get(first)).message, RecordMessage), "a base has the registry"
        await made.based(retain_commands=1)
        found, bases = await made.first_seq(), await made.store.complete()
        assert one < two < bases[-1] and first < found <= bases[-1].stream_seq
        assert (await made.stream.get(found)).message.last_seq == made.end.last_seq
        assert await retention.purge(made.stream, bases, 2, 1, leases.Leases(1, 0, {}), 0) == found
        new = leases.Leases(2, clock.wall_ns(), {})
        assert await retention.purge(made.stream, bases, 2, made.end.last_seq, new, 1 << 62) == found

    run(tmp_path, story)


def test_a_base_is_not_made_of_what_the_stream_does_not_have_or_by_a_node_that_is_fenced(tmp_path):
    async def story(made):
        at = await made.at_mark()
        for field, value in (("digest_seq", at.digest_seq + 1), ("digest", "0" * 64)):
            with pytest.raises(BaseError, match="does not have this node's digest"):
                await base_process.make(made.order(_other(at, **{field: value})))
        with pytest.raises(BaseError, match="is not the one at the mark"):
            await base_process.make(made.order(_other(at, chain=bytes(32))))
        await made.another_leads()
        with pytest.raises(BaseError, match="does not lead any more"):
            await base_process.make(made.order(at))
        assert await made.store.objects() == {} and await made.store._subjects("C") == []

    run(tmp_path, story)


def test_a_node_that_is_fenced_takes_no_base_away_and_purges_nothing(tmp_path, monkeypatch):
    """Its process stood still between two steps, and another node leads meanwhile and puts bases of its own."""
    monkeypatch.setattr(retention, "PAUSE_SECONDS", 0.0)

    async def story(made):
        older, at = await made.based(), await made.at_mark()
        order, name = made.order(at, kept=1), Name(at.stream_seq, at.last_seq)
        await base_process.make(made.order(at))
        leader = await made.another_leads()
        theirs = await made.at_mark(leader)
        await base_process.make(made.order(theirs, kept=3))
        later = Name(theirs.stream_seq, theirs.last_seq)
        with pytest.raises(BaseError, match="does not lead any more"):
            await base_process._shorten(made.store, made.stream, name, order)
        assert await made.store.complete() == [later, name, older] and await made.first_seq() == 1
        strange = Name(later.stream_seq + 1000, later.last_seq)
        await made.store.put(strange, MANIFEST, b"of a stream that was begun anew")
        assert await base_process._keep(made.store, made.stream, name, 2) == [name, older]
        assert await made.store.complete() == [later, name, older], "the other leader's base stays"

    run(tmp_path, story)


def test_a_node_that_is_fenced_before_the_purge_leaves_it(tmp_path, monkeypatch):
    async def story(made):
        at, real = await made.at_mark(), base_process._keep

        async def keep(*args):
            found = await real(*args)
            await made.another_leads()
            return found

        monkeypatch.setattr(base_process, "_keep", keep)
        with pytest.raises(BaseError, match="does not lead any more"):
            await base_process.make(made.order(at, kept=1, retain_commands=1))
        assert await made.first_seq() == 1

    run(tmp_path, story)


@pytest.mark.parametrize("lost", ["M", "C"])
def test_a_base_of_which_something_is_gone_does_not_count_for_the_purge(lost, tmp_path, monkeypatch):
    monkeypatch.setattr(retention, "PAUSE_SECONDS", 0.0)

    async def story(made):
        older = await made.based()
        info = await made.store._store.get_info(older.object(REGISTRY))
        word = info.nuid if lost == "C" else base64.urlsafe_b64encode(older.object(REGISTRY).encode()).decode()
        await made.store._purge(lost, word)
        await made.based(retain_commands=1)
        assert len(await made.store.complete()) == 2 and await made.first_seq() == 1
        await made.based(retain_commands=1)
        assert await made.first_seq() > 1, "both that are kept now are whole"

    run(tmp_path, story)


def test_a_manifest_leads_nowhere_else():
    at = {"stream_seq": 5, "segment": 1, "number": 1, "last_seq": 4, "chain": bytes(32), "digest": ""}
    from gateway.cluster.base import FORMAT, File, Manifest
    from gateway.cluster.messages import EpochMessage

    leader = EpochMessage(
        epoch=1, node="a", segment=1, number=0, last_seq=1, chain=b"", reason="start", addresses=[], time_ns=1
    )  # fmt: skip
    for path in ("/etc/passwd", "../up", "journal/../../up"):
        manifest = Manifest(
            format=FORMAT, release="0", venue="t", leader=leader, registry_version=1, time_ns=1,
            files=[File(path=path, size_bytes=1, sha256="")], **at,
        )  # fmt: skip
        with pytest.raises(BaseError, match="lies outside the data folder"):
            unpack_manifest(pack_manifest(manifest))
    with pytest.raises(BaseError, match="cannot be read"):
        unpack_manifest(b"{}")
    assert json.loads(pack_manifest(manifest))["manifest"]["format"] == FORMAT


def test_a_machine_alone_imports_nothing_of_it():
    code = (
        "import sys, gateway.net.server, gateway.cli, gateway.venue.venue\n"
        "print([name for name in sys.modules if name == 'nats' or name.startswith('gateway.cluster.base')])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
