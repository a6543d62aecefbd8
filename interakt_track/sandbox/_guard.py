"""Who may use the page: whoever asked this server itself for it, and no other web site through the same browser."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FOREIGN = "This page is for whoever opens it by this machine's address or the name given with --host."
ELSEWHERE = "Another web site may not use this page."


def find_objection(headers: Mapping[str, str], host: str) -> str | None:
    """Return why a request for the page, its data or its controls is refused; None when it is not.

    A name that an attacker's DNS points here (rebinding) is in the Host header, a site that posts here in the Origin.
    The port is not looked at: behind a published port of a container it is another one than here.

    Args:
        headers: Names in lower case.
        host: What the sandbox was told to listen on.
    """
    asked = headers.get("host", "").lower()
    if not _is_own_name(_name_of(asked), host.lower()):
        return FOREIGN
    origin = headers.get("origin")
    if origin is not None and origin.lower() not in (f"http://{asked}", f"https://{asked}"):
        return ELSEWHERE
    if headers.get("sec-fetch-site") in ("cross-site", "same-site") and headers.get("sec-fetch-mode") != "navigate":
        return ELSEWHERE
    return None


def _name_of(host: str) -> str:
    """Return a Host header without its port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_own_name(name: str, host: str) -> bool:
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761: never anybody else's
        return True
    if name == host:
        return bool(name)
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True  # no name, so none that could lead elsewhere
