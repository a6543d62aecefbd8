"""What is measured, of which SDK, and which figures of it are promised.

A new figure is a measure in `probe.py`, a `Case` here, and a `Row` for each number of it that the table shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sdks import OURS, POSTHOG, PUBLISHED, SEGMENT

OURS_64 = "ours, max_workers=64"
OURS_32 = "ours, max_workers=32"
OURS_AWAITED = "ours, AsyncClient, max_workers=64"
OURS_SPOOL = "ours, spool"
OURS_SPOOL_FULL = 'ours, spool_sync="full"'
OURS_RATIONED = "ours, max_workers=32, rate_limit=600"
FOLDER = "(folder)"  # stands in a setting for a new folder of each measurement
VARIANTS = (OURS, OURS_64, PUBLISHED, SEGMENT, POSTHOG)
SDKS = {
    OURS: OURS,
    OURS_64: OURS,
    OURS_32: OURS,
    OURS_AWAITED: OURS,
    OURS_SPOOL: OURS,
    OURS_SPOOL_FULL: OURS,
    OURS_RATIONED: OURS,
    PUBLISHED: PUBLISHED,
    SEGMENT: SEGMENT,
    POSTHOG: POSTHOG,
}
"""Variant -> the SDK it is one of."""

SETTINGS: dict[str, dict[str, object]] = {
    OURS_64: {"max_workers": 64},
    OURS_32: {"max_workers": 32},
    OURS_AWAITED: {"is_awaited": True, "max_workers": 64},
    OURS_SPOOL: {"spool": f"{FOLDER}/track.db"},
    OURS_SPOOL_FULL: {"spool": f"{FOLDER}/track.db", "spool_sync": "full"},
    OURS_RATIONED: {"max_workers": 32, "rate_limit": 600},
}
WITH_SPOOL = (OURS, OURS_SPOOL, OURS_SPOOL_FULL, PUBLISHED, SEGMENT, POSTHOG)
ONE_EACH = (OURS, PUBLISHED, SEGMENT, POSTHOG)
BATCHING = (SEGMENT, POSTHOG)


@dataclass(frozen=True)
class Case:
    """One thing to measure, of each variant in a process of its own.

    Attributes:
        measure: In `probe.py`; None is `first_call.py`.
        latency: Of the server, in seconds.
        rates: Events a second that each variant is expected to handle: what it gets to do in the time there is.
        hold_after: As of the counting server.
        phone: For `first_call.py`: whether the call has a phone number in place of a user id.
        repeats: How often in a round; its median counts.
        limit: Requests a minute that the server lets through; 0: all.
        minutes: Of a case that looks at whole minutes, how many. It is measured once and not in each round, all
            variants at the same time, which leave the machine nearly idle.
        backlog: Of a case that begins with one: how many messages; a short run has a hundredth.
    """

    name: str
    measure: str | None
    rates: dict[str, float] = field(default_factory=dict)
    latency: float = 0.0
    hold_after: float = float("inf")
    phone: bool = False
    variants: tuple[str, ...] = ONE_EACH
    repeats: int = 1
    limit: int = 0
    minutes: int = 0
    backlog: int = 0

    def events(self, variant: str, seconds: float) -> int:
        """Return how many events take about so many seconds; those of batching SDKs fill their batches."""
        if self.minutes:
            return self.limit * (self.minutes + 1)
        if self.backlog:
            return self.backlog if seconds >= 1 else self.backlog // 100
        count = max(20, int(self.rates[variant] * seconds))
        return max(1, round(count / 100)) * 100 if variant in BATCHING else count


@dataclass(frozen=True)
class Row:
    """One line of the table: a figure of a case, ours beside the others'.

    Attributes:
        target: Ratio to the published SDK: at most this when `less_is_better`, else at least. None: no promise.
        is_absolute: Whether the target is for the figure itself.
    """

    title: str
    unit: str
    case: str
    figure: str
    target: float | None = None
    less_is_better: bool = True
    ours: str = OURS
    scale: float = 1.0
    is_absolute: bool = False


CASES = (
    Case("calls", "calls", dict.fromkeys(WITH_SPOOL, 1500.0), latency=0.05, variants=WITH_SPOOL, repeats=4),
    Case(
        "scattered calls",
        "scattered-calls",
        dict.fromkeys(WITH_SPOOL, 150.0),
        latency=0.05,
        variants=WITH_SPOOL,
        repeats=4,
    ),
    Case(
        "delivery at 50 ms",
        "delivery",
        {OURS: 150, OURS_SPOOL: 150, OURS_64: 900, OURS_AWAITED: 700, PUBLISHED: 19, SEGMENT: 1800, POSTHOG: 1800},
        latency=0.05,
        variants=(*VARIANTS, OURS_AWAITED, OURS_SPOOL),
    ),
    Case(
        "delivery at 0 ms",
        "delivery",
        {OURS: 1200, OURS_64: 1200, PUBLISHED: 800, SEGMENT: 6000, POSTHOG: 6000},
        variants=VARIANTS,
    ),
    Case("restart", "restart", variants=(OURS_SPOOL,), latency=0.05, backlog=1_000_000),
    Case("memory", "memory", dict.fromkeys(ONE_EACH, 5000.0), hold_after=100),
    Case("first call", None, repeats=5),
    Case("first call with a phone", None, phone=True, variants=(OURS, PUBLISHED), repeats=5),
    Case("ration", "ration", latency=2.0, limit=600, minutes=3, variants=(OURS_RATIONED, OURS_32, PUBLISHED)),
)

ROWS = (
    Row("call, p50", "µs", "calls", "p50", 0.8),
    Row("call, p99", "µs", "calls", "p99"),
    Row("call, p99.9", "µs", "calls", "p999"),
    Row("call between other work, p50", "µs", "scattered calls", "p50"),
    Row("call with a spool, p50", "µs", "calls", "p50", 40, ours=OURS_SPOOL, is_absolute=True),
    Row("call with a spool, p99", "µs", "calls", "p99", ours=OURS_SPOOL),
    Row("call with a spool, p99.9", "µs", "calls", "p999", ours=OURS_SPOOL),
    Row("call with a spool between other work, p50", "µs", "scattered calls", "p50", ours=OURS_SPOOL),
    Row('call with spool_sync="full", p50', "µs", "calls", "p50", ours=OURS_SPOOL_FULL),
    Row(
        "restart with 1,000,000 waiting: to the first request",
        "s",
        "restart",
        "first",
        2,
        ours=OURS_SPOOL,
        is_absolute=True,
    ),
    Row("restart with 1,000,000 waiting: memory", "MB", "restart", "memory", ours=OURS_SPOOL),
    Row("events/s at 50 ms", "1/s", "delivery at 50 ms", "rate", 7, less_is_better=False),
    Row(
        "events/s at 50 ms, max_workers=64", "1/s", "delivery at 50 ms", "rate", 40, less_is_better=False, ours=OURS_64
    ),
    Row(
        "events/s at 50 ms, awaited, max_workers=64",
        "1/s",
        "delivery at 50 ms",
        "rate",
        less_is_better=False,
        ours=OURS_AWAITED,
    ),
    Row("events/s at 0 ms", "1/s", "delivery at 0 ms", "rate", less_is_better=False),
    Row("events/s at 0 ms, max_workers=64", "1/s", "delivery at 0 ms", "rate", less_is_better=False, ours=OURS_64),
    Row("CPU per delivered event at 50 ms", "µs", "delivery at 50 ms", "cpu", 0.7),
    Row("events/s at 50 ms with a spool", "1/s", "delivery at 50 ms", "rate", less_is_better=False, ours=OURS_SPOOL),
    Row("CPU per delivered event at 50 ms with a spool", "µs", "delivery at 50 ms", "cpu", ours=OURS_SPOOL),
    Row("CPU per delivered event at 50 ms, max_workers=64", "µs", "delivery at 50 ms", "cpu", ours=OURS_64),
    Row(
        "CPU per delivered event at 50 ms, awaited, max_workers=64", "µs", "delivery at 50 ms", "cpu", ours=OURS_AWAITED
    ),
    Row("CPU per delivered event at 0 ms", "µs", "delivery at 0 ms", "cpu"),
    Row("connections at 50 ms", "", "delivery at 50 ms", "connections"),
    Row("connections at 50 ms, max_workers=64", "", "delivery at 50 ms", "connections", ours=OURS_64),
    Row("connections at 50 ms, awaited, max_workers=64", "", "delivery at 50 ms", "connections", ours=OURS_AWAITED),
    Row("memory per waiting event", "bytes", "memory", "bytes", 0.5),
    Row("import", "ms", "first call", "import", 1 / 8, scale=1000),
    Row("import and first call", "ms", "first call", "first_call", 1 / 3, scale=1000),
    Row("import and first call, phone number", "ms", "first call with a phone", "first_call", 1 / 3, scale=1000),
    Row(
        "ration used, rate_limit=600",
        "%",
        "ration",
        "used",
        97,
        less_is_better=False,
        ours=OURS_RATIONED,
        scale=100,
        is_absolute=True,
    ),
    Row("requests refused, rate_limit=600", "1/min", "ration", "refused", 0, ours=OURS_RATIONED, is_absolute=True),
    Row("ration used, no rate_limit", "%", "ration", "used", less_is_better=False, ours=OURS_32, scale=100),
    Row("requests refused, no rate_limit", "1/min", "ration", "refused", ours=OURS_32),
)
