"""OpenTelemetry: `stats()` as instruments, read by the real SDK's in-memory reader."""

from __future__ import annotations

import gc
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from running import run_python

import interakt_track as track
from interakt_track import AsyncClient, Client
from interakt_track.opentelemetry import INSTRUMENTS, observe
from interakt_track.sandbox import Sandbox

NewClient = Callable[..., Client]
SENT = "messaging.client.sent.messages"
OWN = {"messaging.system", "messaging.client.id"}


class Metrics:
    """A provider, and what its reader collects."""

    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider(metric_readers=[self.reader])

    def collect(self, client_id: str = "client-1") -> dict[tuple[str, ...], int]:
        """Return each value of a client by its instrument's name, and by the attributes that tell it from others."""
        return {
            (metric.name, *(str(value) for name, value in sorted(point.attributes.items()) if name not in OWN)): (
                point.value
            )
            for metric in self.metrics()
            for point in metric.data.data_points
            if point.attributes["messaging.client.id"] == client_id
        }

    def metrics(self) -> list[Any]:
        data = self.reader.get_metrics_data()
        found = data.resource_metrics if data else []
        return [metric for resource in found for scope in resource.scope_metrics for metric in scope.metrics]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def test_every_number_is_observed(new_client: NewClient, sandbox: Sandbox, metrics: Metrics) -> None:
    client = new_client(strict=False, max_queue_size=7, flush_interval=60, max_workers=1)
    observe(client, metrics.provider)
    client.event("u1", "Order Placed")
    client.flush(20)
    sandbox.fail_next(status=400)
    client.event("u1", "Refused by the API")
    client.flush(20)
    sandbox.fail_next(status=503, retry_after=0)
    client.event("u1", "Tried again")
    client.flush(20)
    sandbox.fail_next(status=500)
    client.event("u1", "There twice, perhaps")
    client.flush(20)
    client.event(event="Order Placed")
    client.identify("u2", traits={"a": 1})
    client.identify("u2", traits={"b": 2})
    client.flush(20)
    client.event("u3", "Waits")

    found = metrics.collect()

    assert found == {
        (SENT, "send"): 5,
        (SENT, "rejected", "send"): 1,
        (SENT, "dropped", "send"): 0,
        ("interakt_track.client.queued.messages",): 7,
        ("interakt_track.client.refused.messages", "invalid"): 1,
        ("interakt_track.client.merged.messages",): 1,
        ("interakt_track.client.retries", "false"): 1,
        ("interakt_track.client.retries", "true"): 1,
        ("interakt_track.client.queue.size",): 1,
        ("interakt_track.client.queue.capacity",): 7,
        ("interakt_track.client.inflight",): 0,
        ("interakt_track.spool.problem",): 0,
    }


def test_a_spool_and_what_is_wrong_with_it_are_observed(
    new_client: NewClient, metrics: Metrics, tmp_path: Path
) -> None:
    fine, wrong = new_client(spool=tmp_path / "track.db"), new_client(spool=tmp_path)
    observe(fine, metrics.provider, client_id="fine")
    observe(wrong, metrics.provider, client_id="wrong")

    for client in (fine, wrong):
        client.event("u1", "Order Placed")
        client.flush(20)

    size, problem = ("interakt_track.spool.size",), ("interakt_track.spool.problem",)
    found = [metrics.collect(name) for name in ("fine", "wrong")]
    assert [(one.get(size), one[problem]) for one in found] == [(0, 0), (None, 1)]
    assert [one[SENT, "send"] for one in found] == [1, 1]
    (of_the_file,) = [metric for metric in metrics.metrics() if metric.name == size[0]]
    assert not hasattr(of_the_file.data, "is_monotonic"), "a backend would add up what each process says of one file"


def test_instruments_are_of_their_kind_and_say_what_they_count(client: Client, metrics: Metrics) -> None:
    observe(client, metrics.provider)

    for metric in metrics.metrics():
        instrument = next(one for one in INSTRUMENTS if one.name == metric.name)
        is_sum = hasattr(metric.data, "is_monotonic")
        kind = (
            "observable_gauge"
            if not is_sum
            else ["observable_up_down_counter", "observable_counter"][metric.data.is_monotonic]
        )
        assert (kind, instrument.unit, instrument.description) == (instrument.kind, metric.unit, metric.description)
        assert all(point.attributes["messaging.system"] == "interakt" for point in metric.data.data_points)


def test_the_numbers_of_a_collection_add_up(client: Client, metrics: Metrics) -> None:
    observe(client, metrics.provider)
    is_over = threading.Event()

    def call() -> None:
        while not is_over.is_set():
            client.event("u", "e")

    thread = threading.Thread(target=call)
    thread.start()
    try:
        for _ in range(200):
            found = metrics.collect()
            ended = sum(value for (name, *_), value in found.items() if name == SENT)
            left = found["interakt_track.client.queue.size",] + found["interakt_track.client.inflight",]
            assert found["interakt_track.client.queued.messages",] == ended + left
    finally:
        is_over.set()
        thread.join()


def test_stats_are_asked_for_once_per_collection(
    client: Client, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    stats = client.stats
    monkeypatch.setattr(client, "stats", lambda: asked.append(None) or stats())
    observe(client, metrics.provider)

    for _ in range(3):
        metrics.collect()

    assert len(asked) == 3


def test_clients_of_one_process_are_told_apart(new_client: NewClient, metrics: Metrics) -> None:
    first, second, named = new_client(), new_client(), new_client()
    for client, client_id in ((first, None), (second, None), (first, "again"), (named, "shop")):
        observe(client, metrics.provider, client_id=client_id)
    second.event("u", "e")

    queued = ("interakt_track.client.queued.messages",)
    assert [metrics.collect(name).get(queued) for name in ("client-1", "client-2", "shop", "again")] == [0, 1, 0, None]
    assert len([metric.name for metric in metrics.metrics()]) == len({metric.name for metric in metrics.metrics()})


def test_a_client_that_is_gone_is_observed_no_more(metrics: Metrics) -> None:
    client = Client(write_key="any")
    observe(client, metrics.provider)
    assert metrics.collect()

    del client
    gc.collect()

    assert metrics.collect() == {}


def test_the_modules_functions_are_observed_also_by_a_provider_that_comes_later(sandbox: Sandbox) -> None:
    done = run_python(
        "-W",
        "error",
        "-c",
        """
import sys, track
assert "opentelemetry" not in sys.modules
from interakt_track.opentelemetry import observe
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

track.write_key = "test-key"
observe()
reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider(metric_readers=[reader]))
observe()
observe(track.Client(write_key="other"), metrics.get_meter_provider())
track.event(user_id="u", event="Order Placed")
track.flush()
found = reader.get_metrics_data().resource_metrics[0].scope_metrics
assert len(found) == 1
assert (found[0].scope.name, found[0].scope.version) == ("interakt_track", track.__version__)
(sent,) = [metric for metric in found[0].metrics if metric.name == "messaging.client.sent.messages"]
print(*sorted((p.attributes["messaging.client.id"], p.value) for p in sent.data.data_points if len(p.attributes) == 3))
""",
        INTERAKT_HOST=sandbox.url,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "('default', 1)\n", "")


def test_a_provider_that_becomes_the_global_one_keeps_its_observer(sandbox: Sandbox) -> None:
    done = run_python(
        "-c",
        """
import track
from interakt_track.opentelemetry import observe
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

reader = InMemoryMetricReader()
provider = MeterProvider(metric_readers=[reader])
track.write_key = "any"
client = track.Client(write_key="other")
observe(client, provider)
metrics.set_meter_provider(provider)
observe()
(scope,) = reader.get_metrics_data().resource_metrics[0].scope_metrics
(waiting,) = [metric for metric in scope.metrics if metric.name == "interakt_track.client.queue.size"]
print(*sorted(point.attributes["messaging.client.id"] for point in waiting.data.data_points))
""",
        INTERAKT_HOST=sandbox.url,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "client-1 default\n", "")


def test_what_is_no_client_is_refused(metrics: Metrics) -> None:
    for client in (AsyncClient(write_key="any"), track, "pune"):
        with pytest.raises(TypeError, match=f"takes a track.Client, .*; got {type(client).__name__}$"):
            observe(client, metrics.provider)


@pytest.mark.skipif(sys.platform == "win32", reason="this system has no fork")
def test_a_forked_child_reads_its_own_numbers() -> None:
    done = run_python(
        "-c",
        """
import threading, warnings
import track
from forking import in_child, wait_for
from interakt_track import opentelemetry
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
warnings.simplefilter("ignore", DeprecationWarning)

client = track.Client(write_key="any", host="http://127.0.0.1:9", flush_interval=60)
client.event("u", "parent")
parents = InMemoryMetricReader()
provider = MeterProvider(metric_readers=[parents])
opentelemetry.observe(client, provider)
observer = opentelemetry._OBSERVERS._others[provider]
(observed,) = observer._observed.values()

def collect():
    data = parents.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    (queued,) = [m for m in data if m.name == "interakt_track.client.queued.messages"]
    assert [point.value for point in queued.data.data_points] == [0], queued

may_end, holds = threading.Event(), threading.Event()
def hold():
    with opentelemetry._OBSERVERS._lock, observed._lock:
        holds.set()
        may_end.wait()
threading.Thread(target=hold).start()
holds.wait()
try:
    wait_for(in_child(collect))
finally:
    may_end.set()
client.shutdown(0)
""",
    )

    assert done.returncode == 0, done.stderr


def test_where_the_api_is_missing_it_says_what_to_install() -> None:
    done = run_python(
        "-c",
        """
import sys
sys.modules["opentelemetry"] = None
import interakt_track.opentelemetry
""",
    )

    assert 'needs opentelemetry-api: pip install "interakt-track-python[opentelemetry]"' in done.stderr


def test_the_documentation_names_every_instrument() -> None:
    page = (Path(__file__).parent.parent / "docs" / "how-to" / "metrics.md").read_text(encoding="utf-8")
    kinds = {"observable_counter": "counter", "observable_up_down_counter": "up-down counter"}

    rows = re.findall(r"^\| `((?:messaging|interakt_track)\.[a-z_.]+)` \| (.+?) \| `(.+?)` \|", page, re.MULTILINE)

    assert [(one.name, kinds.get(one.kind, "gauge"), one.unit) for one in INSTRUMENTS] == rows
