"""What `INTERAKT_TRACK` says, as settings of the SDK."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.conf import settings
from django.utils.module_loading import import_string

import interakt_track
from interakt_track._settings import SETTING_NAMES

SETTING = "INTERAKT_TRACK"
NAMES = {name.upper(): name for name in SETTING_NAMES}
"""What the settings are called in Django, each with its name in the SDK."""

FUNCTIONS = {"on_error", "before_send"}  # settings cannot import the application's code, so these may be dotted paths


class Loaded(NamedTuple):
    """What was found.

    Attributes:
        values: By the SDK's names, not checked. Where a function could not be imported, its path is left, so that a
            call says that this is none: one that goes on without `before_send` would send what that was to hold back.
        unknown: Keys that are no settings.
        not_imported: By the SDK's names: why a function could not be.
    """

    values: dict[str, Any]
    unknown: list[str]
    not_imported: dict[str, str]


def configured() -> object:
    """Return what Django's settings have; an empty dictionary where they have nothing."""
    return getattr(settings, SETTING, {})


def load(found: object) -> Loaded:
    """Return what there is in it, functions imported; nothing where it is no dictionary."""
    loaded = Loaded({}, [], {})
    for key, value in found.items() if isinstance(found, Mapping) else ():
        name = NAMES.get(key)
        if name is None:
            loaded.unknown.append(str(key))
            continue
        loaded.values[name] = value
        if name in FUNCTIONS and isinstance(value, str):
            try:
                loaded.values[name] = import_string(value)
            except ImportError as error:
                loaded.not_imported[name] = str(error)
    return loaded


class Configuration:
    """What of the SDK's settings is Django's; the others are left to whoever assigns them."""

    def __init__(self) -> None:
        self._before: dict[str, Any] = {}  # the values of those that are Django's now, for when they are no longer

    def apply(self, found: object) -> None:
        """Assign what is found, and take back what is there no more."""
        values = load(found).values
        for name in self._before.keys() - values.keys():
            setattr(interakt_track, name, self._before.pop(name))
        for name, value in values.items():
            self._before.setdefault(name, getattr(interakt_track, name))
            setattr(interakt_track, name, value)


CONFIGURATION = Configuration()
