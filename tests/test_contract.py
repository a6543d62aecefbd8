"""The contract in openapi/: complete, true to its own examples, and understood by tools that we did not write.

Prism, a mock server made from the document alone, takes what the generated client sends and refuses what the document
refuses, over real HTTP. `scripts/install_prism.sh` brings it.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import threading
from collections import deque
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from interakt_track import Client
from interakt_track_client import AuthenticatedClient
from interakt_track_client.api.track import create_event, create_user
from interakt_track_client.models import (
    ErrorResponse,
    EventRequest,
    EventResponse,
    EventTraits,
    UserRequest,
    UserResponse,
    UserTraits,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
PRISM = ROOT / ".cache" / "prism"
DOCUMENT: dict[str, Any] = yaml.safe_load((ROOT / "openapi" / "interakt.yaml").read_text(encoding="utf-8"))
OPERATIONS: dict[str, dict[str, Any]] = {
    operation["operationId"]: operation for path in DOCUMENT["paths"].values() for operation in path.values()
}
ENDPOINTS: dict[str, tuple[Any, Any, Any]] = {
    "create_user": (create_user, UserRequest, UserResponse),
    "create_event": (create_event, EventRequest, EventResponse),
}
NOBODY: dict[str, dict[str, Any]] = {
    "create_user": {"traits": {"name": "Asha Example"}},
    "create_event": {"event": "Order Placed", "traits": {}},
}


def resolve(node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        target: Any = DOCUMENT
        for name in node["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        node = target
    return node


def schemas_of(node: Any, place: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema that has a place of its own: named, a property, the items of a list, the content of something."""
    if isinstance(node, list):
        for index, part in enumerate(node):
            yield from schemas_of(part, f"{place}/{index}")
    if isinstance(node, dict):
        for name, part in node.items():
            if name in {"schema", "items"}:
                yield f"{place}/{name}", resolve(part)
            if name in {"properties", "schemas"}:
                yield from ((f"{place}/{name}/{key}", resolve(schema)) for key, schema in part.items())
            if name not in {"examples", "example"}:
                yield from schemas_of(part, f"{place}/{name}")


def examples_of(node: Any, place: str = "#") -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Every example of a body, with the schema that it stands beside."""
    if isinstance(node, list):
        for index, part in enumerate(node):
            yield from examples_of(part, f"{place}/{index}")
    if isinstance(node, dict):
        for name, example in node.get("examples", {}).items() if "schema" in node else ():
            yield f"{place}/examples/{name}", node["schema"], resolve(example)["value"]
        for name, part in node.items():
            if name != "examples":
                yield from examples_of(part, f"{place}/{name}")


def validator_of(schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": DOCUMENT["components"]})


def request_schema(operation: str) -> dict[str, Any]:
    schema: dict[str, Any] = OPERATIONS[operation]["requestBody"]["content"]["application/json"]["schema"]
    return schema


def request_examples(operation: str) -> dict[str, Any]:
    examples = OPERATIONS[operation]["requestBody"]["content"]["application/json"]["examples"]
    return {name: resolve(example)["value"] for name, example in examples.items()}


SCHEMAS = list(schemas_of(DOCUMENT))
EXAMPLES = list(examples_of(DOCUMENT))
REQUESTS = [
    pytest.param(operation, body, id=f"{operation}-{name}")
    for operation in OPERATIONS
    for name, body in request_examples(operation).items()
]
STATUSES = [
    pytest.param(operation, int(status), id=f"{operation}-{status}")
    for operation, content in OPERATIONS.items()
    for status in content["responses"]
]


def test_the_document_is_valid_openapi() -> None:
    errors = list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors())

    assert errors == []


def test_every_schema_and_field_is_described() -> None:
    silent = [place for place, schema in SCHEMAS if not schema.get("description", "").strip()]

    assert silent == []
    assert "#/components/schemas/UserRequest/properties/userId" in dict(SCHEMAS)  # the walk does reach fields


def test_every_operation_response_and_example_is_described() -> None:
    for operation in OPERATIONS.values():
        assert operation["summary"]
        assert operation["description"]
        assert operation["requestBody"]["description"]
        assert all(resolve(response)["description"] for response in operation["responses"].values())
    for media in (OPERATIONS[name]["requestBody"]["content"]["application/json"] for name in OPERATIONS):
        assert all(resolve(example)["summary"] for example in media["examples"].values())


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_asks_for_basic_auth(operation: str) -> None:
    security = OPERATIONS[operation]["security"]

    assert security == [{"basicAuth": []}]
    scheme = DOCUMENT["components"]["securitySchemes"]["basicAuth"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "basic")


@pytest.mark.parametrize(("schema", "value"), [pytest.param(*rest, id=place) for place, *rest in EXAMPLES])
def test_every_example_is_what_its_schema_asks_for(schema: dict[str, Any], value: Any) -> None:
    errors = [error.message for error in validator_of(schema).iter_errors(value)]

    assert errors == []


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_examples_show_every_field(operation: str) -> None:
    shown = {field for body in request_examples(operation).values() for field in body}

    assert shown == set(resolve(request_schema(operation))["properties"])


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    "change",
    [
        {"userId": None},
        {"userId": ""},
        {"userId": 5},
        {"userId": None, "phoneNumber": "2025550123"},
        {"userId": None, "countryCode": "+1"},
        {"phoneNumber": "202-555-0123"},
        {"phoneNumber": "+12025550123"},
        {"phoneNumber": 2025550123},
        {"countryCode": "1"},
        {"countryCode": "+01"},
        {"fullPhoneNumber": "+12025550123"},
        {"traits": ["a"]},
        {"createdAt": "2025-03-27"},
        {"createdAt": "2025-03-27T13:26:52"},
    ],
    ids=str,
)
def test_a_malformed_field_is_refused(operation: str, change: dict[str, Any]) -> None:
    good = {"userId": "customer-1001", "event": "Order Placed"}
    bad = {name: value for name, value in (good | change).items() if value is not None}
    validator = validator_of(request_schema(operation))

    assert validator.is_valid(good)
    assert not validator.is_valid(bad)


@pytest.mark.parametrize("change", [{"tags": "vip"}, {"tags": [1]}, {"add_to_sales_cycle": "yes"}], ids=str)
def test_a_malformed_field_of_a_customer_is_refused(change: dict[str, Any]) -> None:
    assert not validator_of(request_schema("create_user")).is_valid({"userId": "customer-1001"} | change)


@pytest.mark.parametrize("event", [{}, {"event": ""}, {"event": None}], ids=str)
def test_an_event_without_a_name_is_refused(event: dict[str, Any]) -> None:
    assert not validator_of(request_schema("create_event")).is_valid({"userId": "customer-1001"} | event)


@pytest.mark.parametrize(("operation", "body"), REQUESTS)
def test_the_generated_models_carry_a_body_unchanged(operation: str, body: dict[str, Any]) -> None:
    endpoint, model, _ = ENDPOINTS[operation]
    with_unknown = {**body, "a field of tomorrow": [1]}

    kwargs = endpoint._get_kwargs(body=model.from_dict(with_unknown))

    assert kwargs["json"] == with_unknown
    assert DOCUMENT["paths"][kwargs["url"]][kwargs["method"]]["operationId"] == operation


@pytest.fixture(scope="module")
def prism() -> Iterator[str]:
    """The address of a mock server made from the document."""
    if not (PRISM / "installed.txt").exists():
        if os.environ.get("CI") == "true":
            pytest.fail("Prism is not in .cache/prism, and CI must have it: run scripts/install_prism.sh")
        pytest.skip("Prism is not in .cache/prism: run scripts/install_prism.sh")
    program = PRISM / "node_modules" / "@stoplight" / "prism-cli" / "dist" / "index.js"
    options = ["--host", "127.0.0.1", "--port", "0", "--multiprocess", "false"]
    with subprocess.Popen(
        [str(PRISM / "node"), str(program), "mock", *options, str(ROOT / "openapi" / "interakt.yaml")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        said: list[str] = []
        for line in process.stdout:
            said.append(line)
            if found := re.search(r"listening on (http://127\.0\.0\.1:\d+)", line):
                break
        else:
            pytest.fail("Prism did not start:\n" + "".join(said))
        # Prism writes a dozen lines a request and stops when the pipe is full.
        drain = threading.Thread(target=deque, args=(process.stdout, 0), daemon=True)
        drain.start()
        yield found[1]
        process.terminate()
        drain.join()


@pytest.fixture
def client(prism: str) -> Iterator[AuthenticatedClient]:
    with client_of(prism) as client:
        yield client


def client_of(address: str, headers: dict[str, str] | None = None) -> AuthenticatedClient:
    return AuthenticatedClient(
        base_url=address,
        token="a placeholder, since httpx makes the header",
        headers=headers or {},
        timeout=httpx.Timeout(10),
        # Proxies of the environment are not asked for what is on this machine.
        httpx_args={"auth": httpx.BasicAuth("key", ""), "trust_env": False},
    )


@pytest.mark.parametrize(
    "user",
    [
        UserRequest(user_id="customer-1001"),
        UserRequest(phone_number="2025550123", country_code="+1"),
        UserRequest(user_id="customer-1001", phone_number="2025550123", country_code="+1", traits=UserTraits()),
        UserRequest(full_phone_number="12025550123"),
        UserRequest.from_dict(request_examples("create_user")["everything"]),
    ],
    ids=["userId", "phone", "both", "fullPhoneNumber", "everything"],
)
def test_a_mock_server_accepts_a_customer(client: AuthenticatedClient, user: UserRequest) -> None:
    response = create_user.sync_detailed(client=client, body=user)

    assert response.status_code == 202
    assert isinstance(response.parsed, UserResponse)
    assert response.parsed.result is True


@pytest.mark.parametrize(
    "event",
    [
        EventRequest(event="Order Placed", user_id="customer-1001"),
        EventRequest(event="Order Placed", phone_number="2025550123", country_code="+1"),
        EventRequest(event="Order Placed", full_phone_number="12025550123", traits=EventTraits()),
        EventRequest.from_dict(request_examples("create_event")["everything"]),
    ],
    ids=["userId", "phone", "fullPhoneNumber", "everything"],
)
def test_a_mock_server_accepts_an_event(client: AuthenticatedClient, event: EventRequest) -> None:
    response = create_event.sync_detailed(client=client, body=event)

    assert response.status_code == 200
    assert isinstance(response.parsed, EventResponse)
    assert response.parsed.id == "00000000-0000-4000-8000-000000000002"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_mock_server_accepts_an_asynchronous_call(prism: str, operation: str) -> None:
    endpoint, model, success = ENDPOINTS[operation]
    body = model.from_dict(request_examples(operation)["everything"])

    async def call() -> Any:
        async with client_of(prism) as client:
            return await endpoint.asyncio_detailed(client=client, body=body)

    response = asyncio.run(call())

    assert isinstance(response.parsed, success)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_mock_server_refuses_a_nobody(client: AuthenticatedClient, operation: str) -> None:
    endpoint, model, _ = ENDPOINTS[operation]

    response = endpoint.sync_detailed(client=client, body=model.from_dict(NOBODY[operation]))

    assert response.status_code == 400
    assert isinstance(response.parsed, ErrorResponse)
    assert response.parsed.result is False


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_mock_server_refuses_a_call_without_a_key(prism: str, operation: str) -> None:
    url = prism + next(path for path, item in DOCUMENT["paths"].items() if item["post"] is OPERATIONS[operation])

    response = httpx.post(url, json=request_examples(operation)["userId"], trust_env=False)

    assert response.status_code == 401


@pytest.mark.parametrize(("operation", "status"), STATUSES)
def test_the_generated_client_reads_every_documented_answer(prism: str, operation: str, status: int) -> None:
    endpoint, model, success = ENDPOINTS[operation]
    content = resolve(OPERATIONS[operation]["responses"][str(status)])["content"]
    expected = str if "text/html" in content else success if status < 300 else ErrorResponse
    body = model.from_dict(request_examples(operation)["userId"])

    with client_of(prism, headers={"Prefer": f"code={status}"}) as client:
        response = endpoint.sync_detailed(client=client, body=body)

    assert response.status_code == status
    assert type(response.parsed) is expected


def test_a_mock_server_accepts_what_the_facade_sends(prism: str) -> None:
    """Every kind of argument and trait the facade takes, in sync mode, where a refusal would raise."""
    with Client(write_key="key", host=prism, sync_mode=True, max_retries=0) as facade:
        receipts = [
            facade.identify(
                "u1",
                "+1",
                "202-555-0143",
                {
                    "text": "नमस्ते",
                    "number": 1.5,
                    "exact": Decimal("1499.90"),
                    "flag": True,
                    "nothing": None,
                    "list": ["a", 1],
                    "since": datetime(2025, 3, 27, 13, 26, 52, tzinfo=UTC),
                    "address": {"city": "Pune"},
                },
                tags=["new"],
                created_at="2025-03-27T13:26:52.926Z",
                add_to_sales_cycle=True,
            ),
            facade.identify(0),
            facade.event("u1", "Order Placed", {"items": [{"sku": "A-1", "price": 10}]}, created_at=datetime.now(UTC)),
            facade.event(phone_number="+1 202 555 0143", event="Cart Abandoned"),
        ]

    assert [receipt.status for receipt in receipts] == ["delivered"] * 4
