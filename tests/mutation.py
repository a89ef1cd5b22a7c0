"""Breaks the engine in one place and plays scripts with it until one notices: each break must be noticed by one.

`python -m tests.mutation [--money] [--all] [--record] [WORDS]` plays all mutants, those of money, or those whose names
have some words, with all scripts, and prints the table. `--all` goes on behind the first script that notices.
`--record` writes down which script noticed each first: the suite then plays that one alone.

The engine runs without its compiler. One process loads it with all scripts and forks a child for each mutant; the child
puts the broken function's code in the place of the whole one's.
"""

import argparse
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

ROOT = Path(__file__).parents[1]
RECORD = Path(__file__).with_name("noticed_by.json")
COMMAND_SECONDS = 3.0
"""Processor time after which a command counts as an endless loop; it takes a hundredth of that."""
SCRIPT_SECONDS = 60.0
"""The same for what no command ends."""
REMINDER_SECONDS = 0.5
"""The interruption is repeated: one that falls into a call back from numpy is swallowed there."""
MISTAKES = (NameError, TypeError, AttributeError, ImportError)
"""A name or a type that does not exist is a mistake of the mutant. All else that a broken engine raises is a notice."""


@dataclass(frozen=True)
class Mutant:
    """One break: in a file of the engine, one place of a text becomes another."""

    name: str
    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Outcome:
    """Which script noticed a mutant, how, and what it took; the script is empty when none did."""

    script: str = ""
    error: str = ""
    seconds: float = 0.0
    others: tuple[str, ...] = ()


# --- breaking -----------------------------------------------------------------------------------------------------


def broken(mutant: Mutant, source: str) -> str:
    """The text of the engine's file with the break; its old text must be there exactly once."""
    found = source.count(mutant.old)
    if found != 1:
        raise ValueError(f"{mutant.name}: its text is {found} times in {mutant.file}; bring the patch up to date")
    return source.replace(mutant.old, mutant.new)


def break_copy(mutant: Mutant, package: Path) -> None:
    """Break a copy of the engine in a folder, for a process of its own."""
    path = package / mutant.file
    path.write_text(broken(mutant, path.read_text()))


def _functions(code: CodeType) -> list[CodeType]:
    return [constant for constant in code.co_consts if isinstance(constant, CodeType)]


def _same(code: CodeType, other: CodeType) -> bool:
    """Whether two pieces of code do the same, wherever they stand."""
    if (code.co_code, code.co_names, code.co_varnames) != (other.co_code, other.co_names, other.co_varnames):
        return False
    pairs = zip(code.co_consts, other.co_consts, strict=False)
    kinds = (repr(a) == repr(b) if not isinstance(a, CodeType) else _same(a, b) for a, b in pairs)
    return len(code.co_consts) == len(other.co_consts) and all(kinds)


def changes(mutant: Mutant) -> Iterator[tuple[FunctionType, CodeType]]:
    """The functions of the engine that a mutant breaks, with their broken code."""
    path = ROOT / "engine" / mutant.file
    source = path.read_text()
    whole = compile(source, str(path), "exec", dont_inherit=True)
    wrong = compile(broken(mutant, source), str(path), "exec", dont_inherit=True)
    module = importlib.import_module(f"engine.{path.stem}")
    if whole.co_code != wrong.co_code or whole.co_names != wrong.co_names:
        raise ValueError(f"{mutant.name}: only what stands in a function can be broken")
    for right, code in zip(_functions(whole), _functions(wrong), strict=True):
        if not _same(right, code):
            function = getattr(module, right.co_name)
            assert function.__code__ == right, f"{mutant.name}: {right.co_name} is not the function that is used"
            yield function, code


def break_engine(mutant: Mutant) -> None:
    """Break the engine of this process for good."""
    found = list(changes(mutant))
    if not found:
        raise ValueError(f"{mutant.name}: nothing has become different")
    for function, code in found:
        function.__code__ = code


# --- playing ------------------------------------------------------------------------------------------------------


def _give_up(*_: object) -> None:
    raise TimeoutError("the engine does not come back from a command")


def _wind(seconds: float) -> None:
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, REMINDER_SECONDS if seconds else 0)


def watch_commands() -> None:
    """From now on no command of a pair may take much longer than it should."""
    from tests.pair import Pair

    signal.signal(signal.SIGVTALRM, _give_up)
    send = Pair.send

    def timed(self: Any, *arguments: Any, **fields: Any) -> Any:
        _wind(COMMAND_SECONDS)
        return send(self, *arguments, **fields)

    Pair.send = timed  # type: ignore[method-assign]


def play(names: list[str], to_the_end: bool = False) -> Outcome:
    """Play scripts until one notices something, or all of them."""
    from tests.mutant_scripts import SCRIPTS

    begun, first, others = time.process_time(), None, []
    for name in names:
        try:
            _wind(SCRIPT_SECONDS)
            SCRIPTS[name]()
        except Exception as error:
            _wind(0)
            text = f"{type(error).__name__}: {str(error)[:600]}"
            if isinstance(error, MISTAKES):
                raise
            first = first or Outcome(name, text, round(time.process_time() - begun, 2))
            others.append(name)
            if not to_the_end:
                return first
        finally:
            _wind(0)
    first = first or Outcome(seconds=round(time.process_time() - begun, 2))
    return Outcome(first.script, first.error, first.seconds, tuple(others))


def _in_a_child(mutant: Mutant | None, names: list[str], to_the_end: bool) -> dict[str, Any]:
    """The outcome of a mutant in a process of its own."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        with os.fdopen(writer, "w") as answer:
            try:
                if mutant:
                    break_engine(mutant)
                answer.write(json.dumps(vars(play(names, to_the_end))))
            except BaseException as error:
                answer.write(json.dumps({"mistake": f"{type(error).__name__}: {error}"[:2000]}))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return dict(json.loads(text or '{"mistake": "the process ended without a word"}'))


def _serve() -> None:
    """One line of JSON for each mutant in, one out."""
    watch_commands()
    importlib.import_module("tests.mutant_scripts")
    for line in sys.stdin:
        order = json.loads(line)
        mutant = Mutant(**order["mutant"]) if order["mutant"] else None
        print(json.dumps(_in_a_child(mutant, order["scripts"], order["to_the_end"])), flush=True)


class Bench:
    """The side that asks: starts the process that has everything loaded, and ends it with `close`."""

    def __init__(self) -> None:
        environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.mutation", "--serve"], cwd=ROOT, env=environment, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, mutant: Mutant | None, names: list[str], to_the_end: bool = False) -> Outcome:
        """What becomes of a mutant, or with None of the engine as it is."""
        assert self._process.stdin and self._process.stdout
        order = {"mutant": vars(mutant) if mutant else None, "scripts": names, "to_the_end": to_the_end}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "mistake" not in answer, answer["mistake"]
        return Outcome(**answer | {"others": tuple(answer["others"])})

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


# --- the table ----------------------------------------------------------------------------------------------------


def recorded() -> dict[str, str]:
    """Which script noticed each mutant first when all were played."""
    return dict(json.loads(RECORD.read_text())) if RECORD.exists() else {}


def _show(name: str, file: str, outcome: Outcome) -> None:
    noticed = ", ".join(outcome.others) or outcome.script or "NOBODY NOTICES"
    print(f"{name[:72]:72}  {file[:24]:24}  {outcome.seconds:6.1f} s  {noticed}", flush=True)


def _run(groups: list[tuple[tuple[Mutant, ...], list[str]]], asked: argparse.Namespace) -> dict[str, Outcome]:
    """Play some mutants with the scripts of their group, one row of the table for each."""
    bench, found = Bench(), {}
    try:
        whole = bench.run(None, sorted({name for _, names in groups for name in names}))
        if whole.script:
            raise SystemExit(f"the engine as it is does not pass {whole.script}: {whole.error}")
        print(f"the engine as it is passes all scripts in {whole.seconds} s", flush=True)
        for mutants, names in groups:
            for mutant in mutants:
                if all(word in mutant.name for word in asked.words):
                    found[mutant.name] = bench.run(mutant, names, asked.all)
                    _show(mutant.name, mutant.file, found[mutant.name])
    finally:
        bench.close()
    return found


def main() -> int:
    """Play the mutants that are asked for and print the table; 1 when one is noticed by no script."""
    from tests.mutants import MUTANTS
    from tests.mutants_of_money import MONEY_MUTANTS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option in ("--serve", "--money", "--all", "--record"):
        parser.add_argument(option, action="store_true")
    parser.add_argument("words", nargs="*")
    asked = parser.parse_args()
    if asked.serve:
        _serve()
        return 0
    from tests.mutant_scripts import MONEY_SCRIPTS, ORDER_SCRIPTS

    groups = [(MONEY_MUTANTS, list(MONEY_SCRIPTS))]
    if not asked.money:
        groups.insert(0, (MUTANTS, list(ORDER_SCRIPTS)))
    found = _run(groups, asked)
    survivors = [name for name, outcome in found.items() if not outcome.script]
    total = sum(outcome.seconds for outcome in found.values())
    print(f"{len(found)} mutants, {len(survivors)} of them unnoticed, {total:.0f} s", *survivors, sep="\n")
    if asked.record:
        kept = recorded() | {name: outcome.script for name, outcome in found.items() if outcome.script}
        RECORD.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
