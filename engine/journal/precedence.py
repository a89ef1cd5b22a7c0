"""Whoever all answers wait for gets its core at once: the journal's thread when the disk is done, and the publisher.

Where one shares the core with the venue's loop, the scheduler lets whoever runs finish its slice first. On many kernels
that takes milliseconds, and a sync a tenth of one.
"""

import os

PRIORITY = 1
"""The lowest of the real-time priorities: before every ordinary thread, behind what the system itself has there."""


def take_precedence() -> bool:
    """Have the calling thread run before ordinary ones. Whether the system permits it: CAP_SYS_NICE or RLIMIT_RTPRIO.

    Threads and processes that it begins are ordinary ones again.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(PRIORITY))
    except OSError:
        return False
    return True
