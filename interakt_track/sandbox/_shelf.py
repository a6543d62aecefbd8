"""A shelf of numbered things: the oldest leave where there are too many, or too many bytes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

Thing = TypeVar("Thing")


class Shelf(Generic[Thing]):
    """Keeps the newest things. The newest one stays, however large it is.

    Args:
        keep: How many things.
        keep_bytes: How many bytes of them, as `put` is told.
    """

    def __init__(self, keep: int, keep_bytes: int) -> None:
        self._keep = keep
        self._keep_bytes = keep_bytes
        self._things: dict[int, tuple[Thing, int]] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._things)

    def __contains__(self, number: int) -> bool:
        return number in self._things

    def __iter__(self) -> Iterator[Thing]:
        """Give the things, oldest first."""
        return (thing for thing, _ in self._things.values())

    def __reversed__(self) -> Iterator[Thing]:
        """Give the things, newest first."""
        return (thing for thing, _ in reversed(self._things.values()))

    def find(self, number: int) -> Thing | None:
        """Return the thing of this number; None when it has left, or never was."""
        found = self._things.get(number)
        return found[0] if found else None

    def put(self, number: int, thing: Thing, size: int) -> list[int]:
        """Add a thing with a number that no other one had; return the numbers of those that leave for it."""
        self._things[number] = (thing, size)
        self._bytes += size
        gone: list[int] = []
        while len(self._things) > self._keep or (self._bytes > self._keep_bytes and len(self._things) > 1):
            oldest = next(iter(self._things))
            self._bytes -= self._things.pop(oldest)[1]
            gone.append(oldest)
        return gone

    def replace(self, number: int, thing: Thing) -> bool:
        """Put a thing of the same size in another's place; False when that one has left."""
        if number not in self._things:
            return False
        self._things[number] = (thing, self._things[number][1])
        return True
