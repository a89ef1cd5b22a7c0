"""What a serving process does with memory: that of one turn's answers is there for the next turn's."""

import ctypes
import subprocess
import sys

import pytest

ANSWERS = """
import resource, sys
from gateway.commands.serving import tune

def faults_of_a_turn():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    answers = [bytes(1 << 18) for _ in range(64)]
    del answers
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if sys.argv[1] == "tuned":
    tune(0.0005)
for _ in range(3):
    faults_of_a_turn()
print(faults_of_a_turn())
"""
PAGES = (64 << 18) // 4096


def faults(how):
    done = subprocess.run([sys.executable, "-c", ANSWERS, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="not the GNU C library")
def test_the_memory_of_a_turns_answers_stays_for_the_next_turn():
    assert faults("plain") > PAGES // 4
    assert faults("tuned") < PAGES // 20
