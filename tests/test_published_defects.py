"""What 1.0.7 gets wrong, defect by defect, and what happens here instead; real processes, real HTTP.

The tests whose names begin with `test_1_0_7` document that the published SDK does have the defect, in an environment of
its own that `scripts/install_published.sh` makes. They also show that the test above them could fail. The numbers are
those of the eleven that were found first.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from interakt_track import (
    APIError,
    Client,
    InvalidMessageError,
    RejectedError,
    TrackError,
)
from interakt_track.sandbox import Fault, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from interakt_track.sandbox import Request

    NewClient = Callable[..., Client]
    Observe = Callable[[str], Any]

ROOT = Path(__file__).parent.parent
PUBLISHED = ROOT / ".venvs" / "published"
NOW = datetime(2026, 3, 27, 18, 56, 52, 926000, tzinfo=UTC)
A_LIST = Fault(status=400, body=b'["This field is required."]', name="list")


@pytest.fixture
def published() -> list[str]:
    """The command that shows a defect of the published SDK against the sandbox, but for the defect's name."""
    if not (PUBLISHED / "prepared.txt").exists():
        missing = "the published SDK is not in .venvs/published: run scripts/install_published.sh"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{missing}; CI must have it")
        pytest.skip(missing)
    return [str(PUBLISHED / "bin" / "python"), "-I", str(ROOT / "tests" / "published" / "defects.py")]


@pytest.fixture
def observe(published: list[str], sandbox: Sandbox) -> Observe:
    """Return what the published SDK was seen to do."""

    def observe(defect: str) -> Any:
        ran = subprocess.run([*published, defect, sandbox.url], capture_output=True, check=True, timeout=30)
        return json.loads(ran.stdout)

    return observe


def run(program: str, sandbox: Sandbox) -> subprocess.CompletedProcess[str]:
    """Run a program that uses this SDK to its own end, which must come soon."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env={**os.environ, "INTERAKT_HOST": sandbox.url, "INTERAKT_WRITE_KEY": "test-key"},
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )


def most_at_the_same_time(requests: list[Request]) -> int:
    """Return how many requests were under way together."""
    changes = [(request.started, 1) for request in requests]
    changes += [(request.finished, -1) for request in requests if request.finished is not None]
    under_way = most = 0
    for _, change in sorted(changes):
        under_way += change
        most = max(most, under_way)
    return most


def test_a_program_that_only_calls_event_delivers_and_ends_by_itself(sandbox: Sandbox) -> None:
    """1. A process that did not call `shutdown()` never ended."""
    ran = run("import track\nfor i in range(10): track.event(user_id='u1', event='e', traits={'i': i})", sandbox)

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert list(range(10)) == [event["traits"]["i"] for event in sandbox.events]


def test_1_0_7_never_ends_by_itself(published: list[str], sandbox: Sandbox) -> None:
    with subprocess.Popen([*published, "never_ending", sandbox.url]) as process:
        try:
            sandbox.wait_for(1)

            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(1.0)  # twice what its consumer waits for more
        finally:
            process.kill()


def test_join_alone_delivers_what_waits(new_client: NewClient, sandbox: Sandbox) -> None:
    """2. `join()` without `flush()` dropped what waited."""
    client = new_client(flush_interval=60)
    for i in range(20):
        client.event(f"u{i}", "Order Placed")

    client.join()

    assert sandbox.counts.events == 20


def test_1_0_7_drops_what_waits_at_join(observe: Observe, sandbox: Sandbox) -> None:
    sandbox.faults = "latency=20ms"

    left_in_the_queue = observe("joining")

    assert left_in_the_queue > 0
    assert sandbox.counts.events == 20 - left_in_the_queue


def test_sync_mode_can_be_joined_and_shut_down(new_client: NewClient, sandbox: Sandbox) -> None:
    """3. `shutdown()` and `join()` raised AttributeError in sync mode."""
    client = new_client(sync_mode=True)
    client.event("u1", "Order Placed")

    client.join()
    client.shutdown()
    client.join()

    assert sandbox.counts.events == 1


def test_1_0_7_cannot_be_joined_or_shut_down_in_sync_mode(observe: Observe) -> None:
    assert observe("sync_mode_ending") == ["AttributeError", "AttributeError"]


def test_sending_goes_on_when_on_error_raises(new_client: NewClient, sandbox: Sandbox) -> None:
    """4. An `on_error` that raised ended sending, and later calls still reported success."""
    told = []

    def on_error(error: TrackError, _queue_msg: object) -> None:
        told.append(error)
        raise ZeroDivisionError

    sandbox.script([400, None, 400, None])
    client = new_client(on_error=on_error, max_workers=1)

    receipts = [client.event("u1", "Order Placed") for _ in range(4)]

    assert client.flush(10)
    assert [receipt.status for receipt in receipts] == ["rejected", "delivered", "rejected", "delivered"]
    assert len(told) == 2


def test_1_0_7_ends_sending_when_on_error_raises(observe: Observe, sandbox: Sandbox) -> None:
    sandbox.script([400])

    later_call_was_accepted, consumer_is_alive = observe("raising_on_error")

    assert (later_call_was_accepted, consumer_is_alive) == (True, False)
    assert sandbox.counts.requests == 1


def test_a_list_for_an_error_body_is_an_api_error(new_client: NewClient, sandbox: Sandbox) -> None:
    """5. A JSON list as an error body raised AttributeError; in the background its message was sent again."""
    sandbox.fail_next(fault=A_LIST)

    with pytest.raises(RejectedError) as caught:
        new_client(sync_mode=True).event("u1", "Order Placed")

    assert isinstance(caught.value, APIError)
    assert caught.value.status_code == 400
    assert sandbox.counts.requests == 1


def test_1_0_7_takes_a_list_for_its_own_defect(observe: Observe, sandbox: Sandbox) -> None:
    sandbox.fail_next(fault=A_LIST)

    assert observe("list_for_an_error_body") == "AttributeError"


@pytest.mark.parametrize("fault", [A_LIST, Fault(status=302, headers=(("Location", "/"),))], ids=["list", "redirect"])
def test_a_final_answer_is_not_asked_for_again(new_client: NewClient, sandbox: Sandbox, fault: Fault) -> None:
    sandbox.fail_next(fault=fault)
    client = new_client()

    receipt = client.event("u1", "Order Placed")

    assert client.flush(10)
    assert (receipt.status, type(receipt.error)) == ("rejected", RejectedError)
    assert sandbox.counts.requests == 1


def test_1_0_7_asks_again_after_a_list(observe: Observe, sandbox: Sandbox) -> None:
    sandbox.fail_next(2, A_LIST)

    assert observe("retried_refusal") == ["AttributeError"]
    assert sandbox.counts.requests == 2


def test_times_arrive(client: Client, sandbox: Sandbox) -> None:
    """6. The documented `created_at` was a TypeError; a datetime trait was tried like a network error, and lost."""
    client.identify("u1", traits={"since": NOW}, created_at=NOW)
    client.event("u1", "Order Placed", {"at": NOW}, created_at="2026-03-28T00:26:52.926+05:30")

    assert client.flush(10)
    on_the_wire = "2026-03-27T18:56:52.926Z"
    assert sandbox.users == [{"userId": "u1", "traits": {"since": on_the_wire}, "createdAt": on_the_wire}]
    assert sandbox.events == [
        {
            "userId": "u1",
            "event": "Order Placed",
            "traits": {"at": on_the_wire},
            "createdAt": "2026-03-27T18:56:52.926Z",
        }
    ]


def test_1_0_7_knows_no_times(observe: Observe, sandbox: Sandbox) -> None:
    raised_by_created_at, reported_for_the_trait = observe("times")

    assert raised_by_created_at == "TypeError"
    assert reported_for_the_trait == ["TypeError"]
    assert sandbox.counts.requests == 0


def test_sync_mode_tries_again(new_client: NewClient, sandbox: Sandbox) -> None:
    """7. Sync mode did not retry, and Retry-After was ignored."""
    sandbox.fail_next(status=503)

    receipt = new_client(sync_mode=True).event("u1", "Order Placed")

    assert receipt.status == "delivered"
    assert sandbox.counts.requests == 2


def test_1_0_7_gives_up_at_once_in_sync_mode(observe: Observe, sandbox: Sandbox) -> None:
    sandbox.fail_next(status=503)

    assert observe("list_for_an_error_body") == "APIError"
    assert sandbox.counts.requests == 1


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_waited_for(client: Client, sandbox: Sandbox, status: int) -> None:
    sandbox.fail_next(status=status, retry_after=1)

    client.event("u1", "Order Placed")

    assert client.flush(10)
    first, second = sandbox.requests
    assert second.started - first.started >= 1.0


def test_1_0_7_does_not_wait_for_retry_after(observe: Observe, sandbox: Sandbox) -> None:
    sandbox.fail_next(status=429, retry_after=3)

    observe("retried_refusal")

    first, second = sandbox.requests
    assert second.started - first.started < 3.0


def test_user_0_is_a_user(client: Client, sandbox: Sandbox) -> None:
    """8. `user_id=0` counted as missing, bad input raised AssertionError, and some of it was good."""
    client.event(0, "Order Placed")

    assert client.flush(10)
    assert [event["userId"] for event in sandbox.events] == ["0"]


@pytest.mark.parametrize(
    "arguments",
    [{"event": "Order Placed"}, {"user_id": "u1"}, {"user_id": True, "event": "e"}, {"user_id": 1.5, "event": "e"}],
    ids=["nobody", "no event", "a flag for an id", "a fraction for an id"],
)
def test_bad_input_is_told_as_what_it_is(client: Client, arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidMessageError) as caught:
        client.event(**arguments)

    assert isinstance(caught.value, ValueError)
    assert not isinstance(caught.value, AssertionError)


@pytest.mark.parametrize("phone_number", [9876543210, "+919876543210", "+91-98765 43210", "09876543210"])
def test_a_phone_number_may_be_written_as_people_do(client: Client, sandbox: Sandbox, phone_number: object) -> None:
    client.identify(phone_number=phone_number)

    assert client.flush(10)
    assert sandbox.users == [{"countryCode": "+91", "phoneNumber": "9876543210", "traits": {}}]


def test_1_0_7_refuses_what_is_right_and_takes_what_is_wrong(observe: Observe) -> None:
    zero, no_event, whole_number, with_code, flag = observe("bad_input")

    assert {zero, no_event, whole_number, with_code} == {"AssertionError"}
    assert flag is None


@pytest.mark.parametrize("sync_mode", [False, True], ids=["async", "sync"])
def test_what_is_sent_is_what_was_given(new_client: NewClient, sandbox: Sandbox, sync_mode: bool) -> None:
    """9. A dict was sent as it was when it was sent, and the default one was everybody's."""
    client = new_client(flush_interval=60, sync_mode=sync_mode)
    order: dict[str, Any] = {"state": "placed", "lines": [{"sku": "a"}]}

    client.event("u1", "Order", order)
    order["state"] = "changed after the call"
    order["lines"][0]["sku"] = "b"

    assert client.flush(10)
    assert [event["traits"] for event in sandbox.events] == [{"state": "placed", "lines": [{"sku": "a"}]}]


def test_1_0_7_sends_what_changed_after_the_call(observe: Observe, sandbox: Sandbox) -> None:
    sandbox.script([Fault(latency=0.2)])  # the consumer is busy meanwhile

    observe("late_snapshot")

    assert sandbox.events[-1]["traits"] == {"state": "changed after the call"}


def test_what_a_receipt_shows_is_nobody_else_s(client: Client, sandbox: Sandbox) -> None:
    _, queue_msg = client.identify("u1")
    queue_msg["body"]["traits"]["of"] = "u1"  # type: ignore[index]  # unpacked as in 1.0.x, which had no types

    client.identify("u2")

    assert client.flush(10)
    assert sorted(sandbox.users, key=lambda body: body["userId"]) == [
        {"userId": "u1", "traits": {}},
        {"userId": "u2", "traits": {}},
    ]


def test_1_0_7_shares_its_default_traits_among_customers(observe: Observe, sandbox: Sandbox) -> None:
    observe("shared_default")

    assert sandbox.users[-1] == {"userId": "u2", "traits": {"of": "u1"}}


def test_requests_of_different_people_are_under_way_together(new_client: NewClient, sandbox: Sandbox) -> None:
    """10. One request was made at a time, whatever the account allows."""
    sandbox.faults = "latency=100ms"
    client = new_client()
    for i in range(24):
        client.event(f"u{i}", "Order Placed")

    assert client.flush(10)
    assert 1 < most_at_the_same_time(sandbox.requests) <= 8


def test_1_0_7_makes_one_request_at_a_time(observe: Observe, sandbox: Sandbox) -> None:
    sandbox.faults = "latency=20ms"

    observe("one_at_a_time")

    assert sandbox.counts.events == 8
    assert most_at_the_same_time(sandbox.requests) == 1


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_every_2xx_is_delivered(client: Client, sandbox: Sandbox, status: int) -> None:
    """11. Before 1.0.1 a 202 was an error, and a 400 was tried again."""
    sandbox.script([status])

    receipt = client.event("u1", "Order Placed")

    assert client.flush(10)
    assert receipt.status == "delivered"
    assert sandbox.counts.requests == 1


def test_a_400_is_final(client: Client, sandbox: Sandbox) -> None:
    sandbox.script([400])

    receipt = client.event("u1", "Order Placed")

    assert client.flush(10)
    assert receipt.status == "rejected"
    assert sandbox.counts.requests == 1


def test_a_call_after_shutdown_is_delivered(client: Client, sandbox: Sandbox) -> None:
    """Not among the eleven: a call after `shutdown()` was accepted and forgotten."""
    client.event("u1", "before")
    client.shutdown()

    client.event("u1", "after")

    assert client.flush(10)
    assert [event["event"] for event in sandbox.events] == ["before", "after"]


def test_1_0_7_accepts_and_forgets_a_call_after_shutdown(observe: Observe, sandbox: Sandbox) -> None:
    later_call_was_accepted, consumer_is_alive = observe("call_after_shutdown")

    assert (later_call_was_accepted, consumer_is_alive) == (True, False)
    assert [event["event"] for event in sandbox.events] == ["before"]
