"""The compiled path against the sessions: the same rows and the same replies, byte for byte, or it leaves the message.

An input is a turn of one connection: up to sixteen messages. Each is read both ways, then all of them are sent as
frames and every reply that compiled code made is made again by the session.
"""

import re
from pathlib import Path
from random import Random

from bench.gateway_load import client_frame
from gateway.net.websocket_input import hand_over
from gateway.plain_orders.compiled_path import CompiledPath
from gateway.sessions.actions import Submit
from tests.fuzz.mutate import below, mutated
from tests.fuzz.target import Target, Wrong
from tests.fuzz.targets.json_requests import made_request
from tests.fuzz.venue import INPUT_NS, FuzzedVenue
from tests.gateway.plain_orders.test_compiled_path import OTHER, PLAIN

BETWEEN = b"\n\xff\n"
"""Between the messages of an input: no message that may be plain has it."""
MOST = 16
_NOT_HERE = (b"logout", b"subscribe", b"heartbeat", b"resume", b"auth", b"withdraw_prof")
_US = re.compile(rb'"usOut":\d+,"usDiff":\d+')
_PRICES = (b"19000", b"19500", b"20000", b"20000.5", b"20100", b'"19999.5"', b"20000.25", b"1", b"0", b"20500.0")
_AMOUNTS = (b"0.01", b"0.02", b"1", b'"0.05"', b"0.0001", b"0.1", b"0", b"10", b"0.00001")
_NAMES = (b"BTC_USDC-PERPETUAL", b"BTC_USDC-PERPETUAL", b"ETH_USDC-PERPETUAL")
_EXTRAS = (
    b'"label":"bot"', b'"cl_ord_id":%d', b'"post_only":true', b'"reduce_only":true', b'"reject_post_only":true',
    b'"time_in_force":"immediate_or_cancel"', b'"time_in_force":"fill_or_kill"', b'"type":"market"', b'"type":"limit"',
    b'"cl_ord_id":"%d"', b'"post_only":false', b'"time_in_force":"good_til_cancelled"', b'"label":"%d"',
)  # fmt: skip


def made_order(chance: Random) -> bytes:
    """An order or a cancel that compiled code may take."""
    number = below(chance, 1000)
    if chance.random() < 0.25:
        key = (b'"cl_ord_id":%d', b'"cl_ord_id":"%d"', b'"order_id":"%d"')[below(chance, 3)]
        value = 4194305 + below(chance, 500) if b"order" in key else below(chance, 60)
        return b'{"jsonrpc":"2.0","id":%d,"method":"private/cancel","params":{%b}}' % (number, key % value)
    parts = [b'"instrument_name":"%b"' % _NAMES[below(chance, 3)], b'"amount":%b' % _AMOUNTS[below(chance, 9)]]
    if chance.random() < 0.95:
        parts.append(b'"price":%b' % _PRICES[below(chance, len(_PRICES))])
    for _ in range(below(chance, 3)):
        extra = _EXTRAS[below(chance, len(_EXTRAS))]
        parts.append(extra % below(chance, 60) if b"%d" in extra else extra)
    chance.shuffle(parts)
    side = (b"buy", b"sell")[below(chance, 2)]
    return b'{"jsonrpc":"2.0","id":%d,"method":"private/%b","params":{%b}}' % (number, side, b",".join(parts))


class CompiledOrders(Target):
    """Turns of one trader, now and then of the other."""

    name = "compiled"
    round_inputs = 200_000
    ending = "txt"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.fuzzed = FuzzedVenue(folder, confirm_value=0)
        self.made = self.fuzzed.made
        self._taken = self._left = 0
        compiled_path = self.made.sequencer.compiled_path
        original = compiled_path.replies

        def compared(run, complete):
            for index in range(run.first, run.end):
                if not compiled_path._slow[index]:
                    self._taken += 1
                    made = compiled_path._frames(index, index + 1)
                    wanted = compiled_path._slow_reply(run, index, complete)
                    if _US.sub(b"", _payload(made)) != _US.sub(b"", _payload(wanted)):
                        raise Wrong(f"the compiled reply is {made!r:.500}, the session's {wanted!r:.500}")
            return original(run, complete)

        compiled_path.replies = compared
        self._before = CompiledPath.has_slow
        CompiledPath.has_slow = True  # so that the sequencer makes the rows that the session's replies are made of

    def bases(self) -> list[bytes]:
        return [*PLAIN, *(message for message in OTHER if BETWEEN not in message)]

    def make(self, chance: Random, pool: list[bytes]) -> bytes:
        messages = []
        for _ in range(1 + below(chance, MOST)):
            do = chance.random()
            if do < 0.6:
                message = made_order(chance)
            elif do < 0.9:
                message = pool[below(chance, len(pool))].split(BETWEEN)[0]
            else:
                message = made_request(chance)
            messages.append(mutated(message, chance) if chance.random() < 0.3 else message)
        return BETWEEN.join(message.replace(BETWEEN, b"") for message in messages)

    def count(self, data: bytes) -> int:
        return data.count(BETWEEN) + 1

    def check(self, data: bytes) -> str:
        fuzzed, made, messages = self.fuzzed, self.made, data.split(BETWEEN)
        session, taken = made.sessions[0], 0
        fuzzed.clock.steady_now_ns += INPUT_NS * len(messages)
        for message in messages:
            if _closes(message):
                continue
            rows = made.read(message)
            if rows is not None:
                taken += 1
                actions = session.receive(message, fuzzed.clock.steady_ns())
                if type(actions[0]) is not Submit or actions[0].rows != rows:
                    raise Wrong(f"the session makes other rows of {message!r:.400}")
        self._taken = 0
        sendable = [message for message in messages if not _closes(message)]
        reader, origin, library = made.reader()
        hand_over(reader, b"".join(map(client_frame, sendable)))
        fuzzed.settle()
        self._check_answers(sendable, origin, library)
        if session.closed or not session.is_trader:
            made.sessions[0] = fuzzed.new_session(0)
        return f"{taken} taken {self._taken} replied {_answer_kinds(origin.frames)}"

    def _check_answers(self, messages: list[bytes], origin, library) -> None:
        if library.given:
            raise Wrong(f"the library was given {bytes(library.given)!r:.300}")
        answers = sum(frame.count(b'{"jsonrpc":"2.0","id":') for frame in origin.frames)
        if answers != len(messages) and not origin.session.closed:
            raise Wrong(f"{answers} answers to {len(messages)} messages")

    def close(self) -> None:
        CompiledPath.has_slow = self._before
        self.fuzzed.close()


def _payload(frame: bytes) -> bytes:
    return frame[4:] if frame[1] == 126 else frame[2:] if frame[1] < 126 else frame[10:]


def _closes(message: bytes) -> bool:
    """Methods that end the connection, make pushes, or act later are sent by the other target."""
    return any(word in message for word in _NOT_HERE)


def _answer_kinds(frames: list[bytes]) -> str:
    text = b"".join(frames)
    reasons = sorted(set(re.findall(rb'"reason":"([A-Z_]{3,40})', text)))[:3]
    return f"{b'result' in text} {b','.join(reasons).decode()}"


