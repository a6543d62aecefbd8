"""The people that messages are about, as the API would hold them; bounded in memory."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ._person import KEEP_ALIASES, Person, held_by

if TYPE_CHECKING:
    from ._records import Request

KEEP = 2_000  # people
KEEP_BYTES = 32 << 20  # of their traits, tags and identifiers as JSON
LIKE_A_PHONE = re.compile(r"[\d\s()+.-]*\d[\d\s()+.-]*")

Identifier = tuple[str, str]
"""`("user_id", …)` or `("phone", …)`, the latter with a plus and its country code where it is known."""


def identifiers(body: dict[str, Any]) -> list[Identifier]:
    """Return what a body says of whom it is about; also of a body that is refused, so nothing of it can be trusted."""
    found: list[Identifier] = []
    user_id, number, code, whole = (
        body.get(name) for name in ("userId", "phoneNumber", "countryCode", "fullPhoneNumber")
    )
    if isinstance(user_id, str) and user_id:
        found.append(("user_id", user_id))
    if isinstance(number, str) and number:
        found.append(("phone", f"{code if isinstance(code, str) else ''}{number}"))
    if isinstance(whole, str) and whole and ("phone", f"+{whole}") not in found:
        found.append(("phone", f"+{whole}"))
    return found


class People:
    """Everybody that received messages were about; who was inactive the longest leaves first.

    Messages that share an identifier are about one person: who is known by an id and, in a later message, by a phone
    number too becomes one with whoever had that number.
    """

    def __init__(self, keep: int = KEEP, keep_bytes: int = KEEP_BYTES) -> None:
        self._keep = keep
        self._keep_bytes = keep_bytes
        self.forget()

    def forget(self) -> None:
        """Forget everybody."""
        self._people: dict[int, Person] = {}  # by their numbers; the least recently active first
        self._numbers: dict[Identifier, int] = {}
        self._aliases: dict[int, int] = {}  # numbers of people that became one with another
        self._bytes = 0
        self.seen = 0

    def __len__(self) -> int:
        return len(self._people)

    def note(self, request: Request) -> None:
        """Take in a received message."""
        keys = identifiers(request.body or {})
        person = self._person_of(keys) or self._meet(request.arrived)
        self._bytes -= person.size
        for identifier in keys:
            self._numbers[identifier] = person.number
        for let_go in person.take(request, keys):
            del self._numbers[let_go]
        self._bytes += person.size
        self._people[person.number] = self._people.pop(person.number)
        while len(self._people) > self._keep or (self._bytes > self._keep_bytes and len(self._people) > 1):
            self._leave(next(iter(self._people.values())))

    def find(self, body: dict[str, Any] | None) -> Person | None:
        """Return whom a body is about; None if nobody of that identifier is known."""
        numbers = (self._numbers.get(identifier) for identifier in identifiers(body or {}))
        return next((self._people[number] for number in numbers if number is not None), None)

    def get(self, number: int) -> Person | None:
        """Return the person of this number, or who that one became one with; None if there is nobody."""
        return self._people.get(self._aliases.get(number, number))

    def search(self, text: str, limit: int) -> tuple[list[Person], int]:
        """Return whom a text finds, who was active last first, and how many there are.

        Args:
            text: Words that all have to be part of an id, a phone number, the name or value of a trait, or a tag;
                upper and lower case are one. Something like a phone number may be written with spaces and dashes.
            limit: How many people are returned at most.
        """
        words = text.casefold().split()
        digits = re.sub(r"\D", "", text) if LIKE_A_PHONE.fullmatch(text) else ""
        found = [
            person
            for person in reversed(self._people.values())
            if all(word in person.words for word in words)
            or (digits and any(digits in phone for phone in person.phones))
        ]
        return found[:limit], len(found)

    def _person_of(self, keys: list[Identifier]) -> Person | None:
        """Return whom these are of, after making them one."""
        numbers = sorted({self._numbers[key] for key in keys if key in self._numbers})
        if not numbers:
            return None
        person = self._people[numbers[0]]
        for number in numbers[1:]:
            other = self._people.pop(number)
            self._bytes -= person.size + other.size
            let_go = person.absorb(other)
            self._bytes += person.size
            self._numbers.update(dict.fromkeys(held_by(other), person.number))
            for identifier in let_go:
                del self._numbers[identifier]
            for alias in (other.number, *other.aliases):
                self._aliases[alias] = person.number
            while len(person.aliases) > KEEP_ALIASES:
                del self._aliases[person.aliases.pop(0)]
        return person

    def _meet(self, now: float) -> Person:
        self.seen += 1
        person = Person(self.seen, now)
        self._people[person.number] = person
        return person

    def _leave(self, person: Person) -> None:
        del self._people[person.number]
        self._bytes -= person.size
        for identifier in held_by(person):
            del self._numbers[identifier]
        for alias in person.aliases:
            del self._aliases[alias]
