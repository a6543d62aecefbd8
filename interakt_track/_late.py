"""Names of the face that are imported when somebody asks for them."""

from __future__ import annotations

from ._locks import IMPORT_LOCK
from ._published import load_module

SPOOL_NAMES = frozenset({"FailedMessage", "SpoolFile", "SpoolStatus", "SpooledMessage"})
"""They bring sqlite3 and attrs, which an application needs only to look after a spool."""


def load(name: str) -> object:
    """Return what is asked for as an attribute of the package, and is none yet.

    Raises:
        AttributeError: There is nothing of this name.
    """
    if name == "AsyncClient":
        with IMPORT_LOCK:
            from ._async_client import AsyncClient  # noqa: PLC0415 - brings asyncio and httpx

        return AsyncClient
    if name not in SPOOL_NAMES:
        return load_module(name)
    with IMPORT_LOCK:
        from . import _spool_file  # noqa: PLC0415 - see above

    found: object = getattr(_spool_file, name)
    return found
