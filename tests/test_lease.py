"""The locks beside a spool: held by one or shared, gone with the process, not inherited."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from interakt_track import _lease
from interakt_track._lease import FileLock

HOLD = """
import sys, signal
from interakt_track._lease import FileLock
lock = FileLock(sys.argv[1])
print(lock.take(is_shared=sys.argv[2] == "shared"), flush=True)
signal.pause()
"""


def hold(path: Path, how: str) -> subprocess.Popen[str]:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(path), how], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "True\n"
    return holder


def end(holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.communicate()


@pytest.mark.parametrize(("held", "wanted", "is_free"), [
    ("exclusive", False, False), ("exclusive", True, False), ("shared", False, False), ("shared", True, True),
])  # fmt: skip
def test_what_another_process_holds(tmp_path: Path, held: str, wanted: bool, is_free: bool) -> None:
    lock = FileLock(str(tmp_path / "lock"))
    holder = hold(tmp_path / "lock", held)

    assert lock.take(is_shared=wanted) is is_free
    lock.let_go()
    end(holder)

    assert lock.take()
    assert lock.is_held()
    lock.let_go()
    assert not lock.is_held()


def test_a_stopped_process_holds_it_still(tmp_path: Path) -> None:
    lock = FileLock(str(tmp_path / "lock"))
    holder = hold(tmp_path / "lock", "exclusive")
    holder.send_signal(signal.SIGSTOP)

    assert not lock.take()
    end(holder)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_that_forgets_it_neither_holds_nor_frees_it(tmp_path: Path) -> None:
    lock, other = FileLock(str(tmp_path / "lock")), FileLock(str(tmp_path / "lock"))
    assert lock.take()

    child = os.fork()
    if child == 0:
        lock.forget()
        os._exit(0 if not lock.is_held() and not other.take() else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0
    assert not other.take()
    lock.let_go()

    assert other.take()
    other.let_go()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_waits_for_a_lock_that_is_being_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the child would hold it, not knowing that, for as long as it lives."""
    lock, take = FileLock(str(tmp_path / "lock")), _lease._lock
    is_taking = threading.Event()

    def take_slowly(file: int, *, is_shared: bool) -> bool:
        is_taking.set()
        time.sleep(0.3)  # a fork that does not wait comes within it
        return take(file, is_shared=is_shared)

    monkeypatch.setattr(_lease, "_lock", take_slowly)
    thread = threading.Thread(target=lock.take)
    thread.start()
    is_taking.wait()

    child = os.fork()
    if child == 0:
        os._exit(0 if lock.is_held() else 1)
    _, status = os.waitpid(child, 0)
    thread.join()

    assert status == 0
    assert lock.is_held()
    lock.let_go()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        FileLock(str(tmp_path / "missing" / "lock")).take()
