"""The write key, in any form that people paste."""

from __future__ import annotations

import os

from ._errors import SettingsError
from ._locks import IMPORT_LOCK

_MAX_KEY_LENGTH = 4096  # longer is a pasted file, not a key


def parse_write_key(text: str) -> str:
    """Return the raw key of any form people paste.

    The dashboard's "Secret Key" is already `base64(key + ":")`. Telling the forms apart is safe: the base64 form
    decodes strictly and its text ends with `:`, and a raw key never contains `=`.

    Raises:
        SettingsError: Nothing is left, or a character that no HTTP header can carry is in it.
    """
    key = text.strip()
    scheme, _, rest = key.partition(" ")
    if scheme.lower() == "basic":
        key = rest.strip()
    key = (_decode_secret_key(key) or key).rstrip(":")
    if not key:
        raise SettingsError("write_key is empty; copy it from the dashboard's Settings, Developer Settings")
    if len(key) > _MAX_KEY_LENGTH or not key.isascii() or not key.isprintable() or any(c in key for c in " :\"'"):
        raise SettingsError(
            "write_key holds characters a key never has (spaces, quotes, line breaks, a colon or non-ASCII ones); "
            "copy it again from the dashboard's Settings, Developer Settings"
        )
    return key


def key_of_environment() -> str | None:
    """Return the environment's write key of this moment, or None.

    Raises:
        SettingsError: As `parse_write_key`.
    """
    text = os.environ.get("INTERAKT_WRITE_KEY")
    return parse_write_key(text) if text else None


def _decode_secret_key(text: str) -> str | None:
    with IMPORT_LOCK:
        from binascii import a2b_base64  # noqa: PLC0415 - wanted with the first key

    try:
        decoded = a2b_base64(text, strict_mode=True).decode("ascii")
    except ValueError:
        return None
    return decoded if decoded.endswith(":") and len(decoded) > 1 else None
