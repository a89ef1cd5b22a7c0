"""A journal that is shorter than what the data folder shows of it, and going on without what is missing.

Going on is a decision of a person, who names the sequence at which the journal ends and a reason. It is kept as a
change of the registry, which the log vouches for. What the registry had noted as done in the missing part is listed.
Opened accounts, limits, states and the like are done again, for the registry's own rows stand on them. Money that was
paid in or out is not, unless the person says so: only a person knows whether the payment outside took place.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine import host
from engine.codes import CommandKind
from gateway.audit_trail.verify_registry import ACCEPTED
from gateway.config import Config
from gateway.registry import lost_intents
from gateway.registry.registry import Intent, Registry, RegistryError

REPEAT, LEAVE = "repeat", "leave"
MONEY = frozenset({CommandKind.DEPOSIT, CommandKind.WITHDRAW, CommandKind.FUND_DEPOSIT})
"""What is done once too often or not at all if it is done again without asking."""
LISTED = 20
_READ_MODEL = re.compile(r"projection-(?:\d+-)?(\d{20})\.\w+")


@dataclass(frozen=True)
class AcceptedLoss:
    """A person's decision to go on from `seq`. `money` is REPEAT or LEAVE; empty when nothing has to be said."""

    seq: int
    reason: str
    money: str = ""


def expected(config: Config, registry: Registry, accepted: AcceptedLoss | None) -> host.Expected:
    """What the data folder shows of its log besides the journal's own files. RegistryError as from `check_decided`."""
    if accepted is not None:
        check_decided(registry, accepted)
        return host.Expected((), accepted.seq, _beyond(config, accepted.seq))
    proofs = [host.Proof(seq, None, f"the read model {path}") for path, seq in _read_models(config)]
    place = f"the registry {config.registry}"
    kept = registry.log_tip()
    if kept is not None:
        proofs.append(host.Proof(*kept, place))
    proofs.append(host.Proof(registry.last_applied(), None, place))
    return host.Expected(proofs)


def check_decided(registry: Registry, accepted: AcceptedLoss) -> None:
    """RegistryError when money was paid in or out in the missing part and nobody has said what becomes of it."""
    money = [intent for intent in lost_intents.applied_beyond(registry, accepted.seq) if intent.kind in MONEY]
    if money and not accepted.money:
        listed = ", ".join(_line(registry, intent) for intent in money[:LISTED])
        more = f" and {len(money) - LISTED} more" if len(money) > LISTED else ""
        raise RegistryError(
            f"--accept-loss {accepted.seq}: the missing part has {len(money)} payments: {listed}{more}; add "
            f"--lost-payments {REPEAT} to enter them again, or --lost-payments {LEAVE} to leave them out"
        )


def settle(registry: Registry, accepted: AcceptedLoss, set_aside: Sequence[Path], now_ns: int) -> list[str]:
    """Keep the decision in the registry and have what was lost with the log done again or left; a line for each."""
    lost = lost_intents.applied_beyond(registry, accepted.seq)
    left = [intent for intent in lost if intent.kind in MONEY and accepted.money != REPEAT]
    params = {
        "accepted_seq": accepted.seq, "lost_payments": accepted.money,
        "left": [intent.reference for intent in left],
        "done_again": [intent.reference for intent in lost if intent not in left],
        "set_aside": [str(path) for path in set_aside],
    }  # fmt: skip
    with registry.transaction():
        lost_intents.leave(registry, [intent.reference for intent in left])
        lost_intents.do_again(registry, accepted.seq)
        number = registry.insert_change((ACCEPTED, json.dumps(params), accepted.reason, 0, 0, now_ns, now_ns, "done"))
        registry.vouch(number, now_ns)
    return [f"{'left out' if intent in left else 'done again'}: {_line(registry, intent)}" for intent in lost]


def _line(registry: Registry, intent: Intent) -> str:
    """An intent for a person."""
    words = [f"change {intent.reference}", CommandKind(intent.kind).name]
    if intent.account_slot >= 0:
        words.append(f"account {registry.account_at(intent.account_slot).name}")
    if intent.amount_micros:
        words.append(f"{intent.amount_micros:,} millionths")
    return " ".join(words)


def _read_models(config: Config) -> list[tuple[Path, int]]:
    """The saved read models and the sequences that they are of."""
    found = [(path, _READ_MODEL.fullmatch(path.name)) for path in sorted(Path(config.data).glob("projection-*"))]
    return [(path, int(match[1])) for path, match in found if match]


def _beyond(config: Config, seq: int) -> list[Path]:
    """Files made from commands behind a sequence: they must not meet the log that goes on from there."""
    history = sorted(Path(config.data).glob("history.db*"))
    return [path for path, of_seq in _read_models(config) if of_seq > seq] + history
