"""What `check` tries, one step after the other; a step that cannot succeed any more is not tried."""

from __future__ import annotations

import json
import socket
import ssl
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from interakt_track import Client

from ._command_line import key_form

if TYPE_CHECKING:
    from collections.abc import Iterator

    Result = Literal["ok", "warning", "failed", "skipped"]

OK: Result = "ok"
WARNING: Result = "warning"
FAILED: Result = "failed"
SKIPPED: Result = "skipped"

WORKS, REFUSED, UNREACHABLE = 0, 1, 3  # the program's status
MAX_CLOCK_ERROR = 60.0  # seconds; events carry the time of this machine
DAY = 86_400.0
SOON = 14 * DAY  # until a certificate ends
MAX_CHAIN = 10  # exceptions, each the cause of the one before; they have 4
NETWORK = "check the network, the proxy settings and `host`"
TRUST = "where a proxy of your company opens TLS, name its certificates in SSL_CERT_FILE"
KEY_REFUSED = {
    401: "the key is not valid; copy it anew from the dashboard's Settings, Developer Settings",
    403: "the key is known, but may not do this; the plan may have no API access",
}
FORMS = {
    "raw": "the key itself",
    "secret_key": 'the dashboard\'s "Secret Key", which is base64; it was decoded',
    "header": "the value of an Authorization header; the key was taken out of it",
}


class Step(NamedTuple):
    """Something that was tried."""

    name: str
    result: Result
    detail: str
    """A sentence for a person; with no key in it."""
    code: int = WORKS
    """The program's status, should this be what fails."""


def exit_code_of(made: list[Step]) -> int:
    """Return the program's status: that of the first step that failed."""
    return next((step.code for step in made if step.result == FAILED), WORKS)


def steps(client: Client, pasted: str) -> Iterator[Step]:
    """Try everything, and give each step as soon as it is made.

    Args:
        client: With the settings that are checked; nothing is queued in it.
        pasted: The key as the person has pasted it.
    """
    yield _key_step(client, pasted)
    url = urlsplit(client.settings.host)
    proxy = _proxy_variable(url.scheme, url.hostname or "")
    if proxy:
        yield Step("DNS", SKIPPED, f"the environment's {proxy} names a proxy, which looks the host up")
    else:
        found = _look_up(url.hostname or "", url.port or (443 if url.scheme == "https" else 80))
        yield found
        if found.result == FAILED:
            return
    yield from _request_steps(client, is_tls=url.scheme == "https")


def _key_step(client: Client, pasted: str) -> Step:
    key = client.settings.write_key or ""
    return Step("key", OK, f"{FORMS[key_form(pasted)]}; *** of {len(key)} characters")


def _proxy_variable(scheme: str, host: str) -> str | None:
    """Return the name of the environment's variable that sends requests to this host through a proxy."""
    proxies = getproxies()
    kind = next((kind for kind in (scheme, "all") if proxies.get(kind)), None)
    return None if kind is None or proxy_bypass(host) else f"{kind.upper()}_PROXY"


def _look_up(host: str, port: int) -> Step:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is no name that DNS can hold"
        return Step("DNS", FAILED, f"{host} was not found: {said}; {NETWORK}", UNREACHABLE)
    addresses = dict.fromkeys(str(info[4][0]) for info in found)
    return Step("DNS", OK, f"{host} is {', '.join(addresses)}")


def _request_steps(client: Client, *, is_tls: bool) -> Iterator[Step]:
    """Make the request that creates nobody, and tell what is learned of TLS, the key and the clock."""
    path = Client(enabled=False).event("nobody", "nothing").message["path"]
    tls: list[Step] = []

    def trace(event: str, details: dict[str, Any]) -> None:
        """Look at the connection when it is secured: by the time there is an answer it may be closed."""
        if event.endswith("start_tls.complete"):
            tls[:] = [_tls_step(details["return_value"].get_extra_info("ssl_object"))]

    started = time.monotonic()
    try:
        with client.api_client().get_httpx_client() as http:
            response = http.post(path, json={}, extensions={"trace": trace})
    except Exception as error:  # noqa: BLE001 - whatever it is, a person wants to be told
        yield from tls
        yield _failure(error, is_secured=bool(tls) or not is_tls)
        return
    yield from tls
    yield answer_step(response.status_code, _message(response.text), time.monotonic() - started)
    date = response.headers.get("Date")
    if date:
        yield from _clock_steps(date)


def _tls_step(secured: ssl.SSLObject) -> Step:
    certificate = secured.getpeercert() or {}
    ends = str(certificate.get("notAfter", ""))
    left = ssl.cert_time_to_seconds(ends) - time.time() if ends else SOON
    days = f"{left / DAY:,.0f} day{'' if round(left / DAY) == 1 else 's'}"
    until = f"; the certificate is trusted, and ends in {days}" if ends else ""
    return Step("TLS", OK if left >= SOON else WARNING, f"{secured.version()}{until}")


def _failure(error: BaseException, *, is_secured: bool) -> Step:
    """Return the step that failed, by the innermost of the exceptions that knows a reason."""
    chain = [error]
    while len(chain) < MAX_CHAIN and (inner := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(inner)
    untrusted = next((link for link in chain if isinstance(link, ssl.SSLCertVerificationError)), None)
    if untrusted is not None:
        detail = f"the certificate is not trusted: {untrusted.verify_message}; {TRUST}"
        return Step("TLS", FAILED, detail, UNREACHABLE)
    if not is_secured and any(isinstance(link, ssl.SSLError) for link in chain):
        return Step("TLS", FAILED, "the host does not speak TLS at this port; check `host`", UNREACHABLE)
    said = [link.strerror for link in chain if isinstance(link, OSError) and link.strerror]
    reason = said[-1] if said else type(error).__name__
    if any(isinstance(link, TimeoutError) or "Timeout" in type(link).__name__ for link in chain):
        reason = "no answer in time"
    return Step("API", FAILED, f"not reached: {reason}; {NETWORK}", UNREACHABLE)


def answer_step(status_code: int, message: str, took: float) -> Step:
    """Return what an answer to the request that creates nobody means.

    Args:
        status_code: The answer's.
        message: What it says; empty where it says nothing that can be shown.
        took: Seconds, from the first byte sent.
    """
    said = f' "{message}"' if message else ""
    answered = f"answered {status_code}{said} after {took:.2f} s"
    if status_code in (401, 403):
        return Step("API", FAILED, f"{answered}: {KEY_REFUSED[status_code]}", REFUSED)
    if status_code == 429:
        return Step("API", FAILED, f"{answered}: too many requests of this account; try again in a minute", UNREACHABLE)
    if status_code in (400, 422):
        return Step("API", OK, f"{answered}, as it must; the key works, and nobody was created")
    if status_code == 404:
        return Step("API", FAILED, f"{answered}: this is not where the API is; check `host`", UNREACHABLE)
    if 200 <= status_code < 300:
        return Step("API", WARNING, f"{answered}; the key works, but such a request should be refused")
    return Step("API", FAILED, f"{answered}, which tells nothing of the key; try again later", UNREACHABLE)


def _message(text: str) -> str:
    """Return what an answer of the API says for people; no HTML page is shown."""
    try:
        body = json.loads(text)
    except ValueError:
        return ""
    message = body.get("message") if isinstance(body, dict) else None
    return message if isinstance(message, str) else ""


def _clock_steps(date: str) -> Iterator[Step]:
    try:
        off = time.time() - parsedate_to_datetime(date).timestamp()
    except ValueError:
        return
    if abs(off) <= MAX_CLOCK_ERROR:
        yield Step("clock", OK, "this machine's clock and the API's agree")
    else:
        way = "ahead of" if off > 0 else "behind"
        wrong = f"this machine's clock is {abs(off):,.0f} s {way} the API's; events carry its time"
        yield Step("clock", WARNING, wrong)
