"""What the sandbox lets go wrong, seen from the client's end of a real socket."""

from __future__ import annotations

import base64
import json
import re
import socket
import time

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interakt_track.sandbox import Fault, FaultPlan, RateLimit, Sandbox, busiest_window, parse_faults
from interakt_track.sandbox._fault_plan import FaultDice
from interakt_track.sandbox._faults import PLAIN, WITH_STATUS, find_faults

USERS = "/v1/public/track/users/"
EVENTS = "/v1/public/track/events/"
BODY = json.dumps({"userId": "5", "event": "Order Placed"}).encode()
times = st.lists(st.floats(0, 1000), max_size=60)


@pytest.fixture
def sandbox():
    with Sandbox(write_key="the-key") as sandbox:
        yield sandbox


@pytest.fixture
def client(sandbox):
    with httpx.Client(base_url=sandbox.url, auth=("the-key", ""), trust_env=False) as client:
        yield client


def head(body=BODY):
    encoded = base64.b64encode(b"the-key:").decode()
    return (
        f"POST {EVENTS} HTTP/1.1\r\nHost: sandbox\r\nContent-Type: application/json\r\n"
        f"Authorization: Basic {encoded}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()


def connect(sandbox):
    return socket.create_connection(("127.0.0.1", httpx.URL(sandbox.url).port), timeout=10)


def read_to_the_end(client):
    return list(iter(lambda: client.recv(4096), b""))


def post(client, user_id="5"):
    return client.post(EVENTS, json={"userId": user_id, "event": "Order Placed"})


@pytest.mark.parametrize("received", [False, True])
def test_a_reset_comes_after_the_whole_request_was_read(sandbox, received):
    sandbox.script([Fault.reset(received=received)])

    with connect(sandbox) as client:
        client.sendall(head() + BODY[:-1])
        client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(10)
        client.sendall(BODY[-1:])
        with pytest.raises(ConnectionResetError):
            client.recv(1)

    [request] = sandbox.wait_for_requests(1)
    assert (None, received, len(BODY)) == (request.status, request.received, request.size)
    assert int(received) == len(sandbox.events) == sandbox.counts.events


def test_an_early_reset_comes_before_the_body_is_read(sandbox):
    sandbox.script([Fault.reset(early=True)])

    with connect(sandbox) as client:
        client.sendall(head())
        with pytest.raises(ConnectionResetError):
            client.recv(1)

    [request] = sandbox.wait_for_requests(1)
    assert ("reset-early", None, False, 0) == (request.fault, request.status, request.received, request.size)


@pytest.mark.parametrize("received", [False, True])
def test_a_close_is_an_orderly_end_without_a_byte(sandbox, received):
    sandbox.script([Fault.close(received=received)])

    with connect(sandbox) as client:
        client.sendall(head() + BODY)
        assert b"" == client.recv(1)

    [request] = sandbox.requests
    assert (None, received) == (request.status, request.received)
    assert int(received) == len(sandbox.events)


@pytest.mark.parametrize("received", [False, True])
def test_a_hang_answers_nothing_while_the_client_waits(sandbox, received):
    sandbox.script([Fault.hang(received=received)])

    with connect(sandbox) as client:
        client.sendall(head() + BODY)
        sandbox.wait_for_requests(1)
        client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.recv(1)

    assert int(received) == len(sandbox.events)


def test_a_truncated_answer_ends_before_its_length(sandbox, client):
    sandbox.script([Fault.truncate()])

    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        post(client)

    [request] = sandbox.requests
    assert (201, True) == (request.status, request.received)


def test_a_slow_body_comes_a_byte_at_a_time(sandbox):
    sandbox.script([Fault.slow(byte_delay=0.001)])

    with connect(sandbox) as client:
        client.sendall(head() + BODY)
        raw = client.recv(4096)
        while b"\r\n\r\n" not in raw:
            raw += client.recv(4096)
        body = raw.partition(b"\r\n\r\n")[2]
        arrived = []
        while not body.endswith(b"}"):
            arrived.append(client.recv(4096))
            body += arrived[-1]

    assert len(arrived) > 20
    assert max(map(len, arrived)) < 10
    assert json.loads(body)["result"] is True
    assert sandbox.requests[0].received


def test_a_client_that_gives_up_on_a_slow_body_was_received_all_the_same(sandbox, client):
    sandbox.script([Fault.slow(byte_delay=3600)])

    with pytest.raises(httpx.ReadTimeout):
        client.post(EVENTS, content=BODY, headers={"Content-Type": "application/json"}, timeout=0.1)

    assert 1 == len(sandbox.events)


def test_a_slow_head_comes_a_byte_at_a_time(sandbox):
    sandbox.script([Fault.slow_head(byte_delay=0.001)])

    with connect(sandbox) as client:
        client.sendall(head() + BODY)
        arrived = read_to_the_end(client)

    assert b"".join(arrived).startswith(b"HTTP/1.1 202 Accepted\r\n")
    assert max(map(len, arrived)) < 10
    assert sandbox.requests[0].received


def test_an_answer_can_be_no_http_at_all(sandbox, client):
    sandbox.script([Fault.not_http()])

    with pytest.raises(httpx.RemoteProtocolError):
        post(client)

    assert [] == sandbox.events


@pytest.mark.parametrize("status", [400, 401, 403, 408, 429, 500, 503, 520, 599])
def test_a_status_comes_in_the_envelope_of_the_api(sandbox, client, status):
    sandbox.fail_next(status=status)

    response = post(client)

    [request] = sandbox.requests
    assert status == response.status_code
    assert response.json()["result"] is False
    assert response.json()["message"]
    assert (status, str(status), f"fault: {status}") == (request.status, request.fault, request.reason)
    assert (False, []) == (request.received, sandbox.events)


def test_an_envelope_says_what_it_is_told_to(sandbox, client):
    sandbox.script([Fault(status=400, message="[{'name': ['is required']}]"), 429])

    refused, limited = post(client), post(client)

    assert {"result": False, "message": "[{'name': ['is required']}]"} == refused.json()
    assert {"result": False, "message": "Rate limit exceeded for this resource"} == limited.json()


def test_another_success_keeps_the_usual_body(sandbox, client):
    sandbox.script([200, 204])

    ok, no_content = post(client), post(client)

    assert (200, "Event created successfully") == (ok.status_code, ok.json()["message"])
    assert (204, b"") == (no_content.status_code, no_content.content)
    assert 2 == len(sandbox.events)


def test_a_success_is_not_for_those_the_api_refuses(sandbox, client):
    sandbox.script([200, Fault.html(), Fault.html(502)])

    answers = [client.post(EVENTS, json={"userId": "5"}) for _ in range(3)]

    assert [400, 400, 502] == [response.status_code for response in answers]
    assert ["event: is required"] * 3 == [request.reason for request in sandbox.requests]
    assert [] == sandbox.events


def test_a_message_can_be_received_although_the_answer_is_an_error(sandbox, client):
    sandbox.script([Fault(status=504, received=True), Fault(received=False)])

    failed, accepted = post(client, "failed"), post(client, "accepted")

    assert [504, 201] == [failed.status_code, accepted.status_code]
    assert ["failed"] == [body["userId"] for body in sandbox.events]


@pytest.mark.parametrize("status", [None, 404, 502, 504])
def test_a_page_of_html_comes_instead_of_json(sandbox, client, status):
    sandbox.script([Fault.html(status)])

    response = post(client)

    assert (status or 201) == response.status_code
    assert response.headers["Content-Type"].startswith("text/html")
    assert response.text.startswith("<!DOCTYPE html>")
    assert int(status is None) == len(sandbox.events)


@pytest.mark.parametrize("status", [None, 200, 400, 500])
@pytest.mark.parametrize(
    ("fault", "body"),
    [
        (Fault.garbage, bytes(range(256))),
        (Fault.broken_json, b'{"result": true, "mess'),
        (Fault.json_list, b'[{"result": true}, "a message"]'),
        (Fault.empty, b""),
    ],
)
def test_an_odd_body_comes_with_any_status(sandbox, client, fault, body, status):
    sandbox.script([fault(status)])

    response = post(client)

    is_success = status in {None, 200}
    assert ((status or 201), body) == (response.status_code, response.content)
    assert int(is_success) == len(sandbox.events)


@pytest.mark.parametrize("status", [None, 500])
def test_bad_gzip_cannot_be_decoded(sandbox, client, status):
    sandbox.script([Fault.bad_gzip(status)])

    with pytest.raises(httpx.DecodingError):
        post(client)

    assert (status or 201) == sandbox.requests[0].status


@pytest.mark.parametrize("status", [None, 200])
def test_a_success_whose_body_says_false_is_not_received(sandbox, client, status):
    sandbox.script([Fault.false_result(status)])

    response = post(client)

    assert (status or 201) == response.status_code
    assert {"result": False, "message": "Error processing the request."} == response.json()
    assert [] == sandbox.events


def test_a_redirect_points_elsewhere_and_shows_who_follows(sandbox, client):
    sandbox.script([Fault.redirect()])

    response = client.post(EVENTS, content=BODY, headers={"Content-Type": "application/json"}, follow_redirects=True)

    assert [307] == [step.status_code for step in response.history]
    assert [EVENTS, "/elsewhere/"] == [request.path for request in sandbox.requests]
    assert [] == sandbox.events


@pytest.mark.parametrize("retry_after", [2, "-1", "Fri, 31 Dec 1999 23:59:59 GMT"])
def test_retry_after_comes_as_it_was_given(sandbox, client, retry_after):
    sandbox.fail_next(status=503, retry_after=retry_after)

    assert str(retry_after) == post(client).headers["Retry-After"]
    assert "Retry-After" not in post(client).headers


def test_latency_comes_before_the_answer_and_after_the_record(sandbox):
    sandbox.script([Fault(latency=0.1)])

    with connect(sandbox) as client:
        started = time.monotonic()
        client.sendall(head() + BODY)
        [under_way] = sandbox.wait_for(1)
        client.recv(1)
        took = time.monotonic() - started

    assert took >= 0.1
    assert under_way.finished is None
    assert sandbox.requests[0].finished - under_way.started >= 0.1


def test_a_client_that_leaves_before_its_answer_is_marked(sandbox, client):
    sandbox.script([Fault(latency=3600)])

    with pytest.raises(httpx.ReadTimeout):
        client.post(EVENTS, content=BODY, headers={"Content-Type": "application/json"}, timeout=0.1)
    sandbox.stop()

    [request] = sandbox.requests
    assert request.is_abandoned
    assert request.received


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"status": 199}, "must be from 200 to 599, not 199"),
        ({"ending": "explode"}, "'ending' must be in"),
        ({"ending": "reset-early", "received": True}, "never read"),
    ],
)
def test_an_impossible_fault_is_an_error(wrong, match):
    with pytest.raises(ValueError, match=match):
        Fault(**wrong)


def test_a_script_is_met_in_order_and_then_is_over(sandbox, client):
    sandbox.fail_next(2)
    sandbox.script([None, 500])

    statuses = [post(client).status_code for _ in range(5)]

    assert [503, 503, 201, 500, 201] == statuses
    assert 0 == sandbox.scripted


def test_a_script_can_be_for_one_person(sandbox, client):
    sandbox.fail_next(2, when=lambda request: request.user_id == "unlucky")

    statuses = [post(client, user_id).status_code for user_id in ("lucky", "unlucky", "lucky", "unlucky", "unlucky")]

    assert [201, 503, 201, 503, 201] == statuses


def test_what_is_for_anybody_waits_behind_what_is_for_one(sandbox, client):
    sandbox.fail_next(1, status=500, when=lambda request: request.user_id == "unlucky")
    sandbox.fail_next(1, status=502)

    statuses = [post(client, user_id).status_code for user_id in ("unlucky", "lucky", "lucky")]

    assert [500, 502, 201] == statuses


def test_a_script_comes_before_the_plan():
    with (
        Sandbox(faults="500=1") as sandbox,
        httpx.Client(base_url=sandbox.url, auth=("any", ""), trust_env=False) as client,
    ):
        sandbox.script([None, 502])

        statuses = [post(client).status_code for _ in range(3)]

    assert [201, 502, 500] == statuses


def test_unknown_paths_meet_no_faults(sandbox, client):
    sandbox.fail_next(1)

    assert 404 == client.post("/nowhere/").status_code
    assert 1 == sandbox.scripted


def test_the_plan_can_be_changed_while_it_runs(sandbox, client):
    sandbox.faults = "503=1"
    during = post(client)
    sandbox.faults = None
    after = post(client)

    assert [503, 201] == [during.status_code, after.status_code]
    assert FaultPlan() == sandbox.faults


def test_random_faults_come_as_often_as_they_should_and_the_same_each_time():
    plan = parse_faults("503=0.05,reset=0.1,seed=7")

    first, again = ([dice.fault(0.0) for _ in range(10_000)] for dice in (FaultDice(plan), FaultDice(plan)))

    assert first == again
    names = [fault.name for fault in first if fault]
    assert 400 < names.count("503") < 600
    assert 850 < names.count("reset") < 1150
    assert {"503", "reset"} == set(names)


def test_the_seed_makes_the_answers_the_same_each_time():
    runs = []
    for _ in range(2):
        with (
            Sandbox(faults="5xx=0.5,seed=1") as sandbox,
            httpx.Client(base_url=sandbox.url, auth=("any", ""), trust_env=False) as client,
        ):
            runs.append([post(client).status_code for _ in range(40)])

    assert runs[0] == runs[1]
    assert {201, 500, 502, 503, 504} == set(runs[0])


def test_the_latency_of_the_plan_lies_within_its_jitter():
    dice = FaultDice(FaultPlan(latency=0.05, jitter=0.02, seed=1))

    latencies = [dice.latency() for _ in range(1000)]

    assert 0.05 <= min(latencies) < 0.051
    assert 0.069 < max(latencies) <= 0.07


def test_the_latency_of_the_plan_holds_for_every_answer():
    with (
        Sandbox(faults="latency=50ms") as sandbox,
        httpx.Client(base_url=sandbox.url, auth=("any", ""), trust_env=False) as client,
    ):
        sandbox.fail_next(1)
        post(client)
        post(client)

    assert all(request.finished - request.started >= 0.05 for request in sandbox.requests)


def test_a_plan_is_read_from_one_line():
    plan = parse_faults(
        " latency=50ms, jitter=0.02,503=5%,html-404=.25,close-received=0.1,"
        "rate=600,period=2s,window=sliding,retry-after=yes,seed=7,"
    )

    assert plan == FaultPlan(
        latency=0.05,
        jitter=0.02,
        chances=((Fault(status=503), 0.05), (Fault.html(404), 0.25), (Fault.close(received=True), 0.1)),
        rate_limit=RateLimit(600, seconds=2.0, window="sliding", has_retry_after=True),
        seed=7,
    )


def test_an_empty_line_is_a_plan_without_faults():
    assert FaultPlan() == parse_faults("")


def test_several_faults_of_one_name_share_its_probability():
    plan = parse_faults("5xx=0.2")

    assert [(500, 0.05), (502, 0.05), (503, 0.05), (504, 0.05)] == [
        (fault.status, chance) for fault, chance in plan.chances
    ]


@pytest.mark.parametrize("name", sorted({*PLAIN, *WITH_STATUS}))
def test_a_fault_of_the_catalogue_is_recorded_under_its_name(name):
    assert all(fault.name.startswith("50" if name == "5xx" else name) for fault in find_faults(name))


@pytest.mark.parametrize(
    ("spec", "match"),
    [
        ("latency", "'latency' must be a name, = and a value"),
        ("latency=", "'latency=' must be a name, = and a value"),
        ("latency=fast", "latency must be a time such as 50ms, 2s or 0.05, not 'fast'"),
        ("latency=-1", "latency must be a time"),
        ("reset=often", "reset must be a probability such as 0.05 or 5%, not 'often'"),
        ("reset=1.5", "must be from 0 to 1"),
        ("reset=nan", "must be from 0 to 1"),
        ("reset=0.6,close=0.6", "must not add up to more than 1"),
        ("reset=0.1,reset=0.1", "'reset' is there twice"),
        ("rate=many", "rate must be a whole number, not 'many'"),
        ("rate=0", "at least 1 request"),
        ("rate=1,period=0", "must be longer than 0.0 seconds"),
        ("rate=1,window=open", "window must be fixed or sliding, not 'open'"),
        ("window=fixed", "period, window and retry-after need a rate"),
        ("seed=x", "seed must be a whole number"),
        ("999=0.1", "must be from 200 to 599, not 999"),
        ("reset-503=0.1", "there is no fault 'reset-503'; there are a status such as 503, and 5xx, "),
        ("earthquake=0.1", "there is no fault 'earthquake'"),
    ],
)
def test_a_line_that_cannot_be_read_is_an_error_naming_the_part(spec, match):
    with pytest.raises(ValueError, match=re.escape(match)):
        parse_faults(spec)


def test_a_rate_limit_refuses_in_the_words_of_the_api(client, sandbox):
    sandbox.faults = "rate=3"

    answers = [post(client) for _ in range(5)]

    assert [201, 201, 201, 429, 429] == [response.status_code for response in answers]
    assert {"result": False, "message": "Rate limit exceeded for this resource"} == answers[-1].json()
    assert "Retry-After" not in answers[-1].headers
    assert ["rate-limit"] * 2 == [request.fault for request in sandbox.requests[3:]]
    assert 3 == len(sandbox.events)


def test_a_rate_limit_says_when_there_is_room_if_told_to(client, sandbox):
    sandbox.faults = FaultPlan(rate_limit=RateLimit(1, seconds=90, window="sliding", has_retry_after=True))

    _, refused = post(client), post(client)

    assert "90" == refused.headers["Retry-After"]


@pytest.mark.parametrize("window", ["fixed", "sliding"])
def test_a_rate_limit_lets_requests_through_again(client, sandbox, window):
    sandbox.faults = FaultPlan(rate_limit=RateLimit(2, seconds=0.3, window=window))

    while len(sandbox.events) < 7:
        post(client)

    admitted = [request.started for request in sandbox.requests if request.received]
    assert admitted[6] - admitted[0] >= 0.6
    if window == "sliding":
        assert 2 == busiest_window(admitted, 0.3)
    else:
        assert 2 == max(sum(1 for time in admitted if time // 0.3 == start // 0.3) for start in admitted)


def test_a_fixed_window_forgets_at_each_multiple_of_its_length():
    window = RateLimit(2, seconds=60).open_window()

    waits = [window.admit(now) for now in (59.0, 59.5, 59.9, 60.0, 60.1, 61.0, 120.0)]

    assert [0.0, 0.0, pytest.approx(0.1), 0.0, 0.0, 59.0, 0.0] == waits


def test_a_sliding_window_looks_back_from_each_request():
    window = RateLimit(2, seconds=60, window="sliding").open_window()

    waits = [window.admit(now) for now in (59.0, 59.5, 60.0, 118.0, 119.0, 119.25, 119.5)]

    assert [0.0, 0.0, 59.0, 1.0, 0.0, 0.25, 0.0] == waits


@given(st.sampled_from(["fixed", "sliding"]), st.integers(1, 5), st.lists(st.integers(0, 300), max_size=60))
def test_no_window_ever_admits_more_and_none_refuses_with_room(kind, requests, times):
    window = RateLimit(requests, seconds=60, window=kind).open_window()

    admitted = []
    for now in sorted(times):
        counted = [time for time in admitted if (now - time < 60 if kind == "sliding" else now // 60 == time // 60)]
        wait = window.admit(now)
        assert (wait == 0.0) == (len(counted) < requests)
        if not wait:
            admitted.append(now)
    if kind == "sliding":
        assert busiest_window(admitted) <= requests


@given(times, st.floats(0.001, 100))
def test_the_busiest_window_is_the_fullest_that_starts_at_any_request(times, seconds):
    expected = max((sum(1 for time in times if start <= time and time - start < seconds) for start in times), default=0)

    assert expected == busiest_window(times, seconds)


def test_requests_a_whole_window_apart_are_not_in_one():
    assert 1 == busiest_window([0.0, 60.0, 120.0])
    assert 2 == busiest_window([0.0, 59.99, 60.0])
    assert 0 == busiest_window([])


def test_refused_requests_count_in_the_busiest_window(client, sandbox):
    sandbox.faults = "rate=1"

    for _ in range(4):
        post(client)

    assert 4 == sandbox.busiest_window()
    assert 4 == sandbox.busiest_window(seconds=60)


def test_what_was_answered_and_what_was_received_add_up_under_many_faults(sandbox, client):
    names = sorted({*PLAIN, *WITH_STATUS} - {"hang", "hang-received", "slow", "slow-head"})
    faults = [fault for name in names for fault in find_faults(name)]
    sandbox.script(faults)

    for number in range(len(faults)):
        try:
            post(client, str(number))
        except httpx.HTTPError:
            continue

    requests = sandbox.requests
    counts = sandbox.counts
    assert [fault.name for fault in faults] == [request.fault for request in requests]
    assert [fault.is_received for fault in faults] == [request.received for request in requests]
    assert [request.user_id for request in requests if request.received] == [body["userId"] for body in sandbox.events]
    assert counts.requests == len(requests)
    assert counts.events == sum(request.received for request in requests)
    assert counts.unanswered == sum(request.status is None for request in requests)
