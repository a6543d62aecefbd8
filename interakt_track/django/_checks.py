"""System checks: what `manage.py check` says of the settings, and never the key.

| id | says |
|---|---|
| `interakt_track.E001` | there is no write key |
| `interakt_track.E002` | the write key is malformed |
| `interakt_track.E003` | a setting is unknown, or `INTERAKT_TRACK` is no dictionary |
| `interakt_track.E004` | a setting has a wrong value |
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from django.core.checks import Error

import interakt_track
from interakt_track import SettingsError
from interakt_track._settings import DEFAULT_HOST, Settings

from ._configuration import NAMES, SETTING, configured, load

if TYPE_CHECKING:
    from collections.abc import Iterator

WHERE_THE_KEY_IS = "It is the dashboard's Secret Key, under Settings, Developer Settings."
WHERE_NONE_IS_NEEDED = 'Where nothing is to be sent, "ENABLED": False needs none; tests that capture take any text.'
IN_ENVIRONMENT = {"write_key": "INTERAKT_WRITE_KEY", "host": "INTERAKT_HOST"}


def check_settings(**_: Any) -> list[Error]:
    """Return what is wrong with `INTERAKT_TRACK`, and with what the environment has in place of its settings."""
    found = configured()
    if not isinstance(found, Mapping):
        return [Error(f"{SETTING} must be a dictionary; got {type(found).__name__}", id="interakt_track.E003")]
    loaded = load(found)
    return [
        *_key_problems(loaded.values),
        *map(_unknown, loaded.unknown),
        *_wrong_values(loaded.values, loaded.not_imported),
    ]


def _key_problems(values: Mapping[str, Any]) -> Iterator[Error]:
    key, place = _key(values)
    is_enabled = values.get("enabled", interakt_track.enabled) is not False
    if key is None:
        if is_enabled:
            yield Error(
                f'the write key is missing: {SETTING} has no "WRITE_KEY", nor the environment INTERAKT_WRITE_KEY',
                hint=f"{WHERE_THE_KEY_IS} {WHERE_NONE_IS_NEEDED}",
                id="interakt_track.E001",
            )
        return
    problem = _problem(write_key=key, enabled=is_enabled)
    if problem is not None:
        yield Error(f"{place}: {problem}", hint=WHERE_THE_KEY_IS, id="interakt_track.E002")


def _key(values: Mapping[str, Any]) -> tuple[object, str]:
    """Return the key that counts, and where it is; None where there is none."""
    assigned = None if "write_key" in values else interakt_track.write_key or interakt_track.api_key
    found = [
        (values.get("write_key"), _in_settings("write_key")),
        (assigned, "track.write_key"),
        (os.environ.get("INTERAKT_WRITE_KEY") or None, _in_environment("write_key")),
    ]
    return next((one for one in found if one[0] is not None), (None, ""))


def _unknown(key: str) -> Error:
    near = get_close_matches(key.upper(), NAMES, n=1)
    return Error(
        f"{SETTING} has an unknown setting {key[:100]!r}",
        hint=f"Did you mean {near[0]!r}?" if near else None,
        id="interakt_track.E003",
    )


def _wrong_values(values: Mapping[str, Any], not_imported: Mapping[str, str]) -> Iterator[Error]:
    for name, value in {"host": None, **values}.items():  # the host may be the environment's
        if name == "write_key":
            continue
        problem = not_imported.get(name) or _problem(**{name: value})
        if problem is not None:
            place = _in_environment(name) if name == "host" and value is None else _in_settings(name)
            yield Error(f"{place}: {problem}", id="interakt_track.E004")


def _problem(**one: Any) -> str | None:
    """Return what is wrong with one setting; of the environment, only its host is looked at, and for the host only."""
    try:
        Settings(**{"write_key": "none", "host": DEFAULT_HOST, **one})
    except SettingsError as error:
        return str(error)
    return None


def _in_settings(name: str) -> str:
    return f"{SETTING}[{name.upper()!r}]"


def _in_environment(name: str) -> str:
    return f"the environment's {IN_ENVIRONMENT[name]}"
