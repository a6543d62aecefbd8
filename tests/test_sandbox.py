"""The local Track API: what it answers, what it records, how it starts and ends."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest
import yaml

from interakt_track.sandbox import Fault, Sandbox
from interakt_track.sandbox._app import _read
from interakt_track.sandbox._judge import MAX_BYTES
from interakt_track.sandbox._wording import words_for

USERS = "/v1/public/track/users/"
EVENTS = "/v1/public/track/events/"
UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
CONTRACT = yaml.safe_load((Path(__file__).parents[1] / "openapi" / "interakt.yaml").read_text(encoding="utf-8"))
EXAMPLES = [
    pytest.param(path, example["value"], id=f"{item['post']['operationId']}-{name}")
    for path, item in CONTRACT["paths"].items()
    for name, example in item["post"]["requestBody"]["content"]["application/json"]["examples"].items()
]

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")


@pytest.fixture
def sandbox():
    with Sandbox(write_key="the-key") as sandbox:
        yield sandbox


@pytest.fixture
def client(sandbox):
    with httpx.Client(base_url=sandbox.url, auth=("the-key", ""), trust_env=False) as client:
        yield client


def head(path=EVENTS, *, length=0, key="the-key"):
    encoded = base64.b64encode(f"{key}:".encode()).decode()
    return (
        f"POST {path} HTTP/1.1\r\nHost: sandbox\r\nContent-Type: application/json\r\n"
        f"Authorization: Basic {encoded}\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def connect(sandbox):
    return socket.create_connection(("127.0.0.1", httpx.URL(sandbox.url).port))


def test_a_user_is_answered_202_with_the_id_of_the_customer(sandbox, client):
    response = client.post(USERS, json={"userId": "5", "traits": {}})

    assert 202 == response.status_code
    assert response.json()["result"] is True
    assert re.fullmatch(f"Customer with {UUID} updated successfully", response.json()["message"])
    assert [{"userId": "5", "traits": {}}] == sandbox.users
    assert [] == sandbox.events


def test_the_same_customer_has_the_same_id(client):
    first, again, other = (client.post(USERS, json={"userId": user_id}).json() for user_id in ("5", "5", "6"))

    assert first == again
    assert first != other


def test_an_event_is_answered_201_with_its_own_id(sandbox, client):
    response = client.post(EVENTS, json={"userId": "5", "event": "Order Placed"})

    assert 201 == response.status_code
    assert {"result", "message", "id"} == response.json().keys()
    assert "Event created successfully" == response.json()["message"]
    assert re.fullmatch(UUID, response.json()["id"])
    assert [{"userId": "5", "event": "Order Placed"}] == sandbox.events


@pytest.mark.parametrize(("path", "body"), EXAMPLES)
def test_every_example_of_the_contract_is_accepted(sandbox, client, path, body):
    response = client.post(path, json=body)

    assert response.is_success
    assert body == sandbox.requests[0].body


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        (USERS, {}, "userId or phoneNumber with countryCode or fullPhoneNumber: is required"),
        (USERS, {"phoneNumber": "98"}, "userId or phoneNumber with countryCode or fullPhoneNumber: is required"),
        (USERS, {"userId": 5}, "userId: must be text, in quotation marks"),
        (USERS, {"userId": ""}, "userId: must not be empty"),
        (USERS, {"userId": "5", "traits": []}, "traits: must be an object"),
        (USERS, {"userId": "5", "tags": ["a", 1]}, "tags[1]: must be text, in quotation marks"),
        (USERS, {"userId": "5", "add_to_sales_cycle": "yes"}, "add_to_sales_cycle: must be true or false"),
        (EVENTS, {"userId": "5"}, "event: is required"),
        (EVENTS, {"userId": "5", "event": ""}, "event: must not be empty"),
        (EVENTS, {"event": 1, "userId": ""}, "event: must be text, in quotation marks; userId: must not be empty"),
    ],
)
def test_a_wrong_body_is_refused_with_the_field_in_the_reason(sandbox, client, path, body, reason):
    response = client.post(path, json=body)

    [request] = sandbox.requests
    assert 400 == response.status_code
    first = reason.split("; ")[0]
    assert {"result": False, "message": f"Please correct the following error - {first}"} == response.json()
    assert (400, reason, body, False) == (request.status, request.reason, request.body, request.received)
    assert [] == sandbox.users + sandbox.events


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("phoneNumber", "98765 98765", "must be digits only, without the country's code, blanks or signs"),
        ("phoneNumber", "98765\n", "must be digits only"),
        ("countryCode", "91", "must be a plus and one to three digits, such as +44"),
        ("fullPhoneNumber", "+919876598765", "must be digits only, the country's code first, without a plus"),
    ],
)
def test_a_wrong_phone_is_refused_in_the_words_of_the_api(sandbox, client, field, value, words):
    body = {"phoneNumber": "9876598765", "countryCode": "+91", field: value}

    response = client.post(USERS, json=body)

    assert 400 == response.status_code
    assert "Phone Number & Country Code provided is invalid" == response.json()["message"]
    assert sandbox.requests[0].reason.startswith(f"{field}: {words}")
    assert value not in sandbox.requests[0].reason


def test_a_wrong_date_is_refused(sandbox, client):
    response = client.post(USERS, json={"userId": "5", "createdAt": "27.3.2025"})

    assert 400 == response.status_code
    assert sandbox.requests[0].reason.startswith("createdAt: must be a date and time with its zone, such as 2025-")


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "must be JSON"),
        (b'{"userId": "5"', "must be JSON"),
        (b'["a list"]', "must be a JSON object"),
        (b'{"userId": "\xff"}', "must be UTF-8"),
        (b'{"userId": "5", "traits": {"a": NaN}}', "without NaN"),
        (b'{"userId": "5", "traits": {"a": "\\ud800"}}', "half of a surrogate pair"),
        (b'{"userId": "5", "traits": {"a": ' + b"9" * 5000 + b"}}", "endless numbers"),
        (b'{"userId": "5", "traits": {"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}", "endless depth"),
    ],
)
def test_what_is_no_json_object_is_refused(sandbox, client, raw, problem):
    response = client.post(USERS, content=raw, headers={"Content-Type": "application/json"})

    assert 400 == response.status_code
    assert problem in response.json()["message"]
    assert problem in sandbox.requests[0].reason
    assert sandbox.requests[0].body is None
    assert len(raw) == sandbox.requests[0].size


def test_a_whole_surrogate_pair_is_accepted(client):
    raw = b'{"userId": "5", "traits": {"a": "\\ud83d\\ude00"}}'

    response = client.post(USERS, content=raw, headers={"Content-Type": "application/json"})

    assert 202 == response.status_code


def test_a_path_without_its_slash_is_a_404_page(sandbox, client):
    response = client.post(USERS.rstrip("/"), json={"userId": "5"})

    [request] = sandbox.requests
    assert 404 == response.status_code
    assert response.headers["Content-Type"].startswith("text/html")
    assert "<h1>404 Not Found</h1>" in response.text
    assert (None, 404) == (request.kind, request.status)
    assert "slash" in request.reason


def test_another_method_is_a_405(sandbox, client):
    response = client.get(USERS)

    assert 405 == response.status_code
    assert "POST" == response.headers["Allow"]
    assert response.json()["result"] is False
    assert "method: must be POST, not GET" == sandbox.requests[0].reason


def test_another_content_type_is_a_415(sandbox, client):
    response = client.post(USERS, data={"userId": "5"})

    assert 415 == response.status_code
    assert "Content-Type: must be application/json" == sandbox.requests[0].reason


def test_a_body_over_a_mebibyte_is_a_413_that_the_client_can_read(sandbox, client):
    response = client.post(USERS, json={"userId": "5", "traits": {"a": "x" * (1 << 20)}})
    after = client.post(USERS, json={"userId": "5", "traits": {"a": "x" * ((1 << 20) - 100)}})

    large, fitting = sandbox.requests
    assert 413 == response.status_code
    assert response.json()["result"] is False
    assert large.body is None
    assert large.size > 1 << 20
    assert 202 == after.status_code
    assert large.connection == fitting.connection


def test_a_body_without_end_is_cut_off(sandbox):
    def send_for_ever(client):
        while True:
            client.sendall(b" " * (1 << 20))

    with connect(sandbox) as client:
        client.sendall(head(length=1 << 40))
        with pytest.raises(ConnectionError):
            send_for_ever(client)

    [request] = sandbox.wait_for_requests(1)
    assert request.status is None
    assert "goes on beyond" in request.reason


def test_of_a_body_too_large_no_more_is_kept_than_the_api_accepts():
    chunks = [b"x" * (MAX_BYTES // 2)] * 5

    async def receive():
        return {"type": "http.request", "body": chunks.pop(), "more_body": bool(chunks)}

    body = asyncio.run(_read(receive))

    assert MAX_BYTES // 2 * 5 == body.size
    assert MAX_BYTES == len(body.raw)


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (None, "is missing"),
        ("Bearer the-key", "must be of the Basic scheme"),
        ("Basic the key", "must be base64 of the key and a colon"),
        ("Basic " + base64.b64encode(b"the-key").decode(), "must have a colon after the key"),
        ("Basic " + base64.b64encode(b":").decode(), "must hold a key"),
        ("Basic " + base64.b64encode(b"the-key:secret").decode(), "must have an empty password"),
        ("Basic " + base64.b64encode(base64.b64encode(b"the-key:") + b":").decode(), "encoded twice"),
        ("Basic " + base64.b64encode(b"other-key:").decode(), "holds another key"),
    ],
)
def test_a_wrong_key_is_a_401(sandbox, header, problem):
    headers = {} if header is None else {"Authorization": header}

    response = httpx.post(sandbox.url + USERS, json={"userId": "5"}, headers=headers, trust_env=False)

    [request] = sandbox.requests
    assert 401 == response.status_code
    assert {"result": False, "message": "Invalid token provided"} == response.json()
    assert request.reason.startswith("Authorization: ")
    assert problem in request.reason
    assert request.key_is_valid is False
    assert request.received is False


def test_without_a_key_of_its_own_it_accepts_any_but_none():
    with Sandbox() as sandbox, httpx.Client(base_url=sandbox.url, trust_env=False) as client:
        any_key = client.post(USERS, json={"userId": "5"}, auth=("any", ""))
        no_key = client.post(USERS, json={"userId": "5"}, auth=("", ""))

    assert [202, 401] == [any_key.status_code, no_key.status_code]


def test_a_record_knows_its_key_and_does_not_show_it(sandbox, client):
    client.post(USERS, json={"userId": "5"})

    [request] = sandbox.requests
    encoded = base64.b64encode(b"the-key:").decode()
    assert request.is_signed_with("the-key")
    assert not request.is_signed_with("other-key")
    assert "Basic ***" == request.headers["authorization"]
    assert "the-key" not in repr(request)
    assert encoded not in repr(request)


def test_nothing_personal_is_logged_and_other_servers_keep_their_access_log(client, caplog):
    caplog.set_level(logging.DEBUG)

    client.post(USERS, json={"phoneNumber": "9876598765", "countryCode": "+91"})
    client.post(USERS, json={"phoneNumber": "98765x98765", "countryCode": "+91"})

    logged = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("uvicorn"))
    assert "" == logged
    assert logging.getLogger("uvicorn.access").propagate


def test_requests_are_recorded_in_order_with_their_connection(sandbox):
    for _ in range(2):
        with httpx.Client(base_url=sandbox.url, auth=("the-key", ""), trust_env=False) as client:
            client.post(USERS, json={"userId": "5"})
            client.post(EVENTS, json={"userId": "5", "event": "Order Placed"})

    requests = sandbox.requests
    assert [1, 2, 3, 4] == [request.number for request in requests]
    assert [USERS, EVENTS] * 2 == [request.path for request in requests]
    assert ["user", "event"] * 2 == [request.kind for request in requests]
    assert [1, 1, 2, 2] == [request.connection for request in requests]
    assert all(request.received and request.reason is None for request in requests)
    assert all(request.started <= request.finished for request in requests)
    assert requests == sorted(requests, key=lambda request: request.started)


def test_the_counters_add_up(sandbox, client):
    client.post(USERS, json={"userId": "5"})
    client.post(EVENTS, json={"userId": "5", "event": "Order Placed"})
    client.post(EVENTS, json={"userId": "5"})

    counts = sandbox.counts
    assert (3, 1, 1, 1, 0, 1) == (
        counts.requests,
        counts.users,
        counts.events,
        counts.refused,
        counts.unanswered,
        counts.connections,
    )


def test_a_connection_without_a_request_is_counted(sandbox, client):
    with connect(sandbox):
        client.post(USERS, json={"userId": "5"})

    assert 2 == sandbox.counts.connections


def test_the_oldest_records_leave_and_the_counters_go_on():
    with Sandbox(keep=3) as sandbox, httpx.Client(base_url=sandbox.url, auth=("any", ""), trust_env=False) as client:
        for user_id in "abcde":
            client.post(USERS, json={"userId": user_id})

        assert ["c", "d", "e"] == [request.user_id for request in sandbox.requests]
        assert ["c", "d", "e"] == [body["userId"] for body in sandbox.users]
        assert (5, 5) == (sandbox.counts.requests, sandbox.counts.users)
        assert 5 == sandbox.busiest_window()


def test_waiting_ends_when_the_last_message_arrives(sandbox, client):
    waited = []
    waiter = threading.Thread(target=lambda: waited.extend(sandbox.wait_for(3)))
    waiter.start()

    for user_id in "abc":
        client.post(USERS, json={"userId": user_id})
    waiter.join(10)

    assert ["a", "b", "c"] == [request.user_id for request in waited]


def test_waiting_for_messages_does_not_count_refused_ones(sandbox, client):
    client.post(USERS, json={})

    assert 1 == len(sandbox.wait_for_requests(1))
    with pytest.raises(TimeoutError, match=r"1 messages were to arrive in 0.01 s, but there is Counts\(requests=1, "):
        sandbox.wait_for(1, timeout=0.01)
    with pytest.raises(TimeoutError, match="2 requests were to arrive"):
        sandbox.wait_for_requests(2, timeout=0.01)


def test_a_client_that_leaves_in_the_middle_is_recorded(sandbox):
    with connect(sandbox) as client:
        client.sendall(head(length=100) + b'{"userId": "5", ')

    [request] = sandbox.wait_for_requests(1)
    assert request.status is None
    assert "body: the connection ended before all of it had come" == request.reason
    assert request.received is False


def test_clear_forgets_all_of_it(sandbox, client):
    client.post(USERS, json={"userId": "5"})
    client.post(EVENTS, json={"userId": "5", "event": "Order Placed"})
    sandbox.fail_next(5)

    sandbox.clear()

    assert ([], [], []) == (sandbox.requests, sandbox.users, sandbox.events)
    assert 0 == sandbox.counts.requests == sandbox.busiest_window() == sandbox.scripted
    assert client.post(USERS, json={"userId": "5"}).is_success
    assert [1] == [request.connection for request in sandbox.requests]


def test_a_listener_sees_each_finished_request():
    seen = []
    with Sandbox(on_request=seen.append) as sandbox:
        httpx.post(sandbox.url + USERS, json={"userId": "5"}, auth=("any", ""), trust_env=False)

        assert sandbox.requests == seen
        assert seen[0].finished is not None


def test_no_delay_holds_back_the_answers_of_a_kept_alive_connection(sandbox, client):
    client.post(USERS, json={"userId": "5"})

    [connection] = sandbox._server._connections.open
    assert 0 != connection._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_several_run_at_once():
    with Sandbox() as one, Sandbox() as other:
        httpx.post(one.url + USERS, json={"userId": "one"}, auth=("any", ""), trust_env=False)
        httpx.post(other.url + USERS, json={"userId": "other"}, auth=("any", ""), trust_env=False)

    assert one.url != other.url
    assert ["one"] == [body["userId"] for body in one.users]
    assert ["other"] == [body["userId"] for body in other.users]


def test_stopped_it_refuses_connections_and_started_again_it_has_the_same_port(sandbox, client):
    url = sandbox.url
    client.post(USERS, json={"userId": "before"})

    sandbox.stop()

    with pytest.raises(httpx.ConnectError):
        client.post(USERS, json={"userId": "meanwhile"})
    sandbox.start()
    client.post(USERS, json={"userId": "after"})
    assert url == sandbox.url
    assert ["before", "after"] == [body["userId"] for body in sandbox.users]
    assert [1, 2] == [request.connection for request in sandbox.requests]


def test_stopping_leaves_no_thread_and_no_open_socket(recwarn):
    before = set(threading.enumerate())
    with Sandbox() as sandbox, connect(sandbox) as idle, connect(sandbox) as busy:
        sandbox.fail_next(1, Fault.hang())
        busy.sendall(head())
        sandbox.wait_for_requests(1)

        sandbox.stop()

        assert b"" == idle.recv(1)
        assert b"" == busy.recv(1)
    sandbox.stop()
    del sandbox
    gc.collect()
    # Threads of a client that an earlier test left to itself may end, or start, meanwhile.
    left = {thread for thread in set(threading.enumerate()) - before if not thread.name.startswith("interakt-track-")}
    assert set() == left
    assert [] == [str(warning.message) for warning in recwarn]


def test_a_hanging_request_whose_sandbox_stops_is_finished(sandbox):
    sandbox.fail_next(1, Fault.hang())
    with connect(sandbox) as client:
        client.sendall(head())
        sandbox.wait_for_requests(1)

        sandbox.stop()

    [request] = sandbox.requests
    assert request.is_abandoned
    assert request.finished is not None


def test_an_idle_connection_is_closed_after_its_time():
    with Sandbox(idle_timeout=0.05) as sandbox, connect(sandbox) as client:
        client.sendall(head())

        answer = b"".join(iter(lambda: client.recv(4096), b""))

    assert answer.startswith(b"HTTP/1.1 400 ")


def test_a_port_that_is_taken_is_an_error_at_the_start(sandbox):
    second = Sandbox(port=httpx.URL(sandbox.url).port)

    with pytest.raises(OSError, match="in use"):
        second.start()


def test_keeping_nothing_is_an_error():
    with pytest.raises(ValueError, match="keep must be at least 1, not 0"):
        Sandbox(keep=0)


@forks
def test_a_forked_child_keeps_no_connection_alive(sandbox):
    until, release = os.pipe()
    sandbox.script([None, Fault.close()])
    with connect(sandbox) as client:
        client.sendall(head())
        while not client.recv(4096).endswith(b"}"):
            pass
        client.sendall(head(length=2))
        child = os.fork()
        if child == 0:  # pragma: no cover - measured in the parent only
            client.close()
            os.close(release)
            os.read(until, 1)
            os._exit(0)
        client.settimeout(10)

        client.sendall(b"{}")
        end = client.recv(1)
        port = httpx.URL(sandbox.url).port
        sandbox.stop()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))

    os.close(release)
    os.close(until)
    _, status = os.waitpid(child, 0)
    assert b"" == end
    assert 0 == status


@forks
def test_stopping_in_a_forked_child_leaves_the_parents_running(sandbox, client):
    child = os.fork()
    if child == 0:  # pragma: no cover - measured in the parent only
        sandbox.stop()
        os._exit(0)
    _, status = os.waitpid(child, 0)

    response = client.post(USERS, json={"userId": "5"})

    assert 0 == status
    assert 202 == response.status_code


def test_serving_prints_nothing_of_its_own_and_ends_at_an_interrupt():
    program = "from interakt_track.sandbox import serve; serve(port=0, on_ready=lambda s: print(s.url, flush=True))"
    with subprocess.Popen([sys.executable, "-c", program], stdout=-1, stderr=-1, text=True) as process:
        url = process.stdout.readline().strip()
        response = httpx.post(url + USERS, json={"userId": "5"}, auth=("any", ""), trust_env=False)

        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=20)

    assert 202 == response.status_code
    assert ("", "", 0) == (output, errors, process.returncode)


def test_without_its_extra_the_sandbox_says_what_to_install():
    program = "import sys; sys.modules['uvicorn'] = None; import interakt_track.sandbox"

    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert 'needs uvicorn, which comes with: pip install "interakt-track-python[cli]"' in process.stderr


def test_the_answers_of_the_sandbox_are_those_of_the_contract(client):
    for path, item in CONTRACT["paths"].items():
        accepted = client.post(path, json={"userId": "5", "event": "Order Placed"})
        refused = client.post(path, json={})

        documented = item["post"]["responses"]
        assert str(accepted.status_code) in documented
        assert str(refused.status_code) in documented
        assert isinstance(json.loads(accepted.content), dict)


def test_an_empty_script_changes_nothing(client, sandbox):
    sandbox.script([])

    assert client.post(EVENTS, json={"userId": "5", "event": "Order Placed"}).status_code == 201


def test_every_rule_of_the_contract_is_told_in_words():
    rules = {
        (rule, value)
        for name, schema in CONTRACT["components"]["schemas"].items()
        for rule, value in schema.items()
        if rule in ("type", "pattern") and not name.endswith("Response")
    }

    assert len(rules) >= 6
    assert [rule for rule in rules if "match" in words_for(*rule) or "breaks" in words_for(*rule)] == []
