"""The names of 1.0.x: where each leads today, and the warning that says so."""

from __future__ import annotations

import sys

from ._errors import SettingsError
from ._locks import IMPORT_LOCK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

MODULES = frozenset({"client", "request", "version"})
"""Public modules of 1.0.x; `import track` loaded them, so `track.version.VERSION` needs no import of its own."""


def warn_of_old_name(old: str, new: str) -> None:
    """Issue a `DeprecationWarning` for the application's line that led here."""
    with IMPORT_LOCK:
        from ._warnings import warn  # noqa: PLC0415 - only where an old name is used

    warn(f"{old} is a name of 1.0.x; use {new}", DeprecationWarning)


def choose_key(write_key: str | None, api_key: str | None) -> str | None:
    """Return the write key, given under either of its names.

    Raises:
        SettingsError: It is given under both, and they differ: whichever was meant, the other would be a surprise.
    """
    if write_key is not None and api_key is not None and write_key != api_key:
        raise SettingsError("write_key and api_key, its name in 1.0.x, are two different keys; set write_key only")
    return api_key if write_key is None else write_key


def load_module(name: str) -> ModuleType:
    """Return a module of 1.0.x that is asked for as an attribute of the package.

    Raises:
        AttributeError: There was none of this name.
    """
    package = sys.modules["interakt_track"]
    if name not in MODULES:
        raise AttributeError(f"module {package.__name__!r} has no attribute {name!r}", name=name, obj=package)

    from importlib import import_module  # noqa: PLC0415 - only where an old name is used

    return import_module(f"{package.__name__}.{name}")


def enter_module(module: str, new: str) -> None:
    """Warn that a module of 1.0.x is being imported, and make it the same one under both names of the package.

    Args:
        module: Its `__name__`, as the last thing it does.
        new: What to use in its place.
    """
    name = module.rpartition(".")[2]
    warn_of_old_name(f"track.{name}", new)
    sys.modules[f"interakt_track.{name}"] = sys.modules[f"track.{name}"] = sys.modules[module]
