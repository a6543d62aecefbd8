"""On AWS Lambda: what a handler tracks has left when it returns. Lambda's own runtime client, and a real freeze."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lambda_host import LambdaHost
from running import PROGRAMS
from waiting import wait_until

from interakt_track.sandbox import FaultPlan, Sandbox

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Lambda's runtime client is for Linux")

EXAMPLE = Path(__file__).parent.parent / "examples" / "lambda"

Deploy = Callable[..., LambdaHost]


@pytest.fixture
def deploy(sandbox: Sandbox) -> Iterator[Deploy]:
    deployed: list[LambdaHost] = []

    def start(handler: str, *, folder: Path = PROGRAMS, **environment: str) -> LambdaHost:
        settings = {"INTERAKT_HOST": sandbox.url, "INTERAKT_WRITE_KEY": "test-key", **environment}
        deployed.append(LambdaHost(folder, handler, **settings))
        return deployed[-1]

    yield start
    for host in deployed:
        host.close()


def numbers(sandbox: Sandbox) -> list[int]:
    return [body["traits"]["number"] for body in sandbox.events if body["event"] == "Order Placed"]


def names(sandbox: Sandbox) -> Counter[str]:
    return Counter(body["event"] for body in sandbox.events)


def test_what_a_handler_tracks_has_arrived_when_it_returns(sandbox: Sandbox, deploy: Deploy) -> None:
    host = deploy("lambda_shop.handler")

    host.invoke({"orders": [1, 2]})
    assert sorted(numbers(sandbox)) == [1, 2]
    host.invoke({"orders": [3]})
    assert sorted(numbers(sandbox)) == [1, 2, 3]

    assert names(sandbox) == {"Function Started": 1, "Order Placed": 3}
    assert host.close() == ""


def test_without_it_the_background_is_frozen(sandbox: Sandbox, deploy: Deploy) -> None:
    """What the others of these tests are worth."""
    host = deploy("lambda_shop.forgetful")

    host.invoke({"orders": [1, 2]})
    host.close()

    assert sandbox.requests == []


def test_what_a_coroutine_function_tracks_has_arrived_when_it_returns(sandbox: Sandbox, deploy: Deploy) -> None:
    host = deploy("lambda_shop.asynchronous")

    host.invoke({"orders": [1, 2]})
    host.invoke({"orders": [3]})

    assert sorted(numbers(sandbox)) == [1, 2, 3]
    assert host.close() == ""


def test_a_handler_that_raises_has_sent_what_it_tracked(sandbox: Sandbox, deploy: Deploy) -> None:
    host = deploy("lambda_shop.handler")

    with pytest.raises(RuntimeError, match=r"^LookupError: no such order$"):
        host.invoke({"orders": [1], "fails": "no such order"})

    assert numbers(sandbox) == [1]


def test_no_thread_and_so_no_connection_outlives_an_invocation(sandbox: Sandbox, deploy: Deploy) -> None:
    host = deploy("lambda_shop.handler")

    host.invoke({"orders": [1, 2, 3]})
    host.invoke({"orders": [4], "waits": "until no thread is left"})

    assert sorted(numbers(sandbox)) == [1, 2, 3, 4]


def test_what_did_not_leave_in_time_is_told_and_goes_on_when_thawed(sandbox: Sandbox, deploy: Deploy) -> None:
    sandbox.faults = FaultPlan(latency=2.0)
    host = deploy("lambda_shop.handler")

    host.invoke({"orders": [1, 2, 3], "customer": "u1"}, seconds=1.2)
    sandbox.faults = FaultPlan()
    host.invoke({"orders": [4], "customer": "u1"})
    written = host.close()

    assert numbers(sandbox) == [1, 2, 3, 4]
    assert names(sandbox)["Function Started"] == 1
    assert written.count("4 messages were not sent when the handler returned") == 1
    assert written.count("\n") == 1
    assert "u1" not in written


def test_an_answer_that_comes_while_it_is_frozen_is_read_when_it_is_thawed(sandbox: Sandbox, deploy: Deploy) -> None:
    sandbox.faults = FaultPlan(latency=3.0)
    host = deploy("lambda_shop.handler")

    host.invoke({"orders": [1]}, seconds=2.5)
    wait_until(lambda: [request.finished is not None for request in sandbox.requests] == [True, True])
    sandbox.faults = FaultPlan()
    host.invoke({"orders": [2]})

    assert sorted(numbers(sandbox)) == [1, 2]
    assert names(sandbox)["Function Started"] == 1


def test_a_connection_that_was_closed_meanwhile_costs_no_attempt(sandbox: Sandbox, deploy: Deploy) -> None:
    host = deploy("lambda_shop.by_hand")

    host.invoke({"orders": [1]})
    sandbox.stop()
    sandbox.start()
    stats = host.invoke({"orders": [2]})

    assert numbers(sandbox) == [1, 2]
    assert (stats["delivered"], stats["retried"]) == (3, 0)


def test_the_example_answers_and_tracks(sandbox: Sandbox, deploy: Deploy) -> None:
    host = deploy("orders.handler", folder=EXAMPLE)

    def order(number: str) -> dict[str, Any]:
        body = {"customer": "u1", "phone": "98765 43210", "order": number, "total": 2998}
        answer: dict[str, Any] = host.invoke({"body": json.dumps(body)})
        return answer

    first, second = order("A-1"), order("A-2")

    assert first == {"statusCode": 201, "body": '{"order": "A-1"}'}
    assert second["statusCode"] == 201
    assert [body["traits"]["order_id"] for body in sandbox.events] == ["A-1", "A-2"]
    assert [body["phoneNumber"] for body in sandbox.users] == ["9876543210"] * 2
