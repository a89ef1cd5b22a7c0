"""One simulated world: a machine, its clients and its operator, moved on by steps that an integer each decides.

A step is a 64-bit integer. What it does follows from it and from the world's state, so any part of a list of steps is a
list of steps again: that is what shrinking needs. `run` is the same for the same seed, to the last byte.
"""

import gc
from bisect import bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from blake3 import blake3

from engine import host
from gateway.office.onboarding import deposit
from gateway.registry.registry import Registry
from gateway.venue.read_only import disk_failure
from gateway.wire.command_rows import index_row
from tests.simulation import audit
from tests.simulation.clients import ALL, BrokenPromiseError, Client, Trader
from tests.simulation.machine import REFUSALS, Image, Machine, config_of
from tests.simulation.setting import Setting, setting_of
from tests.simulation.trials import try_damage
from tests.simulation.virtual_disk import PowerLost

MS = 1_000_000
S = 1_000_000_000
STARTS_DISTRUST_THE_CACHE = True
"""Whether a start goes on from what a failed sync left out."""
READ_ONLY_ENDS = 0.03
"""How often, at each step, somebody ends a venue that is read-only."""
MAX_ASKS = 16
"""How many requests of one client are under way at most."""


class Genesis(NamedTuple):
    """What every world begins with: a data folder, where it is, and the traders in it."""

    folder: Path
    image: Image
    traders: list[Trader]
    now_ns: int

    def moved(self, folder: Path) -> "Genesis":
        """The same in another folder."""
        return self._replace(folder=folder, image=self.image.moved(self.folder, folder))


@dataclass(frozen=True)
class Result:
    """What a run came to. `digest` stands for all that anybody was told, and the final state."""

    steps: int
    digest: str
    boots: int
    facts: int
    violation: str = ""


class World:
    """A machine and who uses it."""

    def __init__(self, genesis: Genesis, seed: int, setting: Setting) -> None:
        self.chance = Random(seed)
        config = config_of(genesis.folder, **setting.config())
        self.machine = Machine(config, self.chance, genesis.image)
        self.machine.clock.now_ns = genesis.now_ns
        self.clients = [Client(trader, number) for number, trader in enumerate(genesis.traders, 1)]
        self.setting = setting
        self.boots = self.trials = 0
        self.deposits: list[tuple[int, int]] = []
        self.log: Callable[[str], None] = _silent
        self.is_faulty = False
        """Whether a call of the disk may fail now."""
        self._office: Registry | None = None
        self._steps = [_STEPS[name] for name in setting.weights]
        self._choices = list(accumulate(setting.weights.values()))

    # --- steps --------------------------------------------------------------------------------------------------------

    def step(self, number: int) -> None:
        """Do what a step says. BrokenPromiseError when the venue breaks a promise."""
        self.chance.seed(number)
        if self.machine.server is None:
            self._down()
            return
        at = bisect(self._choices, self.chance.random() * self._choices[-1])
        if self.machine.is_read_only and self.chance.random() < READ_ONLY_ENDS:
            self._do(self.chance.choice((World.stop, World.kill, World.lose_power_now)))
            return
        act = self._steps[min(at, len(self._steps) - 1)]
        self.log(act.__name__)
        self._do(act)

    def _do(self, act: Callable[["World"], None]) -> None:
        """Have something done that a fault may end."""
        try:
            act(self)
            self._look()
        except PowerLost:
            self._fall(has_power=False)
        except (OSError, host.JournalError) as error:
            if not self.is_faulty:
                raise
            self.log(f"ends: {error}")
            self._fall(self.chance.random() < 0.5)

    def _look(self) -> None:
        """A venue that has to stop stops."""
        if self.machine.server is None or self.machine.failure is None:
            return
        self.log(f"fails: {self.machine.failure}")
        failure = disk_failure(self.machine.server.venue)
        if failure is None or not self.setting.read_only or self.chance.random() >= self.setting.read_only:
            self._fall(self.chance.random() < 0.5)
        else:
            self.log("is read-only")
            self.machine.serve_read_only(failure)
            self._ask_read_only()

    def _ask_read_only(self) -> None:
        """Everybody comes back and asks: what was told is there, and nothing more."""
        for link in self.machine.links:
            link.cut()
        for client in self.clients:
            client.lost()
            if not client.is_revoked:
                client.connect(self.machine)
        self._rest()
        for client in self.clients:
            if not client.is_revoked:
                client.ask_all()
        self._rest()
        for client in self.clients:
            if not client.is_revoked:
                client.check_told()

    def _down(self) -> None:
        self.machine.clock.move(self.chance.randrange(S))
        if self.chance.random() < self.setting.damage:
            self._close_office()  # so that all that it wrote is in the file
            try_damage(self, audit.facts)
        if self.chance.random() < 0.5:
            self.boot()

    def boot(self) -> None:
        """Start the venue; it must start unless a fault was injected that it may refuse."""
        self._heal()
        self.machine.clock.set_right()
        self.boots += 1
        try:
            self.machine.boot()
        except PowerLost:
            self.machine.lose_power()
        except REFUSALS as refusal:
            self.machine.kill()
            raise BrokenPromiseError(f"the venue does not start: {refusal}") from None
        else:
            server = self.machine.server
            self.log(f"boots: {server and server.venue.engine.recovery}")

    def _heal(self) -> None:
        """The disk does what it is told from now on."""
        disk = self.machine.disk
        disk.failing.clear()
        disk.is_short, disk.capacity_bytes = False, None
        self.is_faulty = False

    def _fall(self, has_power: bool) -> None:
        """The process or the machine is gone; what the network has by now may still arrive."""
        has_power &= STARTS_DISTRUST_THE_CACHE or not self.machine.disk.has_lying_cache
        self.log("dies" if has_power else "loses power")
        for client in self.clients:
            if client.link is not None and self.chance.random() < 0.75:
                client.hear()
            client.lost()
        if has_power:
            self.machine.kill()
        else:
            self.machine.lose_power()

    # --- what steps do ------------------------------------------------------------------------------------------------

    def send(self) -> None:
        """A client asks for something, or connects."""
        client = self.chance.choice(self.clients)
        if client.link is None:
            if not client.is_revoked or self.chance.random() < 0.1:
                client.connect(self.machine)
        elif client.is_live and client.asks < MAX_ASKS:
            for _ in range(self.chance.randrange(1, 4)):
                client.act(self.chance)
        else:
            self.carry()

    def carry(self) -> None:
        """The network brings a client's bytes to the venue, all or some."""
        links = [client.link for client in self.clients if client.link is not None and client.link.to_venue]
        if links:
            link = self.chance.choice(links)
            is_whole = self.chance.random() < 0.7
            size = len(link.to_venue) if is_whole else self.chance.randrange(1, len(link.to_venue) + 1)
            with self.machine.running():
                link.carry(size)
        else:
            self.turn()

    def turn(self) -> None:
        """The venue's loop turns; a little time passes."""
        self.machine.clock.move(self.chance.randrange(MS))
        self.machine.turn()

    def thread(self) -> None:
        """One of the venue's threads goes on."""
        self.machine.clock.move(self.chance.randrange(MS))
        if not self.machine.run_thread(self.chance.randrange(4)):
            self.machine.turn()

    def hear(self) -> None:
        """The network brings bytes to a client, all or some."""
        clients = [client for client in self.clients if client.link and (client.link.to_client or client.link.is_ended)]
        if clients:
            client = self.chance.choice(clients)
            with self.machine.running():
                client.hear(ALL if self.chance.random() < 0.8 else self.chance.randrange(1, 400))
        else:
            self.thread()

    def wait(self) -> None:
        """Time passes, mostly less than a second."""
        longest = S if self.chance.random() < 0.9 else 30 * S
        self.machine.clock.move(self.chance.randrange(longest))
        self.machine.turn()

    def index(self) -> None:
        """Each index source gives a price."""
        server = self.machine.server
        assert server is not None
        venue = server.venue
        for slot, price in ((0, 20_000), (1, 1_000)):
            contract = venue.projection.contract_at(slot)
            ticks = contract.price_ticks(b"%d" % (price + self.chance.randrange(-2, 3))) * 1000
            for source in range(3):
                venue.sequencer.submit(index_row(slot, source, ticks, self.machine.clock.now_ns), None, None)
        server.turns.touch()

    def cut(self) -> None:
        """A link is reset, or goes silent on the client's side alone."""
        linked = [client for client in self.clients if client.link is not None]
        if linked:
            client = self.chance.choice(linked)
            assert client.link is not None
            if self.chance.random() < 0.6:
                client.link.cut()
            else:
                client.link.fall_silent()
            client.lost()

    def kill(self) -> None:
        """The process is killed."""
        self._fall(has_power=True)

    def lose_power(self) -> None:
        """The machine loses its power, now or in the middle of a call that comes."""
        if self.chance.random() < 0.3:
            self._fall(has_power=False)
        else:
            self.machine.disk.stop_at = self.machine.disk.calls + self.chance.randrange(1, 12)

    def lose_power_now(self) -> None:
        """The machine loses its power."""
        self._fall(has_power=False)

    def write_back(self) -> None:
        """The operating system writes some of its cache."""
        self.machine.disk.write_back_some()

    def stop(self) -> None:
        """The venue is stopped in order."""
        self.log("stops in order")
        is_read_only = self.machine.is_read_only
        self.machine.stop()
        if not is_read_only:
            audit.check_tip(self.machine)
        for client in self.clients:
            client.hear()
            client.lost()

    def jump(self) -> None:
        """The wall clock is set wrong, or right again; the steady clock does not know."""
        clock = self.machine.clock
        if clock.wrong_ns:
            clock.set_right()
        else:
            clock.jump(self.chance.choice((-3600 * S, 400 * 86_400 * S, 60 * S, -5 * S, 300 * MS)))

    def fail(self) -> None:
        """A call of the disk will fail, or it gets full, or takes writes in parts."""
        disk, kind = self.machine.disk, self.chance.randrange(4)
        self.is_faulty = True
        if kind == 0:
            disk.failing["sync"] = self.chance.randrange(4)
        elif kind == 1:
            disk.failing["pwrite"] = self.chance.randrange(4)
        elif kind == 2:
            disk.capacity_bytes = disk.used_bytes + self.chance.randrange(1 << 12)
        else:
            disk.is_short = True

    def pay_in(self) -> None:
        """The operator enters a deposit, from another process."""
        client = self.chance.choice(self.clients)
        slot, amount = client.trader.account_slot, self.chance.randrange(1, 10**6)
        self.office.add_intents([deposit(slot, amount, "simulated")], self.machine.clock.now_ns)
        self.deposits.append((slot, amount))

    @property
    def office(self) -> Registry:
        """The operator's own connection to the registry."""
        if self._office is None:
            self._office = Registry(self.machine.config.registry)
        return self._office

    # --- the end ------------------------------------------------------------------------------------------------------

    def finish(self) -> str:
        """Heal everything, have everybody told everything, and compare. The digest of all that was seen."""
        self.machine.disk.stop_at = None
        if self.machine.server is not None:
            self._do(lambda world: world.machine.settle())  # a fault that a thread has met is noticed while it counts
        if self.machine.is_read_only:
            self.stop()
        self._heal()
        self.machine.clock.set_right()
        if self.machine.server is None:
            self.boot()
        self._rest()
        for link in self.machine.links:
            if not any(link is client.link for client in self.clients):
                link.cut()
        self._rest()
        for client in self.clients:
            if client.link is None and not client.is_revoked:
                client.connect(self.machine)
        self._rest()
        self._settle_market()
        for client in self.clients:
            if client.is_live:
                client.place_last()
        self._rest()
        for client in self.clients:
            if client.is_live:
                client.check_last()
                client.ask_all()
        self._rest()
        for client in self.clients:
            if not client.is_revoked:
                if not client.is_live:
                    raise BrokenPromiseError(f"{client.trader.name}: never gets through")
                client.check()
        return audit.audit(self)

    def _settle_market(self) -> None:
        """Prices come in, and time passes until the marks follow them and the clock is trusted again."""
        for _ in range(30):
            self.machine.clock.move(S // 10)
            self.machine.settle()
        self.index()
        self.machine.clock.move(S)
        self.machine.settle()

    def _rest(self) -> None:
        """Go on until nothing is under way."""
        for _ in range(200):
            moved = False
            for client in self.clients:
                if client.link is not None and client.link.to_venue:
                    with self.machine.running():
                        client.link.carry(ALL)
                    moved = True
            self.machine.clock.move(20 * MS)
            self.machine.settle()
            for client in self.clients:
                if client.link is not None and (client.link.to_client or client.link.is_ended):
                    with self.machine.running():
                        client.hear()
                    moved = True
            if self.machine.failure is not None:
                raise BrokenPromiseError(f"the venue stops without a fault: {self.machine.failure}")
            if not moved:
                return
        raise BrokenPromiseError("the venue never comes to rest")

    def _close_office(self) -> None:
        if self._office is not None:
            self._office.close()
            self._office = None

    def close(self) -> None:
        """Let everything go."""
        self._close_office()
        if self.machine.server is not None:
            self.machine.kill()


_STEPS: dict[str, Callable[[World], None]] = {
    "send": World.send,
    "carry": World.carry,
    "turn": World.turn,
    "thread": World.thread,
    "hear": World.hear,
    "wait": World.wait,
    "index": World.index,
    "cut": World.cut,
    "kill": World.kill,
    "lose_power": World.lose_power,
    "write_back": World.write_back,
    "stop": World.stop,
    "fail": World.fail,
    "jump": World.jump,
    "pay_in": World.pay_in,
}
"""What a setting may name."""


def _silent(_: str) -> None:
    return None


def steps_of(seed: int, count: int) -> list[int]:
    """The steps of a seed."""
    chance = Random(~seed)
    return [chance.getrandbits(62) for _ in range(count)]


def run(genesis: Genesis, seed: int, steps: Sequence[int], log: Any = None, setting: Setting | None = None) -> Result:
    """Begin a world and take these steps; a setting other than the seed's is one that was kept."""
    result = _lived(World(genesis, seed, setting or setting_of(seed)), steps, log)
    gc.collect()  # the world is garbage now, with the 2 GB of addresses of each of its venues
    return result


def _lived(world: World, steps: Sequence[int], log: Any) -> Result:
    """What a world came to."""
    world.log = log or _silent
    done, digest, violation = 0, "", ""
    with world.machine.in_place():
        try:
            world.boot()
            for number in steps:
                world.step(number)
                done += 1
            digest = world.finish()
        except BrokenPromiseError as found:
            violation = str(found)
        except (AssertionError, RuntimeError, KeyError, ValueError, OSError, host.JournalError) as error:
            if log:
                raise
            violation = f"{type(error).__name__}: {error}"
        finally:
            world.close()
    seen = blake3(digest.encode() + violation.encode())
    for client in world.clients:
        for message in client.heard:
            seen.update(message)
    facts = sum(client.told.facts for client in world.clients)
    return Result(done, seen.hexdigest(), world.boots, facts, violation)
