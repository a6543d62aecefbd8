"""Delivery as a whole, over real HTTP: whatever is called and whatever goes wrong, the promises hold."""

from __future__ import annotations

import itertools
import re
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from interakt_track import Client, DeliveryError, QueueFullError, Receipt, ShutdownError, Stats, TrackError
from interakt_track.sandbox import Fault, FaultPlan, Request, Sandbox

SLOW_HEAD = b"HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
TAKEN = (
    Fault(status=200), Fault.html(202), Fault.empty(202), Fault.json_list(202), Fault.broken_json(202),
    Fault.garbage(202), Fault.bad_gzip(202), Fault.truncate(), Fault.slow(0.0005),
    Fault(raw=SLOW_HEAD, byte_delay=0.0005, received=True, name="slow-head"),
)  # fmt: skip
PASSING = (
    Fault(status=500), Fault(status=503, retry_after="0.02"), Fault(status=520), Fault.html(502),
    Fault.garbage(500), Fault.truncate(503), Fault.slow(0.0005, 504), Fault.reset(), Fault.reset(early=True),
    Fault.reset(received=True), Fault.close(), Fault.close(received=True), Fault.not_http(),
)  # fmt: skip
PAUSING = (Fault(status=429), Fault(status=429, retry_after=0), Fault(status=429, retry_after="0.02"))
REFUSED = (Fault(status=400), Fault(status=413), Fault(status=422), Fault.html(404), Fault.false_result())
MEANING = {
    fault.name: meaning
    for meaning, faults in {"taken": TAKEN, "passing": PASSING, "pausing": PAUSING, "refused": REFUSED}.items()
    for fault in faults
}
STATUS = {"taken": "delivered", "refused": "rejected", "passing": "dropped"}
FAMILIES = 3
TIMES = {
    None: None,
    "2025-01-01T00:00:00Z": "2025-01-01T00:00:00.000Z",
    datetime(2025, 2, 1, 5, 30, tzinfo=timezone(timedelta(hours=5, minutes=30))): "2025-02-01T00:00:00.000Z",
    datetime(2025, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC): "2025-03-01T12:00:00.250Z",
}
VALUES = (None, True, False, 0, -1, 2**53, 0.1, 1e300, "", "Ann", "नमस्ते 🙂", [], {}, [1, "a", None], {"x": {"y": [{}]}})


@dataclass(frozen=True)
class Call:
    """One call to make. People of different families share nothing; within one, who is who depends."""

    kind: str
    family: int
    user: str | None
    phone: str | None
    traits: dict[str, Any]
    tags: tuple[str, ...] | None
    created_at: Any
    add_to_sales_cycle: bool | None
    priority: Any

    def body(self, number: int) -> dict[str, Any]:
        """What has to be sent; a trait says which call it was, also after merging."""
        body: dict[str, Any] = {"traits": {**self.traits, f"n{number}": True}}
        if self.user is not None:
            body["userId"] = f"{self.user}-{self.family}"
        if self.phone is not None:
            body |= {"countryCode": "+91", "phoneNumber": f"98765432{self.family}{self.phone}"}
        if TIMES[self.created_at] is not None:
            body["createdAt"] = TIMES[self.created_at]
        if self.kind == "event":
            return body | {"event": "Order Placed"}
        if self.tags is not None:
            body["tags"] = list(self.tags)
        if self.add_to_sales_cycle is not None:
            body["add_to_sales_cycle"] = self.add_to_sales_cycle
        return body

    def make(self, client: Client, number: int) -> Receipt | None:
        """Make the call; None when it raised that the queue is full."""
        body = self.body(number)
        rest = {"user_id": body.get("userId"), "phone_number": body.get("phoneNumber"), "traits": body["traits"]}
        rest |= {"created_at": self.created_at, "priority": self.priority}
        try:
            if self.kind == "event":
                return client.event(event="Order Placed", **rest)
            return client.identify(tags=self.tags, add_to_sales_cycle=self.add_to_sales_cycle, **rest)
        except QueueFullError:
            return None

    def shares_a_person_with(self, other: Call) -> bool:
        return self.family == other.family and (
            (self.user is not None and self.user == other.user)
            or (self.phone is not None and self.phone == other.phone)
        )


@dataclass(frozen=True)
class World:
    """What is called, under which settings, what goes wrong, and the numbers of calls that the API always refuses."""

    calls: list[Call]
    threads: int
    settings: dict[str, Any]
    plan: FaultPlan
    poisoned: set[int]


WHO = (("ann", "1"), ("ann", None), (None, "1"), ("bob", "1"), ("bob", None), ("ann", "2"))


def a_call(chance: Random, variety: float) -> Call:
    """Vary a customer's profile: the less, the more of them can be merged."""

    def vary(usual: Any, *others: Any) -> Any:
        return chance.choice(others) if chance.random() < variety else usual

    user, phone = vary(*WHO)
    return Call(
        kind=vary("user", "user", "event", "event"),
        family=chance.randrange(FAMILIES),
        user=user,
        phone=phone,
        traits={name: chance.choice(VALUES) for name in chance.sample(["name", "city", "total"], chance.randrange(3))},
        tags=chance.choice([None, tuple(chance.sample("abc", chance.randint(1, 3)))]),
        created_at=vary(None, None, None, *TIMES),
        add_to_sales_cycle=vary(None, None, None, True, False),
        priority=vary("normal", "normal", "high", "low"),
    )


def a_plan(chance: Random) -> FaultPlan:
    faults = chance.sample(chance.choice([TAKEN, PASSING, REFUSED, PASSING + REFUSED]) + PASSING, chance.randint(1, 6))
    share = chance.choice([0.0, 0.2, 0.4, 0.6])
    pauses = chance.choice([(), (), *((pause,) for pause in PAUSING)])  # few: each stops the whole account
    return FaultPlan(
        jitter=chance.choice([0.0, 0.005]),
        chances=(*((fault, share / len(faults)) for fault in faults), *((pause, 0.1) for pause in pauses)),
        seed=chance.getrandbits(32),
    )


def a_world(chance: Random) -> World:
    variety = chance.choice([0.2, 0.5, 1.0])
    return World(
        calls=[a_call(chance, variety) for _ in range(chance.choice([3, 10, 25, 40]))],
        threads=chance.choice([1, 1, 4]),
        settings={
            "max_workers": chance.randint(1, 16),
            "batch_size": chance.choice([1, 3, 10, 100]),
            "flush_interval": chance.choice([0, 0.002, 0.02, 30]),
            "max_retries": chance.randrange(4),
            "max_queue_size": chance.choice([4, 12, 10_000, 10_000, 10_000]),
            "when_full": chance.choice(["drop", "block", "raise"]),
            "on_ambiguous": chance.choice(["retry", "give_up"]),
        },
        plan=a_plan(chance),
        poisoned=set(chance.sample(range(1, 41), chance.choice([0, 0, 3]))),
    )


# Spread evenly: strategies prefer what is small, and seldom make a world in which much happens at once.
worlds = st.randoms(use_true_random=True).map(a_world)


@dataclass
class Story:
    """What was called in a world, the receipts of what was accepted, and what came of it."""

    world: World
    calls: dict[int, Call] = field(default_factory=dict)
    receipts: dict[int, Receipt] = field(default_factory=dict)
    snapshots: list[Stats] = field(default_factory=list)
    reports: list[tuple[TrackError, Any]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def tell(self, client: Client) -> None:
        """Make the calls, each thread its share; a family's are numbered in the order in which they are made."""
        numbers = itertools.count(1)
        locks = [threading.Lock() for _ in range(FAMILIES)]

        def produce(share: list[Call]) -> None:
            for call in share:
                with locks[call.family]:
                    number = next(numbers)
                    self.calls[number] = call
                    if receipt := call.make(client, number):
                        self.receipts[number] = receipt
                self.snapshots.append(client.stats())

        shares = [self.world.calls[first :: self.world.threads] for first in range(self.world.threads)]
        with ThreadPoolExecutor(self.world.threads) as pool:
            list(pool.map(produce, shares))


def numbers_in(request: Request) -> list[int]:
    """The calls a request holds; none of one that was reset before it was read."""
    traits = (request.body or {}).get("traits", {})
    return sorted(int(name[1:]) for name in traits if re.fullmatch(r"n\d+", name))


def meaning(request: Request) -> str:
    return MEANING[request.fault] if request.fault is not None else "taken"


def is_ambiguous(request: Request) -> bool:
    return meaning(request) == "passing" and request.status != 503


@pytest.fixture(scope="module")
def lasting_sandbox() -> Iterator[Sandbox]:
    """One for all examples, with short delays; each example has a key of its own."""
    with pytest.MonkeyPatch.context() as patch, Sandbox() as sandbox:
        patch.setattr("interakt_track._retry.FIRST_DELAY", 0.01)
        patch.setattr("interakt_track._rate_limit.FIRST_PAUSE", 0.01)
        patch.setattr("interakt_track._requests.LATE", 3600.0)  # a slow machine must not add times to events
        yield sandbox
        for thread in threading.enumerate():
            if thread.name.startswith("interakt-track-worker"):
                thread.join(20)  # what a client that left early still has under way


PHASES = (Phase.explicit, Phase.reuse, Phase.generate)  # threads make each run another, so shrinking leads nowhere
keys = (f"key-{number}" for number in itertools.count())


def begin(sandbox: Sandbox, world: World) -> tuple[Client, Story]:
    sandbox.clear()
    sandbox.faults = world.plan
    if world.poisoned:
        sandbox.fail_next(10_000, status=400, when=lambda one: not world.poisoned.isdisjoint(numbers_in(one)))
    story = Story(world)
    client = Client(
        write_key=next(keys), host=sandbox.url, on_error=lambda *report: story.reports.append(report), **world.settings
    )
    return client, story


def requests_of(client: Client, sandbox: Sandbox) -> list[Request]:
    """Leave out what a client of an earlier example still had under way."""
    return [request for request in sandbox.requests if request.is_signed_with(client.settings.write_key or "")]


@given(worlds)
@settings(phases=PHASES, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_goes_wrong_order_bodies_and_accounts_are_right(lasting_sandbox: Sandbox, world: World) -> None:
    client, story = begin(lasting_sandbox, world)

    story.tell(client)
    is_flushed = client.flush(50)
    stats = client.stats()
    client.shutdown(5)
    story.requests = requests_of(client, lasting_sandbox)

    assert is_flushed
    check_order(story)
    check_bodies(story)
    check_accounts(story, stats)
    check_outcomes(story)
    check_numbers_of_attempts(story, stats)


@given(worlds)
@settings(max_examples=settings().max_examples // 2, phases=PHASES, suppress_health_check=[HealthCheck.too_slow])
def test_leaving_early_breaks_no_promise(lasting_sandbox: Sandbox, world: World) -> None:
    client, story = begin(lasting_sandbox, world)

    story.tell(client)
    client.shutdown(0.01)
    stats = client.stats()
    story.requests = requests_of(client, lasting_sandbox)

    check_order(story)
    check_bodies(story)
    check_accounts(story, stats)
    check_outcomes(story)


def check_order(story: Story) -> None:
    """No message arrives before an earlier one of the same person is settled.

    Of two such messages the earlier may be asked for alone, or both in one request; once the later was alone, the
    earlier must not come again. A refused request of both is followed by one for each, in order.
    """
    held = [(request, set(numbers_in(request))) for request in story.requests]
    for earlier, later in itertools.combinations(sorted(story.receipts), 2):
        if not story.calls[earlier].shares_a_person_with(story.calls[later]):
            continue
        of_both = [request for request, numbers in held if {earlier, later} <= numbers]
        of_earlier = [request for request, numbers in held if earlier in numbers and later not in numbers]
        of_later = [request for request, numbers in held if later in numbers and earlier not in numbers]
        for first, second in itertools.combinations((of_both, of_earlier, of_later), 2):
            if first and second and not first[-1].is_abandoned:
                assert (first[-1].finished or float("inf")) <= min(request.started for request in second)


def check_bodies(story: Story) -> None:
    """What arrives is what was called, or the fold of consecutive calls that may be merged."""
    for request in story.requests:
        if request.fault == "reset-early":
            continue
        numbers = numbers_in(request)
        assert set(numbers) <= set(story.receipts)
        assert request.kind == story.calls[numbers[0]].kind
        assert request.body == fold(story, numbers)


def fold(story: Story, numbers: list[int]) -> dict[str, Any]:
    bodies = [story.calls[number].body(number) for number in numbers]
    if len(numbers) == 1:
        return bodies[0]
    for number in range(numbers[0], numbers[-1] + 1):
        if number in story.receipts and number not in numbers:
            assert not story.calls[number].shares_a_person_with(story.calls[numbers[0]])
    traits: dict[str, Any] = {}
    tags: dict[str, None] = {}
    same = [{name: value for name, value in body.items() if name not in ("traits", "tags")} for body in bodies]
    for number, body in zip(numbers, bodies, strict=True):
        assert story.calls[number].kind == "user"
        traits |= body["traits"]
        tags |= dict.fromkeys(body.get("tags", ()))
    assert all(one == same[0] for one in same)
    return same[0] | {"traits": traits} | ({"tags": list(tags)} if tags else {})


def check_accounts(story: Story, stats: Stats) -> None:
    """Every accepted message is in one final state; receipts, numbers and reports agree on it."""
    states = Counter(receipt.status for receipt in story.receipts.values())
    for seen in (*story.snapshots, stats):
        assert seen.queued == seen.delivered + seen.rejected + seen.dropped + seen.waiting + seen.in_flight
    assert set(states) <= {"delivered", "rejected", "dropped"}
    assert (stats.waiting, stats.in_flight) == (0, 0)
    assert stats.queued == len(story.receipts)
    assert (stats.delivered, stats.rejected, stats.dropped) == (
        states["delivered"], states["rejected"], states["dropped"],
    )  # fmt: skip
    assert sum(stats.refused.values()) == stats.refused.get("queue_full", 0) == len(story.calls) - len(story.receipts)
    assert len(story.calls) == len(story.receipts) or story.world.settings["when_full"] != "block"
    reported = {}
    for error, queue_msg in story.reports:
        (number,) = (int(name[1:]) for name in queue_msg["body"]["traits"] if re.fullmatch(r"n\d+", name))
        assert number not in reported
        assert queue_msg["body"] == story.calls[number].body(number)
        assert story.receipts[number].error is error
        assert isinstance(error, DeliveryError)
        reported[number] = error
    assert set(reported) == {number for number, receipt in story.receipts.items() if receipt.status != "delivered"}


def check_outcomes(story: Story) -> None:
    """What became of a message is what its last attempt met."""
    has_unread = any(request.body is None for request in story.requests)
    for number, receipt in story.receipts.items():
        if isinstance(receipt.error, ShutdownError):
            continue  # the answer to an attempt under way counts no more
        held = [request for request in story.requests if number in numbers_in(request)]
        # The refusal of several in one request is followed by one request for each.
        met = [meaning(request) for request in held if meaning(request) != "refused" or len(numbers_in(request)) == 1]
        assert not {"taken", "refused"}.intersection(met[:-1])
        if has_unread and receipt.status == "dropped":
            assert not {"taken", "refused"}.intersection(met)
        else:
            assert receipt.status == STATUS[met[-1]]


def check_numbers_of_attempts(story: Story, stats: Stats) -> None:
    """Attempts are as many as were allowed, and counted; where none was reset before it could be told whose it was."""
    if any(request.body is None for request in story.requests):
        return
    units: dict[tuple[int, ...], list[Request]] = {}
    for request in story.requests:
        units.setdefault(tuple(numbers_in(request)), []).append(request)
    given_up = given_up_ambiguous = 0
    for numbers, attempts in units.items():
        failed = [request for request in attempts if meaning(request) == "passing"]
        is_given_up = meaning(attempts[-1]) == "passing"
        given_up += is_given_up
        given_up_ambiguous += is_given_up and is_ambiguous(attempts[-1])
        if story.world.settings["on_ambiguous"] == "give_up" and attempts[0].kind == "event":
            assert not any(map(is_ambiguous, attempts[:-1]))
            assert sum(request.received for request in attempts) <= 1
            assert len(failed) <= story.world.settings["max_retries"] + 1
        elif is_given_up:
            assert len(failed) == story.world.settings["max_retries"] + 1
        else:
            assert len(failed) <= story.world.settings["max_retries"]
        if meaning(attempts[-1]) == "refused" and len(numbers) > 1:
            continue  # what follows is attempts of its own for each
        for number in numbers:
            error = story.receipts[number].error
            assert error is None or (isinstance(error, DeliveryError) and error.attempts == len(attempts))
    tried_again = sum(meaning(request) in ("passing", "pausing") for request in story.requests) - given_up
    assert stats.retried == tried_again
    assert stats.retried_ambiguous == sum(map(is_ambiguous, story.requests)) - given_up_ambiguous
    assert stats.merged == sum(len(numbers) - 1 for numbers in units)
