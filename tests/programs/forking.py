"""What the scripts of `tests/test_fork.py` and `tests/test_spool_fork.py` fork with.

It imports little: that the SDK imports something while a process forks is tested, too.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable


def in_child(work: Callable[[], object], fork: Callable[[], int] = os.fork) -> int:
    """Fork, and have the child do something and end, with status 1 where it raised; return its number."""
    pid = fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - a child that went on would be a second test
            traceback.print_exc()
            os._exit(1)
    return pid


def wait_for(pid: int) -> None:
    """Wait for a child that has to end well; one that hangs is killed, and ends the script."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            assert status == 0, f"the child ended with {status}"
            return
        time.sleep(0.01)
    os.kill(pid, 9)
    sys.exit("the child hangs")
