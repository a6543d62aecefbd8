"""Two names for one module, and the names of 1.0.x: both hold in every order of imports, and for type checkers too.

What a type checker sees is in `typing/api.py`.
"""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

import interakt_track
import track
from interakt_track import APIError, Client, SettingsError
from interakt_track._default import DefaultClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from interakt_track.sandbox import Sandbox

OLD_MODULES = ["client", "request", "version"]
NEW_NAMES = {
    "track.api_key": "track.write_key",
    "track.client": "track.Client",
    "track.request": "track.APIError",
    "track.user": "track.identify",
    "track.version": "track.__version__",
}

README_OF_1_0_7 = """
import track

track.api_key = "test-key"


def on_error(error, queue_msg):
    print("An error occurred", error)
    print("Queue message", queue_msg)


track.debug = True
track.on_error = on_error

track.user(
    user_id="u1",
    country_code="+91",
    phone_number="9876543210",
    traits={
        "name": "Asha Example",
        "email": "asha@shop.example",
        "age": 24,
        "dob": "1998-01-01"
    }
)
track.user(
    user_id="u1",
    country_code="+91",
    phone_number="9876543210",
    traits={
        "Pin code": "400001"
    }
)
track.event(
    user_id="u1",
    event="Order Placed",
    traits={
        "orderCreatedBy": "Asha Example",
        "orderNumber": "CUS001",
        "orderValue": "50.00"
    },
    country_code="+91",
    phone_number="9876543210",
)
"""


def run(program: str, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *options, "-c", program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )


@pytest.fixture
def to_sandbox(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the module's functions send to the sandbox, with an engine of this test's own."""
    engine = DefaultClient(interakt_track._module_client._read, lambda: True)
    monkeypatch.setattr(interakt_track, "_module_client", engine)
    monkeypatch.setattr(interakt_track, "host", sandbox.url)
    yield
    monkeypatch.setattr(interakt_track, "write_key", "test-key")
    monkeypatch.setattr(interakt_track, "api_key", None)
    engine.get().shutdown(5)


@pytest.mark.parametrize(
    "imports",
    [
        "import track, interakt_track",
        "import interakt_track, track",
        "import track.sandbox, interakt_track",
        "import interakt_track.sandbox, track",
        "from track import *; import interakt_track, track",
    ],
)
def test_both_names_are_one_module(imports: str) -> None:
    ran = run(f"{imports}; import sys; print(track is interakt_track is sys.modules['track'])", "-W", "error")

    assert (ran.stdout, ran.stderr) == ("True\n", "")


@pytest.mark.usefixtures("to_sandbox")
def test_an_assignment_under_either_name_is_the_same(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(track, "write_key", "test-key")
    monkeypatch.setattr(interakt_track, "default_country_code", "+44")

    track.identify(phone_number="7911123456")
    interakt_track.event("u1", "Order Placed")

    assert track.flush(10)
    assert [user["countryCode"] for user in sandbox.users] == ["+44"]
    assert len(sandbox.events) == 1


def test_what_a_test_patches_under_one_name_is_patched_under_the_other() -> None:
    with mock.patch("track.timeout", 3), mock.patch("interakt_track.event") as event:
        track.event("u1", "Order Placed")

        assert interakt_track.timeout == 3
        event.assert_called_once_with("u1", "Order Placed")
    assert track.timeout == interakt_track.timeout == 10


@pytest.mark.parametrize("name", ["track", "interakt_track"])
def test_a_reload_loses_nothing_and_keeps_both_names(sandbox: Sandbox, name: str) -> None:
    program = f"""
import importlib, sys
import {name} as before
before.flush_interval = 60
before.event("u1", "before")
after = importlib.reload(before)
import interakt_track, track
print(after is before is track is interakt_track, track.flush_interval)
track.event("u1", "after")
"""

    ran = run(program, "-W", "error", INTERAKT_HOST=sandbox.url, INTERAKT_WRITE_KEY="test-key")

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "True 0.5\n", "")
    assert sorted(event["event"] for event in sandbox.events) == ["after", "before"]


def test_a_misspelt_name_is_an_error_that_names_the_right_one() -> None:
    ran = run("import track; track.wirte_key")

    assert "AttributeError: module 'interakt_track' has no attribute 'wirte_key'" in ran.stderr
    assert "Did you mean: 'write_key'?" in ran.stderr


@pytest.mark.parametrize("module", OLD_MODULES)
@pytest.mark.parametrize(
    "imports",
    [
        "import track.{module}",
        "import interakt_track.{module}",
        "import track; import interakt_track.{module}",
        "import interakt_track; import track.{module}",
        "import track; track.{module}",
        "import interakt_track; interakt_track.{module}",
        "from track import {module}",
    ],
)
def test_an_old_module_is_one_under_both_names_in_any_order(imports: str, module: str) -> None:
    program = f"""
{imports.format(module=module)}
import interakt_track, track
import track.{module}, interakt_track.{module}
import sys
assert track.{module} is interakt_track.{module} is sys.modules["track.{module}"]
assert sys.modules["track.{module}"] is sys.modules["interakt_track.{module}"]
from track.request import APIError
from track.client import Client
from track.version import VERSION
assert APIError is track.APIError is interakt_track.APIError is track.request.APIError
assert Client is track.client.Client and issubclass(Client, track.Client)
assert VERSION == track.version.VERSION == track.__version__
"""

    ran = run(program, "-W", "default")

    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.count("DeprecationWarning: track.request is a name of 1.0.x; use track.APIError") == 1
    assert ran.stderr.count("DeprecationWarning: track.client is a name of 1.0.x; use track.Client") == 1
    assert ran.stderr.count("DeprecationWarning: track.version is a name of 1.0.x; use track.__version__") == 1


@pytest.mark.parametrize("module", OLD_MODULES)
def test_a_warning_made_an_error_leaves_no_half_loaded_module(module: str) -> None:
    program = f"""
import sys, warnings
warnings.simplefilter("error")
try:
    import track.{module}
except DeprecationWarning:
    print(*(name for name in sys.modules if name.endswith("track.{module}")))
warnings.simplefilter("ignore")
import track.{module}, interakt_track.{module}
print(track.{module} is interakt_track.{module})
"""

    ran = run(program)

    assert (ran.stdout, ran.stderr) == ("\nTrue\n", "")


def test_each_old_name_warns_where_it_is_used(tmp_path: Path) -> None:
    program = tmp_path / "shop.py"
    program.write_text(
        """\
from track.request import APIError
from track.client import Client
import track
track.version.VERSION
track.enabled = False
track.api_key = "test-key"
track.event("u1", "Order Placed")
track.user("u1")
track.timeout = 5
track.api_key = "another-key"
track.event("u1", "Order Placed")
""",
        encoding="utf-8",
    )

    ran = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True)

    lines = {"track.request": 1, "track.client": 2, "track.version": 4, "track.api_key": 7, "track.user": 8}
    assert [line for line in ran.stderr.splitlines() if line.startswith(str(program))] == [
        f"{program}:{number}: DeprecationWarning: {name} is a name of 1.0.x; use {NEW_NAMES[name]}"
        for name, number in lines.items()
    ]


def test_nothing_warns_who_uses_no_old_name() -> None:
    ran = run("import track; track.enabled = False; track.write_key = 'k'; track.identify('u1')", "-W", "error")

    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.usefixtures("to_sandbox")
def test_user_is_identify(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(track, "write_key", "test-key")

    with pytest.warns(DeprecationWarning, match="track.user is a name of 1.0.x; use track.identify"):
        ok, queue_msg = track.user("u1", "+91", "9876543210", {"name": "Asha"})

    assert track.flush(10)
    assert ok is True
    assert queue_msg == {"path": "/v1/public/track/users/", "body": sandbox.users[0]}
    assert sandbox.users == [
        {"userId": "u1", "countryCode": "+91", "phoneNumber": "9876543210", "traits": {"name": "Asha"}}
    ]


@pytest.mark.usefixtures("to_sandbox")
def test_api_key_is_the_write_key(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERAKT_WRITE_KEY", "key-of-the-environment")
    monkeypatch.setattr(track, "api_key", "test-key")

    with pytest.warns(DeprecationWarning, match="track.api_key is a name of 1.0.x; use track.write_key"):
        track.event("u1", "Order Placed")
    monkeypatch.setattr(track, "api_key", "another-key")
    receipt = track.event("u2", "Order Placed")

    assert track.flush(10)
    signed_with_the_first = {request.user_id: request.is_signed_with("test-key") for request in sandbox.requests}
    assert signed_with_the_first == {"u1": True, "u2": False}
    assert receipt.status == "rejected"


@pytest.mark.usefixtures("to_sandbox")
def test_one_key_under_both_names_is_one_key_and_two_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(track, "enabled", False)
    monkeypatch.setattr(track, "write_key", "test-key")
    monkeypatch.setattr(track, "api_key", "test-key")

    with pytest.warns(DeprecationWarning, match="track.api_key"):
        assert track.event("u1", "Order Placed").status == "disabled"
    monkeypatch.setattr(track, "api_key", "another-key")
    with pytest.raises(SettingsError, match=r"write_key and api_key, .* two different keys") as caught:
        track.event("u1", "Order Placed")

    assert "test-key" not in str(caught.value)
    assert "another-key" not in str(caught.value)


@pytest.fixture
def old_client() -> Callable[..., Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it comes at the first import only
        from track.client import Client as OldClient
    return OldClient


def test_functions_and_client_take_what_they_took_by_position(old_client: Callable[..., Any]) -> None:
    expected: dict[Callable[..., Any], list[str]] = {
        track.user: ["user_id", "country_code", "phone_number", "traits"],
        track.identify: ["user_id", "country_code", "phone_number", "traits"],
        track.event: ["user_id", "event", "traits", "country_code", "phone_number"],
        old_client: [
            "api_key",
            "host",
            "debug",
            "sync_mode",
            "timeout",
            "max_queue_size",
            "on_error",
            "max_retries",
            "flush_interval",
        ],
    }

    for function, names in expected.items():
        parameters = inspect.signature(function).parameters.values()
        assert names == [one.name for one in parameters if one.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]


def test_the_client_of_1_0_7_works(old_client: Callable[..., Any], sandbox: Sandbox) -> None:
    reported = []
    sandbox.script([None, 400])
    client = old_client("test-key", sandbox.url, False, False, 5, 100, lambda *told: reported.append(told), 0, 0.1)

    with pytest.warns(DeprecationWarning, match="Client.user is a name of 1.0.x; use Client.identify"):
        client.user("u1", "+91", "9876543210", {"name": "Asha"})
    client.event(user_id="u1", event="Order Placed")
    client.shutdown()

    assert [user["userId"] for user in sandbox.users] == ["u1"]
    [(error, queue_msg)] = reported
    assert isinstance(error, APIError)
    assert queue_msg["body"]["event"] == "Order Placed"


def test_the_old_client_takes_its_key_under_either_name(old_client: Callable[..., Any]) -> None:
    assert old_client(api_key="k").settings.write_key == old_client(write_key="k").settings.write_key == "k"
    with pytest.raises(SettingsError, match="two different keys"):
        old_client(api_key="k", write_key="l")


def test_code_that_caught_api_error_in_sync_mode_still_does(old_client: Callable[..., Any], sandbox: Sandbox) -> None:
    sandbox.script([400])

    with pytest.raises(APIError) as caught:
        old_client("test-key", sandbox.url, sync_mode=True).event("u1", "Order Placed")

    assert (caught.value.status_code, caught.value.status) == (400, False)
    assert caught.value.message == "Please correct the following error - the request was refused"


def test_a_full_queue_still_answers_false_and_the_message(sandbox: Sandbox) -> None:
    with Client(write_key="test-key", host=sandbox.url, max_queue_size=1, flush_interval=60) as client:
        client.event("u1", "first")

        ok, queue_msg = client.event("u1", "second")

        assert ok is False
        assert queue_msg == {
            "path": "/v1/public/track/events/",
            "body": {"userId": "u1", "event": "second", "traits": {}},
        }


@pytest.mark.parametrize("is_renamed", [False, True], ids=["api_key and user", "write_key and identify"])
def test_the_calls_of_the_published_readme_run_unchanged(sandbox: Sandbox, is_renamed: bool) -> None:
    program = README_OF_1_0_7
    if is_renamed:
        program = program.replace("track.api_key", "track.write_key").replace("track.user", "track.identify")
    phone = {"countryCode": "+91", "phoneNumber": "9876543210"}

    ran = run(program, INTERAKT_HOST=sandbox.url)

    assert (ran.returncode, ran.stdout) == (0, "")
    traits = {"orderCreatedBy": "Asha Example", "orderNumber": "CUS001", "orderValue": "50.00"}
    assert sandbox.events == [{"userId": "u1", **phone, "event": "Order Placed", "traits": traits}]
    united = {
        "name": "Asha Example",
        "email": "asha@shop.example",
        "age": 24,
        "dob": "1998-01-01",
        "Pin code": "400001",
    }
    learned: dict[str, object] = {}
    for user in sandbox.users:
        learned |= user.pop("traits")
        assert user == {"userId": "u1", **phone}
    assert learned == united
    assert ran.stderr.count("DeprecationWarning") == (0 if is_renamed else 3)
    assert "201 Event created successfully" in ran.stderr  # `debug` shows what is sent,
    assert not any(secret in ran.stderr for secret in ("test-key", "asha@", "9876543210", "400001"))  # and not to whom


def test_the_published_readme_s_on_error_is_told(sandbox: Sandbox) -> None:
    sandbox.fail_next(10, status=400)

    ran = run(README_OF_1_0_7, INTERAKT_HOST=sandbox.url)

    told = [line for line in ran.stdout.splitlines() if line.startswith("An error occurred")]
    assert ran.returncode == 0
    assert len(told) == ran.stdout.count("Queue message {'path': '/v1/public/track/") == 3
