"""The write key in a request: the Basic header taken apart, and what is wrong with it."""

from __future__ import annotations

import base64
import binascii

import attrs

from ._records import digest

MASKED = "***"


@attrs.frozen
class Credentials:
    """What an Authorization header says.

    Attributes:
        problem: Why it is no valid key; None when it is.
        key_digest: Stands for the key; None when there was none to be read.
    """

    problem: str | None
    key_digest: str | None = attrs.field(default=None, repr=False)


def read_credentials(header: str | None, write_key: str | None) -> Credentials:
    """Take an Authorization header apart and judge the key in it.

    Args:
        header: None when the request had none.
        write_key: The only key that is right; None lets any pass.
    """
    if header is None:
        return Credentials("is missing")
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return Credentials("must be of the Basic scheme")
    decoded = _decode(encoded)
    if decoded is None:
        return Credentials("must be base64 of the key and a colon")
    key, colon, password = decoded.partition(":")
    if not colon:
        return Credentials("must have a colon after the key, before it is encoded")
    if not key:
        return Credentials("must hold a key")
    key_digest = digest(key)
    if password:
        return Credentials("must have an empty password", key_digest)
    if (_decode(key) or "").endswith(":"):
        return Credentials(
            "holds a key that was encoded twice: the dashboard's Secret Key is encoded already", key_digest
        )
    if write_key is not None and key_digest != digest(write_key):
        return Credentials("holds another key than this sandbox has", key_digest)
    return Credentials(None, key_digest)


def mask_authorization(header: str) -> str:
    """Keep the scheme of an Authorization header, and nothing that could be of the key."""
    scheme, space, _ = header.partition(" ")
    return f"{scheme} {MASKED}" if space else MASKED


def _decode(encoded: str) -> str | None:
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
