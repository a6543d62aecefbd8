"""One person: the profile and the timeline that messages add up to."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._records import Kind, Request

KEEP_BYTES = 2 << 20  # of one person's traits, tags and identifiers as JSON: one body has at most 1 MiB
KEEP_IDENTIFIERS = 50
KEEP_ALIASES = 50
TIMELINE = 200  # entries of one person
MAX_NAME = 200  # characters of an event's name
MAX_WORDS = 4_096  # characters of a person that are searched
NAMES = ("name", "full name", "fullname", "full_name", "customer name", "first name", "firstname", "first_name")


@attrs.frozen
class Held:
    """A trait or a tag as it is now.

    Attributes:
        value: As it came; of a tag, its text.
        number: Of the request that set it last.
        size: Bytes of name and value as JSON.
    """

    value: Any
    number: int
    size: int


@attrs.frozen
class Entry:
    """A message in a timeline.

    Attributes:
        number: Of its request, which has the rest as long as it is kept.
        kind: `"user"` or `"event"`.
        name: The event's; empty for a customer.
        arrived: `time.time()`.
        created_at: When it happened, as the message says; empty where it does not.
    """

    number: int
    kind: Kind
    name: str
    arrived: float
    created_at: str


class Person:
    """What is known of somebody. Oldest identifiers, traits and entries leave where there are too many.

    Attributes:
        number: Counts up from 1, in the order in which people were first seen.
        user_ids, phones: The identifiers, oldest first, each with the number of the newest request that named it.
        traits, tags: By name, the least recently set first.
        created_at: When the customer came to be, as the newest message that says so says.
        in_sales_cycle: The last `add_to_sales_cycle`; None where nobody said.
        timeline: Oldest first.
        identifies, events: How many messages there were.
        aliases: Numbers of people that became one with this one.
        size: Bytes of identifiers, traits and tags.
    """

    def __init__(self, number: int, now: float) -> None:
        self.number = number
        self.first_seen = self.last_seen = now
        self.user_ids: dict[str, int] = {}
        self.phones: dict[str, int] = {}
        self.traits: dict[str, Held] = {}
        self.tags: dict[str, Held] = {}
        self.created_at = ""
        self.in_sales_cycle: bool | None = None
        self.timeline: deque[Entry] = deque(maxlen=TIMELINE)
        self.identifies = self.events = 0
        self.aliases: list[int] = []
        self.size = 0
        self._words: str | None = None

    @property
    def name(self) -> str:
        """What to call them: a trait that is a name, else an identifier."""
        by_name = {name.casefold(): held.value for name, held in self.traits.items()}
        for wanted in NAMES:
            value = by_name.get(wanted)
            if isinstance(value, str) and value.strip():
                return value.strip()
        return next(reversed(self.user_ids), None) or next(reversed(self.phones), None) or "nobody"

    @property
    def words(self) -> str:
        """Everything a search looks at, in lower case."""
        if self._words is None:
            parts = [*self.user_ids, *self.phones, *self.tags]
            for name, held in self.traits.items():
                value = held.value if isinstance(held.value, str) else json.dumps(held.value, ensure_ascii=False)
                parts += (name, value)
            self._words = "\n".join(parts)[:MAX_WORDS].casefold()
        return self._words

    def take(self, request: Request, identifiers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Take in a received message about them; return the identifiers that are let go."""
        body = request.body or {}
        self._words = None
        self.last_seen = request.arrived
        for kind, text in identifiers:
            self._named(self.user_ids if kind == "user_id" else self.phones, text, request.number)
        if request.kind == "user":
            self.identifies += 1
            self._identify(body, request.number)
        else:
            self.events += 1
        name = str(body.get("event", ""))[:MAX_NAME] if request.kind == "event" else ""
        created_at = str(body.get("createdAt", ""))
        self.timeline.append(Entry(request.number, request.kind or "event", name, request.arrived, created_at))
        return self._make_room()

    def absorb(self, other: Person) -> list[tuple[str, str]]:
        """Become one with somebody; what was set later holds. Return the identifiers that are let go."""
        self._words = None
        self.first_seen = min(self.first_seen, other.first_seen)
        self.last_seen = max(self.last_seen, other.last_seen)
        self.user_ids = _by_number({**self.user_ids, **other.user_ids})
        self.phones = _by_number({**self.phones, **other.phones})
        self.traits = _later_ones(self.traits, other.traits)
        self.tags = _later_ones(self.tags, other.tags)
        self.created_at = other.created_at or self.created_at
        self.in_sales_cycle = self.in_sales_cycle if other.in_sales_cycle is None else other.in_sales_cycle
        both = sorted((*self.timeline, *other.timeline), key=lambda entry: entry.number)
        self.timeline = deque(both, maxlen=TIMELINE)
        self.identifies += other.identifies
        self.events += other.events
        self.aliases += (other.number, *other.aliases)
        self.size = sum(len(text) for _, text in held_by(self))
        self.size += sum(held.size for held in (*self.traits.values(), *self.tags.values()))
        return self._make_room()

    def _identify(self, body: dict[str, Any], number: int) -> None:
        for name, value in (body.get("traits") or {}).items():
            self._set(self.traits, name, value, number)
        for tag in body.get("tags") or ():
            self._set(self.tags, tag, tag, number)
        self.created_at = body.get("createdAt", self.created_at)
        self.in_sales_cycle = body.get("add_to_sales_cycle", self.in_sales_cycle)

    def _set(self, where: dict[str, Held], name: str, value: Any, number: int) -> None:
        before = where.pop(name, None)
        held = Held(value, number, len(name) + len(json.dumps(value)))
        where[name] = held
        self.size += held.size - (before.size if before else 0)

    def _named(self, where: dict[str, int], text: str, number: int) -> None:
        if where.pop(text, None) is None:
            self.size += len(text)
        where[text] = number

    def _make_room(self) -> list[tuple[str, str]]:
        while self.size > KEEP_BYTES and (self.traits or self.tags):
            fuller = max(self.traits, self.tags, key=len)
            self.size -= fuller.pop(next(iter(fuller))).size
        let_go = []
        for kind, where in (("user_id", self.user_ids), ("phone", self.phones)):
            while len(where) > KEEP_IDENTIFIERS:
                oldest = next(iter(where))
                del where[oldest]
                self.size -= len(oldest)
                let_go.append((kind, oldest))
        return let_go


def held_by(person: Person) -> Iterator[tuple[str, str]]:
    """Give the identifiers of a person, as `identifiers` spells them."""
    yield from (("user_id", text) for text in person.user_ids)
    yield from (("phone", text) for text in person.phones)


def _by_number(where: dict[str, int]) -> dict[str, int]:
    return dict(sorted(where.items(), key=lambda item: item[1]))


def _later_ones(one: dict[str, Held], other: dict[str, Held]) -> dict[str, Held]:
    """Unite two by name; where both have one, that of the later request holds."""
    united = dict(one)
    for name, held in other.items():
        if name not in united or united[name].number < held.number:
            united[name] = held
    return dict(sorted(united.items(), key=lambda item: item[1].number))
