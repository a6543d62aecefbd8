"""Who is in a weak set, read in one piece while others come and go."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _weakrefset import WeakSet
    from typing import TypeVar

    T = TypeVar("T")


def members(of: WeakSet[T]) -> list[T]:
    """Return those who are in it, of one moment.

    Reading a weak set is Python code, amid which a signal handler's call, or another thread, may add one; no lock helps
    where the handler runs in the thread that has it.
    """
    while True:
        try:
            return list(of)
        except RuntimeError:  # it has another size by now
            continue
