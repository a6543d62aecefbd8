"""A Prometheus collector over `track.stats()`; copy it into your application.

Example:
    >>> from prometheus_client import REGISTRY
    >>> REGISTRY.register(InteraktCollector())
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

import track

NONE_REFUSED = dict.fromkeys(("queue_full", "before_send", "invalid", "disabled"), 0)
"""What begins at 0: `increase()` sees nothing of a counter that is first scraped when it has counted already."""


class InteraktCollector(Collector):
    """Asks for the numbers once per scrape, so that those of one scrape add up.

    Args:
        stats: Of a client, `client.stats`; left out, of the module's functions.
    """

    def __init__(self, stats: Callable[[], track.Stats] = track.stats) -> None:
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of this moment."""
        stats = self._stats()

        queued = CounterMetricFamily("interakt_track_queued_messages", "Messages that calls were accepted for.")
        queued.add_metric([], stats.queued)
        yield queued

        ended = CounterMetricFamily("interakt_track_ended_messages", "Messages by how they ended.", labels=["outcome"])
        for outcome in ("delivered", "rejected", "dropped"):
            ended.add_metric([outcome], getattr(stats, outcome))
        yield ended

        refused = CounterMetricFamily(
            "interakt_track_refused_messages", "Calls that were not accepted, by reason.", labels=["reason"]
        )
        for reason, number in {**NONE_REFUSED, **stats.refused}.items():
            refused.add_metric([reason], number)
        yield refused

        retries = CounterMetricFamily(
            "interakt_track_retries",
            "Attempts after the first, and whether the API may have received the one before.",
            labels=["ambiguous"],
        )
        retries.add_metric(["false"], stats.retried - stats.retried_ambiguous)
        retries.add_metric(["true"], stats.retried_ambiguous)
        yield retries

        merged = CounterMetricFamily("interakt_track_merged_messages", "Messages that went out in another's request.")
        merged.add_metric([], stats.merged)
        yield merged

        yield GaugeMetricFamily("interakt_track_waiting_messages", "Messages that wait.", value=stats.waiting)
        yield GaugeMetricFamily("interakt_track_in_flight_messages", "Messages on their way.", value=stats.in_flight)

        if stats.spool_waiting is not None:
            yield GaugeMetricFamily(
                "interakt_track_spool_messages", "Messages that wait in the spool's file.", value=stats.spool_waiting
            )
        yield GaugeMetricFamily(
            "interakt_track_spool_problem",
            "1 while messages wait in memory although there is a spool.",
            value=int(stats.spool_problem is not None),
        )

    def describe(self) -> list[Metric]:
        """Return nothing: else registering would collect, and open a spool before the application has begun."""
        return []
