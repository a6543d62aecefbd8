"""Real orders of real customers: the CDNOW sample, imported as events, is in the sandbox what it is in the file."""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import run
from words import words_of

from interakt_track.sandbox import Sandbox

ROOT = Path(__file__).parent.parent
ORDERS = ROOT / ".cache" / "datasets" / "lifetimes" / "datasets" / "CDNOW_sample.txt"
COLUMNS = ("master_id", "customer", "ordered", "discs", "dollars")


@pytest.fixture
def orders() -> list[list[str]]:
    """The file's lines, which has columns of spaces and no headings."""
    if not ORDERS.exists():
        missing = "the data sets are not here; scripts/install_datasets.sh downloads them"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{missing}; CI must have them")
        pytest.skip(missing)
    return [line.split() for line in ORDERS.read_text(encoding="ascii").splitlines() if line.strip()]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """One that keeps all of them."""
    with Sandbox(write_key="test-key", keep=100_000) as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def time_zone(surroundings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")


@pytest.mark.timeout(180)
def test_every_order_of_the_sample_arrives_once_with_its_values_and_in_order(
    sandbox: Sandbox, orders: list[list[str]]
) -> None:
    text = "\n".join(",".join(cells) for cells in [list(COLUMNS), *orders])
    Path("orders.csv").write_text(f"{text}\n", encoding="utf-8")

    result = run(
        *("import", "events", "orders.csv", "--event", "Order Placed", "--map", "customer=user_id", "--yes", "--json"),
        *("--map", "ordered=created_at", "--type", "ordered=datetime:%Y%m%d", "--type", "discs=int"),
        *("--type", "dollars=float", "--ignore", "master_id", "--rate-limit", "1000000"),
    )

    assert result.exit_code == 0, words_of(result)
    told = json.loads(result.stdout)
    events = sandbox.events
    assert (told["sent"], told["refused"], told["check"]["wrong"]) == (len(orders), 0, 0)
    assert len(events) == len(orders) == 6919
    assert len({body["userId"] for body in events}) == 2357
    assert Counter(body["userId"] for body in events) == Counter(customer for _, customer, *_ in orders)
    assert sum(body["traits"]["discs"] for body in events) == sum(int(order[3]) for order in orders)
    assert round(sum(body["traits"]["dollars"] for body in events), 2) == round(
        sum(float(order[4]) for order in orders), 2
    )
    by_person: defaultdict[str, list[float]] = defaultdict(list)
    for body in events:
        by_person[body["userId"]].append(body["traits"]["dollars"])
    in_file: defaultdict[str, list[float]] = defaultdict(list)
    for _, customer, _, _, dollars in orders:
        in_file[customer].append(float(dollars))
    assert by_person == in_file
