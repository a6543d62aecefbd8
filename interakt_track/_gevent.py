"""What gevent asks for where it has patched the standard library: our threads are greenlets of its then."""

from __future__ import annotations

import sys
import threading

from ._lifecycle import register_fork

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Greenlets:
    """The greenlets that our threads run as. Unlike threads they are there in a forked child, too."""

    def __init__(self) -> None:
        self.running: set[Any] = set()

    def start_anew(self) -> None:
        """End them in the child, or they would send the parent's messages again and read its answers."""
        running, self.running = self.running, set()
        if running:
            for greenlet in running - {sys.modules["gevent"].getcurrent()}:
                greenlet.kill(block=False)


_greenlets = Greenlets()
register_fork(_greenlets)


class as_greenlet:  # noqa: N801 - used as a phrase in a with statement
    """Notes the greenlet that a thread of ours runs as, if it is one."""

    def __enter__(self) -> None:
        self._greenlet = sys.modules["gevent"].getcurrent() if _has_patched("threading") else None
        if self._greenlet is not None:
            _greenlets.running.add(self._greenlet)

    def __exit__(self, kind: type[BaseException] | None, *exc_info: object) -> bool:
        if self._greenlet is None:
            return False
        is_copy = self._greenlet not in _greenlets.running
        _greenlets.running.discard(self._greenlet)
        if kind is None or not is_copy:
            return False
        # A copy in a forked child, ended there. `threading` has forgotten it, and would complain of its end.
        threading.current_thread()  # registers it again
        return True


def have_resolver() -> None:
    """See to it that names can be looked up at exit: gevent does so in real threads, of which 3.12 starts none then."""
    if _has_patched("socket"):
        pool = sys.modules["gevent"].get_hub().threadpool
        if not pool.size:
            pool.spawn(int)


def _has_patched(module: str) -> bool:
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched(module))
