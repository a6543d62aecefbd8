"""The SDK's own threads: daemons, named, and known as ours."""

from __future__ import annotations

import threading

from ._gevent import as_greenlet
from ._lifecycle import register_fork
from ._logs import Quiet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Own:
    """How deep which thread is in work of the SDK.

    Not a `threading.local`: where gevent patches after this was imported (as gunicorn's gevent workers do with
    `--preload`), all greenlets would share one. `threading.get_ident` tells them apart from then on.
    """

    def __init__(self) -> None:
        self.start_anew()

    def start_anew(self) -> None:
        """Forget it: the thread that forked, in `on_error` perhaps, is the application's in the child."""
        self.depths: dict[int, int] = {}


_own = Own()
register_fork(_own)
_quiet = Quiet()
register_fork(_quiet)


def start_thread(name: str, run: Callable[[], None]) -> bool:
    """Run a function in a daemon thread of the SDK.

    Returns:
        False where no thread can be started: at interpreter shutdown (Python 3.12+), or where the system or the host
        (a sandbox, uWSGI without threads) refuses one. The caller's work then has to be done in a thread that exists.
    """
    thread = threading.Thread(target=_run_as_own, args=(run,), name=f"interakt-track-{name}", daemon=True)
    try:
        thread.start()
    except (RuntimeError, MemoryError) as error:
        if "shutdown" not in str(error):
            _quiet.warn("thread", "no thread can be started here; messages are sent by flush, shutdown and exit")
        return False
    return True


def is_own_thread() -> bool:
    """Tell whether the calling thread works for the SDK: waiting for the SDK in it would wait for ever."""
    return threading.get_ident() in _own.depths


class as_own_thread:  # noqa: N801 - used as a verb in a with statement
    """Marks the calling thread as working for the SDK, where none of ours can be started."""

    def __enter__(self) -> None:
        self._ident = threading.get_ident()
        _own.depths[self._ident] = _own.depths.get(self._ident, 0) + 1

    def __exit__(self, *exc_info: object) -> None:
        depth = _own.depths.pop(self._ident, 1) - 1  # forgotten in a child that was forked in here
        if depth > 0:
            _own.depths[self._ident] = depth


def _run_as_own(run: Callable[[], None]) -> None:
    with as_own_thread(), as_greenlet():
        run()
