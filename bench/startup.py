"""How long a process takes until the engine is ready: with nothing compiled yet, and with compiled code in place."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import engine
from bench.measurement import BenchError, Measurement, Plan, best_of, one_digest

_READY = """
import json
from engine import host
from engine.codes import Mode
{ready}
print(json.dumps(host.digest(host.create(host.SMALL, Mode.RESEARCH))))
"""
_FULL = _READY.format(ready="host.warm_up()")
_SMALL = _READY.format(ready="")


def starts(plan: Plan) -> list[Measurement]:
    """One cold start in an empty cache folder, then warm ones; the small size compiles one entry alone."""
    what = "everything that the engine calls" if plan.full else "the entry that makes a state"
    with tempfile.TemporaryDirectory(prefix="lionrock-bench-") as folder:
        plan.progress("cold start, a minute at most")
        cold_s, digest = start(Path(folder), plan.full)
        compiled = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
        warm: list[float] = []
        digests = [digest]
        for turn in range(plan.runs):
            plan.progress(f"warm start, run {turn + 1} of {plan.runs}")
            seconds, digest = start(Path(folder), plan.full)
            warm.append(seconds)
            digests.append(digest)
    digest = one_digest("start", digests)
    workload = f"a new process from its start to its end, {what}"
    kept = f"one run; {compiled / 1e6:,.1f} MB of compiled code kept"
    note = best_of(warm, "s")
    return [
        Measurement("start-cold", round(cold_s, 3), "s", f"{workload} compiled", None, digest, note=kept),
        Measurement("start-warm", round(min(warm), 3), "s", f"{workload} loaded", None, digest, note=note),
    ]


def start(cache: Path, everything: bool) -> tuple[float, str]:
    """Seconds that a process took with this cache folder, and the digest of the state that it made."""
    environment = os.environ | {"LIONROCK_CACHE_DIR": str(cache)}
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _FULL if everything else _SMALL],
        cwd=Path(engine.__file__).parents[1],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - begun
    if done.returncode:
        raise BenchError(f"the started process failed: {done.stderr.strip().splitlines()[-1:]}")
    return seconds, str(json.loads(done.stdout))
