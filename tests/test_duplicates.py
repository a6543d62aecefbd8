"""Ambiguous failures: what the API may have received, is sent again or given up, as `on_ambiguous` says."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from interakt_track import APIError, Client, DeliveryError, RateLimitError, ServerError, ShutdownError, UnreachableError
from interakt_track.sandbox import Fault, Sandbox

NewClient = Callable[..., Client]

AMBIGUOUS = [
    Fault(ending="close", received=True),
    Fault(ending="reset", received=True),
    Fault(latency=30, received=True),
    Fault(status=500),
    Fault(status=502, received=True),
    Fault(status=504, received=True),
]
SURE = [Fault(status=503, retry_after=0), Fault(status=429, retry_after=0), Fault(status=408)]


@pytest.mark.parametrize("fault", AMBIGUOUS, ids=lambda fault: fault.name)
def test_an_event_that_may_be_there_is_sent_again_by_default(
    new_client: NewClient, sandbox: Sandbox, fault: Fault
) -> None:
    sandbox.script([fault])
    client = new_client(timeout=1)

    client.event("u1", "e")

    assert client.flush(20)
    assert len(sandbox.requests) == 2
    assert (client.stats().retried, client.stats().retried_ambiguous) == (1, 1)
    assert client.stats().delivered == 1


@pytest.mark.parametrize("fault", AMBIGUOUS, ids=lambda fault: fault.name)
def test_an_event_that_may_be_there_is_given_up_where_that_is_wanted(
    new_client: NewClient, sandbox: Sandbox, fault: Fault
) -> None:
    errors: list[DeliveryError] = []
    sandbox.script([fault])
    client = new_client(timeout=1, on_ambiguous="give_up", on_error=lambda error, _: errors.append(error))

    receipt = client.event("u1", "e")

    assert client.flush(20)
    assert receipt.status == "dropped"
    assert len(sandbox.requests) == 1
    assert [(type(error) in (UnreachableError, ServerError), error.is_ambiguous) for error in errors] == [(True, True)]
    assert client.stats().retried_ambiguous == 0


@pytest.mark.parametrize("last", [Fault(status=400), Fault(status=503)], ids=lambda fault: fault.name)
def test_the_error_tells_of_an_earlier_attempt_that_may_have_arrived(
    new_client: NewClient, sandbox: Sandbox, last: Fault
) -> None:
    errors: list[DeliveryError] = []
    sandbox.script([Fault.reset(received=True), last] * 2)
    client = new_client(max_retries=1, on_error=lambda error, _: errors.append(error))

    client.event("u1", "e")
    assert client.flush(20)
    with pytest.raises(APIError) as caught:
        new_client(max_retries=1, sync_mode=True).event("u1", "e")

    assert [(type(error), error.is_ambiguous) for error in (*errors, caught.value)] == [(type(caught.value), True)] * 2


def test_a_call_whose_time_is_up_tells_of_an_earlier_attempt_that_may_have_arrived(
    new_client: NewClient, sandbox: Sandbox
) -> None:
    sandbox.script([Fault.reset(received=True), Fault(status=429, retry_after=60)])
    client = new_client(sync_mode=True, timeout=1, max_retries=2)

    with pytest.raises(RateLimitError) as caught:
        client.event("u1", "e")

    assert caught.value.is_ambiguous


def test_a_call_whose_time_is_up_tells_how_many_requests_were_made(new_client: NewClient, sandbox: Sandbox) -> None:
    sandbox.script([Fault.hang()] * 4)
    client = new_client(sync_mode=True, timeout=0.5, max_retries=1)

    with pytest.raises(DeliveryError) as caught:
        client.event("u1", "e")

    assert (caught.value.attempts, caught.value.is_ambiguous) == (len(sandbox.requests), True)


def test_what_a_shutdown_gives_up_tells_of_its_attempts(new_client: NewClient, sandbox: Sandbox) -> None:
    errors: dict[str, DeliveryError] = {}
    sandbox.script([Fault.hang(received=True)])
    client = new_client(max_workers=1, on_error=lambda error, sent: errors.update({sent["body"]["event"]: error}))
    client.event("u1", "under way")
    sandbox.wait_for_requests(1)
    client.event("u1", "behind it")

    client.shutdown(0)

    told = {event: (type(error), error.attempts, error.is_ambiguous) for event, error in errors.items()}
    assert told == {"under way": (ShutdownError, 1, True), "behind it": (ShutdownError, 0, False)}


@pytest.mark.parametrize("fault", SURE, ids=lambda fault: fault.name)
def test_an_event_that_is_surely_not_there_is_sent_again(new_client: NewClient, sandbox: Sandbox, fault: Fault) -> None:
    sandbox.script([fault])
    client = new_client(on_ambiguous="give_up")

    client.event("u1", "e")

    assert client.flush(20)
    assert client.stats().delivered == 1
    assert (client.stats().retried, client.stats().retried_ambiguous) == (1, 0)


def test_nobody_listening_is_surely_not_received(new_client: NewClient, sandbox: Sandbox) -> None:
    sandbox.stop()
    client = new_client(on_ambiguous="give_up", max_retries=1)

    receipt = client.event("u1", "e").wait(20)

    assert isinstance(receipt.error, UnreachableError)
    assert not receipt.error.is_ambiguous
    assert receipt.error.attempts == 2


def test_an_identify_is_always_sent_again(new_client: NewClient, sandbox: Sandbox) -> None:
    sandbox.script([Fault(ending="reset", received=True)])
    client = new_client(on_ambiguous="give_up")

    client.identify("u1", traits={"a": 1})

    assert client.flush(20)
    assert client.stats().delivered == 1
    assert len(sandbox.requests) == 2


def test_in_sync_mode_an_event_that_may_be_there_is_raised_at_once(new_client: NewClient, sandbox: Sandbox) -> None:
    sandbox.script([Fault(ending="close", received=True)])
    client = new_client(sync_mode=True, on_ambiguous="give_up")

    with pytest.raises(UnreachableError) as caught:
        client.event("u1", "e")

    assert caught.value.is_ambiguous
    assert len(sandbox.requests) == 1
