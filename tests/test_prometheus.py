"""The Prometheus recipe: its program is run, and scraped as Prometheus does."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from waiting import wait_until

from interakt_track.sandbox import Sandbox

EXAMPLE = Path(__file__).parent.parent / "examples" / "prometheus"

Scraped = dict[tuple[str, ...], float]


class Shop:
    """The program `shop.py`, to call and to scrape."""

    def __init__(self, sandbox: Sandbox, **environment: str) -> None:
        self._program = subprocess.Popen(
            [sys.executable, "-W", "error", "shop.py", "0"],
            cwd=EXAMPLE,
            env={"INTERAKT_HOST": sandbox.url, "INTERAKT_WRITE_KEY": "test-key", **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._program.stdout is not None
        self.url = self._program.stdout.readline().removeprefix("metrics: ").strip()

    def call(self, line: str) -> None:
        assert self._program.stdin is not None
        self._program.stdin.write(f"{line}\n")
        self._program.stdin.flush()

    def scrape(self) -> Scraped:
        """Return each sample by its name and its labels' values, as far as it is ours."""
        with urllib.request.urlopen(self.url) as answer:
            families = text_string_to_metric_families(answer.read().decode())
        samples = [sample for family in families for sample in family.samples]
        return {
            (sample.name, *sample.labels.values()): sample.value
            for sample in samples
            if sample.name.startswith("interakt_track_") and not sample.name.endswith("_created")
        }

    def close(self) -> int:
        self._program.communicate(timeout=20)
        return self._program.returncode


@pytest.fixture
def shop(sandbox: Sandbox) -> Iterator[Shop]:
    shop = Shop(sandbox)
    yield shop
    assert shop.close() == 0


def test_a_scrape_has_every_number_and_they_add_up(sandbox: Sandbox, shop: Shop) -> None:
    sandbox.fail_next(status=400)
    shop.call("u1 100")
    wait_until(lambda: shop.scrape()["interakt_track_ended_messages_total", "rejected"] == 1)
    shop.call("u1 200")
    shop.call("")
    shop.call("u2 300")
    wait_until(lambda: shop.scrape()["interakt_track_ended_messages_total", "delivered"] == 2)

    assert shop.scrape() == {
        ("interakt_track_queued_messages_total",): 3,
        ("interakt_track_ended_messages_total", "delivered"): 2,
        ("interakt_track_ended_messages_total", "rejected"): 1,
        ("interakt_track_ended_messages_total", "dropped"): 0,
        ("interakt_track_refused_messages_total", "queue_full"): 0,
        ("interakt_track_refused_messages_total", "before_send"): 0,
        ("interakt_track_refused_messages_total", "invalid"): 1,
        ("interakt_track_refused_messages_total", "disabled"): 0,
        ("interakt_track_retries_total", "false"): 0,
        ("interakt_track_retries_total", "true"): 0,
        ("interakt_track_merged_messages_total",): 0,
        ("interakt_track_waiting_messages",): 0,
        ("interakt_track_in_flight_messages",): 0,
        ("interakt_track_spool_problem",): 0,
    }


def test_the_table_names_every_metric_and_the_alerts_only_such(shop: Shop) -> None:
    readme = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    in_table = set(re.findall(r"^\| `(\w+)` \|", readme, re.MULTILINE))
    in_alerts = set(re.findall(r"interakt_track_\w+", readme.partition("```yaml")[2]))

    scraped = {name for name, *_ in shop.scrape()}

    assert in_table == scraped | {"interakt_track_spool_messages"}
    assert in_alerts <= in_table
