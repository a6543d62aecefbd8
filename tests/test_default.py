"""The module's functions: one client that follows the module's settings."""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from types import ModuleType
from typing import Any
from unittest import mock

import pytest

import interakt_track as track
import track as other_name
from interakt_track import SettingsError
from interakt_track._default import MODULE_SETTINGS, DefaultClient
from interakt_track.sandbox import Sandbox


@pytest.fixture
def setting(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, Any], None]]:
    """Assign settings of the module; a client of its own stands behind the functions."""
    own = DefaultClient(track._module_client._read, track._module_client._is_strict)
    monkeypatch.setattr(track, "_module_client", own)
    monkeypatch.setattr(track, "host", sandbox.url)
    monkeypatch.setattr(track, "write_key", "test-key")
    monkeypatch.setattr(track, "flush_interval", 0.01)
    yield lambda name, value: monkeypatch.setattr(track, name, value)
    monkeypatch.undo()
    if own._client is not None:
        own._client.shutdown(1)


Assign = Callable[[str, Any], None]


def test_the_functions_send(setting: Assign, sandbox: Sandbox) -> None:
    track.identify("u1", traits={"a": 1})
    track.event("u1", "e")

    assert track.flush(10)
    track.join()
    track.shutdown()
    assert len(sandbox.users) == len(sandbox.events) == 1
    assert track.stats().delivered == 2


def test_a_signal_handler_that_tracks_during_the_first_call_shares_its_client(
    setting: Assign, monkeypatch: pytest.MonkeyPatch
) -> None:
    module_client = track._module_client
    of_handler: list[track.Client] = []

    class Interrupted(track.Client):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            if not of_handler:
                of_handler.append(self)  # the handler's own call is not interrupted
                of_handler[0] = module_client.get()

    monkeypatch.setattr("interakt_track._default.Client", Interrupted)

    client = module_client.get()

    assert of_handler == [client]
    assert module_client.get() is client


@pytest.mark.parametrize(
    "call", [lambda: track.event("u1", "e"), track.flush, track.api_client], ids=["event", "flush", "api_client"]
)
def test_an_error_page_of_a_wrong_setting_has_no_key(setting: Assign, call: Callable[[], object]) -> None:
    """Such a page, or a tracker of errors, shows the variables of all frames."""
    setting("write_key", "hT7-aB_9xQ2")
    setting("rate_limit", -1)

    with pytest.raises(SettingsError, match="rate_limit") as raised:
        call()

    frames = list(traceback.walk_tb(raised.value.__traceback__))
    shown = [repr(frame.f_locals) for frame, _ in frames if frame.f_globals["__name__"].startswith("interakt_track.")]
    assert shown
    assert not any("hT7-aB_9xQ2" in variables for variables in shown)
    assert (raised.value.__cause__, raised.value.__context__) == (None, None)


def test_a_changed_setting_takes_effect_on_the_next_call(setting: Assign, sandbox: Sandbox) -> None:
    track.event("u1", "first")
    setting("default_country_code", "+1")
    track.event(phone_number="2125550123", event="second")
    setting("enabled", False)

    assert track.event("u1", "third").status == "disabled"
    assert track.flush(10)
    assert {event["event"]: event.get("countryCode") for event in sandbox.events} == {"first": None, "second": "+1"}
    assert track.stats().queued == 2, "the engine outlives every change"


def test_a_wrong_setting_is_told_at_the_call(setting: Assign) -> None:
    setting("timeout", -1)

    with pytest.raises(SettingsError, match="timeout must be"):
        track.event("u1", "e")
    with pytest.raises(SettingsError, match="timeout must be"):
        track.flush()


@pytest.mark.parametrize(
    ("name", "hint"),
    [("rate_limt", "; did you mean track.rate_limit?"), ("WRITE_KEY", "; did you mean track.write_key?"), ("x", "")],
)
def test_what_is_no_setting_is_told_at_the_line_that_assigns_it(setting: Assign, name: str, hint: str) -> None:
    with pytest.warns(UserWarning, match="changes nothing") as warned:
        setattr(track, name, 5)
    delattr(track, name)

    [warning] = warned
    assert str(warning.message) == f"track.{name} is no setting, and assigning it changes nothing{hint}"
    assert warning.filename == __file__
    assert track.event("u1", "e")


def test_what_is_there_is_assigned_in_silence() -> None:
    program = """
import track
import track.testing, track.sandbox, interakt_track.serverless
from unittest import mock

with mock.patch("track.event"), mock.patch.object(track, "AsyncClient"), mock.patch("track.timeout", 5):
    pass
value = track.timeout
del track.timeout
track.timeout = value
track._mine = 5
track.__doc__ = "another"
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


def test_a_deleted_setting_is_told(setting: Assign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(track, "timeout")

    with pytest.raises(SettingsError, match="timeout was deleted"):
        track.event("u1", "e")


def test_without_strict_a_wrong_setting_is_a_falsy_receipt(
    setting: Assign, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    setting("strict", False)
    track.event("u1", "before")
    setting("timeout", -1)

    receipts = [track.event("u1", "e"), track.identify("u1")]

    assert [(bool(receipt), receipt.status) for receipt in receipts] == [(False, "invalid")] * 2
    assert isinstance(receipts[0].error, SettingsError)
    assert track.flush(10)
    assert track.stats().delivered == 1
    track.shutdown()
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def is_queued() -> bool:
    """Tell by a call whether `enabled` is True; nothing is sent, for the queue is never released."""
    return track.event("u1", "e").status == "queued"


@contextmanager
def assigned(module: ModuleType, value: object) -> Iterator[None]:
    before = track.enabled
    module.enabled = value
    yield
    module.enabled = before


@contextmanager
def monkeypatched(module: ModuleType, value: object) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "enabled", value)
        yield


@contextmanager
def deleted_and_assigned(module: ModuleType, value: object) -> Iterator[None]:
    before = track.enabled
    del module.enabled
    with pytest.raises(SettingsError, match="enabled was deleted"):
        is_queued()
    module.enabled = value
    yield
    module.enabled = before


WAYS: list[Callable[[ModuleType, object], AbstractContextManager[object]]] = [
    assigned,
    deleted_and_assigned,
    monkeypatched,
    lambda module, value: mock.patch.object(module, "enabled", value),
    lambda module, value: mock.patch("track.enabled", value),
    lambda module, value: mock.patch("interakt_track.enabled", value),
    lambda module, value: mock.patch.multiple(module, enabled=value),
]


@pytest.mark.parametrize("module", [track, other_name], ids=["interakt_track", "track"])
@pytest.mark.parametrize("way", WAYS, ids=range(len(WAYS)))
def test_each_way_of_assigning_is_seen_by_the_next_call(
    setting: Assign, module: ModuleType, way: Callable[[ModuleType, object], AbstractContextManager[object]]
) -> None:
    setting("flush_interval", 60)
    queued = [is_queued()]

    with way(module, False):
        queued.append(is_queued())
        with way(module, True):
            queued.append(is_queued())
        queued.append(is_queued())
    queued.append(is_queued())

    assert queued == [True, False, True, False, True]


def test_a_wrong_setting_is_told_by_every_call_until_it_is_right(setting: Assign) -> None:
    setting("flush_interval", 60)
    with mock.patch.object(track, "timeout", -1):
        for _ in range(2):
            with pytest.raises(SettingsError, match="timeout must be"):
                is_queued()

    assert is_queued()


def test_what_goes_around_the_module_is_seen_with_the_next_assignment(setting: Assign) -> None:
    setting("flush_interval", 60)
    is_queued()
    with mock.patch.dict(vars(track), enabled=False):
        seen_at_once = not is_queued()
        setting("batch_size", 50)

        assert not is_queued()
    assert not seen_at_once, "it is now: say so in the README"


def test_what_another_thread_assigns_while_the_settings_are_read_is_seen_by_the_next_call() -> None:
    values = dict(zip(MODULE_SETTINGS, track._module_client._read(), strict=True))
    assigned_meanwhile = iter([{"timeout": 3}, {"timeout": 4}])

    def read() -> tuple[object, ...]:
        just_read = tuple(values.values())
        for change in islice(assigned_meanwhile, 1):
            values.update(change)
            client.note_change()
        return just_read

    client = DefaultClient(read, lambda: True)

    assert [client.get().settings.timeout for _ in range(4)] == [10, 3, 4, 4]


def test_a_change_is_told_when_the_value_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float] = []
    client = mock.Mock(note_change=lambda: told.append(track.timeout))
    monkeypatch.setitem(vars(track), "_module_client", client)

    with mock.patch("track.timeout", 3):
        pass

    assert told == [3, 10]


@pytest.mark.parametrize("names", ["track, interakt_track", "interakt_track, track"])
def test_assignments_are_seen_whatever_is_imported_first_and_after_a_reload(names: str, sandbox: Sandbox) -> None:
    program = f"""
import importlib, {names}
def is_queued(): return track.event("u1", "e").status == "queued"
queued = []
for _ in range(2):
    for module in ({names}):
        module.write_key, module.host = "test-key", "{sandbox.url}"
        queued.append(is_queued())
        module.enabled = False
        queued.append(is_queued())
        module.enabled = True
    importlib.reload(module)
print(queued == [True, False] * 4)
"""

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)

    assert (done.stdout, done.stderr) == ("True\n", "")


def test_the_module_is_one_for_those_that_look_at_modules() -> None:
    assert isinstance(track, ModuleType)
    assert pickle.loads(pickle.dumps(track)) is track
    assert "enabled" in dir(track)
    assert vars(track)["enabled"] is track.enabled
    assert importlib.import_module("track") is track
    with pytest.raises(AttributeError, match="enabeld"):
        track.enabeld  # noqa: B018 - that it raises is what is tested
    with pytest.raises(AttributeError):
        del track.enabeld


def test_a_deleted_strict_is_told_as_any_deleted_setting(setting: Assign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(track, "strict")

    with pytest.raises(SettingsError, match="strict was deleted"):
        track.event("u1", "e")


def test_where_strict_is_false_a_wrong_environment_raises_nothing(
    setting: Assign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(track, "host", None)
    monkeypatch.setenv("INTERAKT_HOST", "ftp://x")
    setting("strict", False)

    receipt = track.event("u1", "e")

    assert receipt.status == "invalid"
    assert track.flush(1)
    assert track.stats().queued == 0
    monkeypatch.delenv("INTERAKT_HOST")
    assert track._module_client.get().settings.host == "https://api.interakt.ai"


def test_a_wrong_value_that_equals_the_right_one_is_told(setting: Assign) -> None:
    track.event("u1", "e")
    setting("debug", 0)

    with pytest.raises(SettingsError, match="debug must be True or False"):
        track.event("u1", "e")
