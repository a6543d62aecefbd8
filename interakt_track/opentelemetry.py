"""OpenTelemetry: the numbers of `stats()` as instruments, by one call; needs the extra `opentelemetry`.

Names and attributes are those of OpenTelemetry's semantic conventions for messaging clients where there are some, and
`interakt_track.…` else. No message, customer or key is in any of them.
"""

from __future__ import annotations

import os
import threading
import weakref
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

import interakt_track

try:
    from opentelemetry.metrics import Observation, get_meter, get_meter_provider
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        'interakt_track.opentelemetry needs opentelemetry-api: pip install "interakt-track-python[opentelemetry]"',
        name=error.name,
    ) from error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from opentelemetry.metrics import CallbackOptions, MeterProvider

    from interakt_track import Client, Stats

    Numbers = Iterable[tuple[int, Mapping[str, str]]]
    """Values, each with the attributes that tell it from the others of its instrument."""

COUNTER, UP_DOWN_COUNTER, GAUGE = "observable_counter", "observable_up_down_counter", "observable_gauge"


class Instrument(NamedTuple):
    """What one instrument observes.

    Attributes:
        kind: `Meter.create_…` makes it.
        unit: UCUM, with an annotation in braces for what is counted.
        read: Returns its numbers, given a client's stats and its `max_queue_size`.
    """

    name: str
    kind: str
    unit: str
    description: str
    read: Callable[[Stats, int], Numbers]


def _sent(stats: Stats, _: int) -> Numbers:
    how = {"messaging.operation.name": "send"}
    yield stats.delivered, how
    yield stats.rejected, {**how, "error.type": "rejected"}
    yield stats.dropped, {**how, "error.type": "dropped"}


def _refused(stats: Stats, _: int) -> Numbers:
    return [(number, {"error.type": reason}) for reason, number in sorted(stats.refused.items())]


def _retried(stats: Stats, _: int) -> Numbers:
    yield stats.retried - stats.retried_ambiguous, {"interakt_track.ambiguous": "false"}
    yield stats.retried_ambiguous, {"interakt_track.ambiguous": "true"}


def _spool_size(stats: Stats, _: int) -> Numbers:
    return [] if stats.spool_waiting is None else [(stats.spool_waiting, {})]


INSTRUMENTS = (
    Instrument(
        "messaging.client.sent.messages",
        COUNTER,
        "{message}",
        "Messages that ended: delivered, or with error.type rejected (by the API) or dropped (given up).",
        _sent,
    ),
    Instrument(
        "interakt_track.client.queued.messages",
        COUNTER,
        "{message}",
        "Messages that calls were accepted for.",
        lambda stats, _: [(stats.queued, {})],
    ),
    Instrument(
        "interakt_track.client.refused.messages",
        COUNTER,
        "{message}",
        "Calls that were not accepted, by reason in error.type.",
        _refused,
    ),
    Instrument(
        "interakt_track.client.merged.messages",
        COUNTER,
        "{message}",
        "Messages that went out in another one's request.",
        lambda stats, _: [(stats.merged, {})],
    ),
    Instrument(
        "interakt_track.client.retries",
        COUNTER,
        "{attempt}",
        "Attempts after the first; with interakt_track.ambiguous, those after one that the API may have received.",
        _retried,
    ),
    Instrument(
        "interakt_track.client.queue.size",
        UP_DOWN_COUNTER,
        "{message}",
        "Messages that wait for their turn, retries included.",
        lambda stats, _: [(stats.waiting, {})],
    ),
    Instrument(
        "interakt_track.client.queue.capacity",
        UP_DOWN_COUNTER,
        "{message}",
        "How many messages may wait.",
        lambda _, max_queue_size: [(max_queue_size, {})],
    ),
    Instrument(
        "interakt_track.client.inflight",
        UP_DOWN_COUNTER,
        "{message}",
        "Messages in a request that is under way.",
        lambda stats, _: [(stats.in_flight, {})],
    ),
    Instrument(
        "interakt_track.spool.size",
        GAUGE,  # each process that has the file tells of all of it: a sum of theirs means nothing
        "{message}",
        "With a spool: messages that wait in its file, whichever process called them.",
        _spool_size,
    ),
    Instrument(
        "interakt_track.spool.problem",
        GAUGE,
        "1",
        "1 while messages wait in memory although there is a spool, else 0.",
        lambda stats, _: [(int(stats.spool_problem is not None), {})],
    ),
)


def observe(
    client: Client | None = None, meter_provider: MeterProvider | None = None, *, client_id: str | None = None
) -> None:
    """Let OpenTelemetry read the numbers of a client, whenever it collects.

    It asks for `stats()` once per collection, so the numbers of one collection add up. A client that is gone is read no
    more; observing one twice is observing it once. Call it in each process that tracks: in gunicorn's workers, after
    the fork, as OpenTelemetry's own set-up.

    Args:
        client: None: the one behind the module's functions. No `AsyncClient`, whose numbers are its event loop's only.
        meter_provider: None: the global one, which may be set later, too.
        client_id: The attribute `messaging.client.id`, which tells clients of one process apart; None: `"default"` for
            the module's functions, `"client-1"` and so on for others.

    Raises:
        TypeError: `client` is something else.

    Example:
        >>> from interakt_track.opentelemetry import observe
        >>> observe()
    """
    given: object = client  # whatever its type says
    if not isinstance(given, interakt_track.Client | None):
        kind = type(given).__name__
        raise TypeError(f"observe() takes a track.Client, or None for the module's functions; got {kind}")
    _OBSERVERS.get(meter_provider).add(client, client_id)


class _Observed:
    """A client as the instruments of one provider read it: each of them once from the same numbers."""

    def __init__(self, read: Callable[[], tuple[Stats, int] | None], client_id: str) -> None:
        self._read = read
        self._attributes = {"messaging.system": "interakt", "messaging.client.id": client_id}
        self.start_anew()
        self._numbers: tuple[Stats, int] | None = None
        self._has_given: set[str] = set()

    def start_anew(self) -> None:
        self._lock = threading.Lock()  # guards all that changes; two readers may collect at the same time

    def observations(self, instrument: Instrument) -> Iterator[Observation]:
        with self._lock:
            if not self._has_given or instrument.name in self._has_given:  # a new collection has begun
                self._numbers = self._read()
                self._has_given.clear()
            self._has_given.add(instrument.name)
            numbers = self._numbers
        if numbers is not None:
            for value, attributes in instrument.read(*numbers):
                yield Observation(value, {**self._attributes, **attributes})


class _Observer:
    """The clients that one provider's instruments read; those are made once, as nothing can take them back."""

    def __init__(self, meter_provider: MeterProvider | None) -> None:
        self._observed: dict[int | None, _Observed] = {}  # by the client's `id()`; None is the module's
        self._numbers = count(1)
        meter = get_meter("interakt_track", interakt_track.__version__, meter_provider)
        for instrument in INSTRUMENTS:
            create = getattr(meter, f"create_{instrument.kind}")
            create(instrument.name, [self._callback(instrument)], instrument.unit, instrument.description)

    def start_anew(self) -> None:
        for observed in self._observed.values():
            observed.start_anew()

    def add(self, client: Client | None, client_id: str | None) -> None:
        if client is None:
            self._observed.setdefault(None, _Observed(_read_module, client_id or "default"))
            return
        if id(client) in self._observed:
            return
        self._observed[id(client)] = _Observed(_reader_of(client), client_id or f"client-{next(self._numbers)}")
        weakref.finalize(client, self._observed.pop, id(client), None).atexit = False

    def _callback(self, instrument: Instrument) -> Callable[[CallbackOptions], list[Observation]]:
        def observe_all(_: CallbackOptions) -> list[Observation]:
            return [one for observed in list(self._observed.values()) for one in observed.observations(instrument)]

        return observe_all


class _Observers:
    """The observer of each provider."""

    def __init__(self) -> None:
        self._global: _Observer | None = None
        self._others: weakref.WeakKeyDictionary[MeterProvider, _Observer] = weakref.WeakKeyDictionary()
        self.start_anew()
        if hasattr(os, "register_at_fork"):  # not on Windows
            os.register_at_fork(after_in_child=self.start_anew)

    def start_anew(self) -> None:
        """Take new locks in a forked child: a thread that is not there may hold the old ones."""
        self._lock = threading.Lock()  # guards the rest
        for observer in (self._global, *self._others.values()):
            if observer is not None:
                observer.start_anew()

    def get(self, meter_provider: MeterProvider | None) -> _Observer:
        """Return the observer of a provider; the global one, unless it is said to be another."""
        with self._lock:
            # Before the global one is set, something stands in for it: it is the same one all the same. One that became
            # it later keeps its observer: it would not listen to the same instruments again.
            current = get_meter_provider()
            if meter_provider is None or meter_provider is current:
                self._global = self._global or self._others.get(current) or _Observer(None)
                return self._global
            if meter_provider not in self._others:
                self._others[meter_provider] = _Observer(meter_provider)
            return self._others[meter_provider]


_OBSERVERS = _Observers()


def _read_module() -> tuple[Stats, int]:
    return interakt_track.stats(), interakt_track.max_queue_size


def _reader_of(client: Client) -> Callable[[], tuple[Stats, int] | None]:
    reference = weakref.ref(client)  # observing a client does not keep it

    def read() -> tuple[Stats, int] | None:
        found = reference()
        return None if found is None else (found.stats(), found.settings.max_queue_size)

    return read
