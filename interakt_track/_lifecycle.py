"""The process around the clients: leaving it, and forking it."""

from __future__ import annotations

import atexit
import mmap
import os
import sys
import threading
from _weakrefset import WeakSet  # what `weakref` has it from, and `threading`; `weakref` is a millisecond
from time import monotonic

from ._account import ACCOUNTS
from ._members import members

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Forks(Protocol):
        """What holds a lock, or more of the parent's."""

        def start_anew(self) -> None:
            """Forget the parent's messages, threads and locks."""

    class Lives(Forks, Protocol):
        """What leaves and forks with the process."""

        def hasten(self) -> None:
            """Release what waits."""

        def leave(self, started: float, /) -> None:
            """Send what can be sent in the client's `shutdown_timeout` from `started`, and report the rest."""


_WIPE_ON_FORK = 18  # Linux' MADV_WIPEONFORK, which `mmap` has no name for


def _mark_of_process() -> mmap.mmap | None:
    """Return memory whose first byte is 1 here and 0 in a forked child, whoever forked it; None where there is none.

    A look at it takes a tenth of the time in which the system tells the process id.
    """
    if sys.platform == "linux":
        page = mmap.mmap(-1, 1, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        # Before Linux 4.14 it cannot be had; an emulator that agrees to any advice does nothing.
        if _agrees(page, _WIPE_ON_FORK) and not _agrees(page, -1):
            page[0] = 1
            return page
    return None


def _agrees(page: mmap.mmap, advice: int) -> bool:
    try:
        page.madvise(advice)
    except OSError:
        return False
    return True


_living: WeakSet[Lives] = WeakSet()
_held: set[Lives] = set()
_forking: WeakSet[Forks] = WeakSet()
_pid = os.getpid()
_mark = _mark_of_process()
_is_leaving = not threading.main_thread().is_alive()  # imported by an exit handler: the one below would never run
_watched: dict[str, int] = {}


def register(engine: Lives) -> None:
    """Let what sends take part in exit and fork."""
    _living.add(engine)
    _forking.add(engine)


def hold(engine: Lives) -> None:
    """Keep what sends until exit, where it has no thread that keeps it: its client may be nobody's any more."""
    _held.add(engine)


def register_fork(holder: Forks) -> None:
    """Let what holds a lock take part in forks: a thread that is not there in the child may hold it."""
    _forking.add(holder)


def watch_exit() -> None:
    """See to it that this process's exit is noticed; called when the first thread of a client starts.

    Children of multiprocessing, and of billiard (Celery's own), end without the atexit handlers, after finalizers.
    Those of Celery's pool end without finalizers, too; what they send is a signal of Celery's.
    """
    signals = sys.modules.get("celery.signals")
    if signals is not None:
        signals.worker_process_shutdown.connect(_leave_pool, weak=False, dispatch_uid="interakt-track")
    for package in ("multiprocessing", "billiard"):
        process, util = sys.modules.get(f"{package}.process"), sys.modules.get(f"{package}.util")
        if process is None or util is None or _watched.get(package) == os.getpid():
            continue
        if type(process.current_process()).__name__ != "_MainProcess":
            _watched[package] = os.getpid()
            util.Finalize(None, _leave, exitpriority=-100)  # after the finalizers of the application


def is_leaving() -> bool:
    """Tell whether the process has begun to exit: no thread may start any more, and no handler will run again."""
    return _is_leaving


def needs_care() -> bool:
    """Tell whether a call cannot leave its message to threads as usual: the process exits, or was forked unnoticed."""
    return _is_leaving or (os.getpid() != _pid if _mark is None else not _mark[0])


def is_forked() -> bool:
    """Tell whether this is a child that no fork hook has told so: a C-level fork, as uWSGI's, runs none."""
    return os.getpid() != _pid if _mark is None else not _mark[0]


def start_anew_after_fork() -> None:
    """Make this process's clients its own; called by the fork hook, or by the first call that finds itself forked."""
    global _pid  # noqa: PLW0603 - this module owns it
    _pid = os.getpid()
    if _mark is not None:
        _mark[0] = 1
    ACCOUNTS.forget()
    for holder in members(_forking):
        holder.start_anew()


def _leave() -> None:
    """Give all clients one deadline each, counted from the same moment."""
    global _is_leaving  # noqa: PLW0603 - this module owns it
    _is_leaving = True
    started = monotonic()
    engines = members(_living)
    for engine in engines:
        engine.hasten()  # first, so that none waits for another one's end
    for engine in engines:
        engine.leave(started)


def _leave_pool(**_: object) -> None:
    _leave()


# At import, not at the first message: a handler registered while handlers run would never run.
atexit.register(_leave)
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=start_anew_after_fork)
