"""The HTTP client an attempt goes through: the generated one, over httpx, with a bound on everything a server may do.

Importing this costs about 150 ms (httpx, ssl), so it is imported when the first message is sent.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401  the first connect loads it; a fork meanwhile would leave its import lock held
import socket
import ssl
import time
from contextlib import contextmanager, nullcontext
from typing import cast

import httpx

from interakt_track_client import AuthenticatedClient

from ._answers import decode_body, parse_answer, refusal
from ._attempt import Attempt, attempt, current_attempt
from ._errors import DeliveryError, UnreachableError
from ._locks import IMPORT_LOCK
from ._network import AsyncBoundedBackend, BoundedBackend
from ._recording import RECORDING
from ._retry import parse_retry_after
from ._version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

KEEPALIVE_EXPIRY = 4.0  # servers commonly drop an idle connection after 5 s; the first to close avoids a lost request

_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=KEEPALIVE_EXPIRY)
_CHECK = "check the network, the proxy settings and `host`"
_CHECK_PROXY = "check HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY"
_PLACEHOLDER = "hidden"  # the generated client shows its token in its repr, so the key is kept elsewhere

_ssl_context: ssl.SSLContext | None = None


def shared_ssl_context() -> ssl.SSLContext:
    """Return the process's one TLS context, built at the first call: loading the certificates takes some 20 ms.

    Honours `SSL_CERT_FILE` and `SSL_CERT_DIR`, as httpx does.
    """
    global _ssl_context  # noqa: PLW0603 - one per process, guarded by the lock
    with IMPORT_LOCK:  # a fork in the middle of this would leave the child OpenSSL's own locks held
        if not isinstance(_ssl_context, ssl.SSLContext):  # none, or the kind of before gevent patched
            _ssl_context = httpx.create_ssl_context()
        return _ssl_context


def build_client(host: str, write_key: str, *, timeout: float, checks_answers: bool = True) -> AuthenticatedClient:
    """Return the generated client, ready to send.

    It holds no open connection until it is used, opens as many as it is used by threads or tasks at the same time,
    and reuses them for `KEEPALIVE_EXPIRY` seconds; closing `get_httpx_client()` drops them. Proxies from the
    environment are used, redirects are not followed. Copies made by its `with_…` methods share its connections and
    its bounds.

    Args:
        host: Where the API is, `https://host[:port][/prefix]`.
        write_key: Raw; it is in no repr of the client.
        timeout: Seconds until an attempt ends, whatever the server does, by an `httpx.TimeoutException`. Only the
            look-up of the host's name can take longer, in the synchronous functions.
        checks_answers: Whether an answer that is no 2xx, or says `"result": false`, is raised as an `APIError` before
            the generated code parses it. Such a client should send inside of `attempt()`. Without, answers are the
            generated code's business, and only those that cannot be read are raised, as httpx errors.
    """
    return AuthenticatedClient(
        base_url=host,
        token=_PLACEHOLDER,
        prefix="Basic",
        headers={
            "User-Agent": f"interakt-track-python/{VERSION}",
            "Accept-Encoding": "identity",  # answers are shorter than a gzip header is worth
        },
        timeout=httpx.Timeout(timeout),
        follow_redirects=False,
        httpx_args={
            "auth": httpx.BasicAuth(write_key, ""),
            "transport": BoundedTransport(checks_answers=checks_answers),
        },
    )


class EnvironmentRefusedError(httpx.ConnectError):
    """What the environment says about proxies or certificates cannot be used; the text is ours."""


class BoundedTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Sends requests within the bounds of an attempt, reads their answers whole, and may check them.

    The bounds need a network backend of our own, which httpx has no argument for. Of the two ways in, making its
    transports ourselves turns environment proxies off, so it makes them, proxies included, and the backend is put in.
    Safe to share between threads, and between a sync and an async client.
    """

    def __init__(self, *, checks_answers: bool) -> None:
        self._checks_answers = checks_answers
        self._made: dict[str, httpx.Client | httpx.AsyncClient] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._refuse_if_recorded(request)
        client = cast("httpx.Client", self._made.get("sync") or self._make("sync"))
        with _bounded(request) as current:
            response = client._transport_for_url(request.url).handle_request(request)
            current.note_status(response.status_code)
            stream = cast("httpx.SyncByteStream", response.stream)
            body = bytearray()
            try:
                for chunk in stream:
                    body += chunk
            except (httpx.TransportError, OSError):  # OSError: what a TLS failure is in asyncio
                if not self._checks_answers:
                    raise
            finally:
                stream.close()
        return self._finish(current, request, response, bytes(body))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._refuse_if_recorded(request)
        client = cast("httpx.AsyncClient", self._made.get("async") or self._make("async"))
        with _bounded(request) as current:
            response = await client._transport_for_url(request.url).handle_async_request(request)
            current.note_status(response.status_code)
            stream = cast("httpx.AsyncByteStream", response.stream)
            body = bytearray()
            try:
                async for chunk in stream:
                    body += chunk
            except (httpx.TransportError, OSError):  # OSError: what a TLS failure is in asyncio
                if not self._checks_answers:
                    raise
            finally:
                await stream.aclose()
        return self._finish(current, request, response, bytes(body))

    def close(self) -> None:
        client = self._made.pop("sync", None)
        if client is not None:
            cast("httpx.Client", client).close()

    async def aclose(self) -> None:
        client = self._made.pop("async", None)
        if client is not None:
            await cast("httpx.AsyncClient", client).aclose()

    def _make(self, kind: str) -> httpx.Client | httpx.AsyncClient:
        try:
            context = shared_ssl_context()
        except OSError as exc:
            raise EnvironmentRefusedError("the certificates cannot be read; check SSL_CERT_FILE, SSL_CERT_DIR") from exc
        try:
            factory = httpx.Client if kind == "sync" else httpx.AsyncClient
            client = factory(verify=context, limits=_LIMITS)
        except (ValueError, ImportError, httpx.InvalidURL) as exc:  # ImportError: SOCKS needs another package
            raise EnvironmentRefusedError(f"a proxy of the environment cannot be used; {_CHECK_PROXY}") from exc
        for transport in (client._transport, *client._mounts.values()):
            if isinstance(transport, httpx.HTTPTransport):
                transport._pool._network_backend = BoundedBackend(transport._pool._network_backend)
            elif isinstance(transport, httpx.AsyncHTTPTransport):
                transport._pool._network_backend = AsyncBoundedBackend(transport._pool._network_backend)
        return self._made.setdefault(kind, client)  # of two threads that got here, both use the first one's

    def _refuse_if_recorded(self, request: httpx.Request) -> None:
        """Let no low-level call out of a test that records; what was queued before it is sent."""
        if not self._checks_answers and RECORDING.recorders_of(str(request.url)):
            raise RuntimeError(
                "a low-level call cannot be captured, and nothing is sent while a capture or a network guard is open; "
                "let the test use a sandbox in place of a capture"
            )

    def _finish(self, current: Attempt, request: httpx.Request, response: httpx.Response, raw: bytes) -> httpx.Response:
        body, is_whole = decode_body(raw, response.headers.pop("Content-Encoding", ""))
        if self._checks_answers:
            current.answer = parse_answer(body)
            error = refusal(
                response.status_code,
                body,
                current.answer,
                reason=response.reason_phrase,
                retry_after=parse_retry_after(response.headers.get("Retry-After"), time.time()),
            )
            if error is not None:
                current.is_delivered = False
                raise error
        elif not is_whole:
            raise httpx.DecodingError("the compressed answer is damaged, or too long", request=request)
        response.stream = httpx.ByteStream(body)
        return response


@contextmanager
def _bounded(request: httpx.Request) -> Iterator[Attempt]:
    """Begin the attempt the caller is inside of, or one of its own, of at most the request's longest timeout.

    A failure to read after a failure to write is told as the latter: httpcore tries to read an early answer then, and
    hides which of the two it was, and with it that the request cannot have been received.
    """
    timeouts = [*request.extensions.get("timeout", {}).values()]
    limit = None if None in timeouts else max(timeouts, default=None)
    outer = current_attempt()
    with attempt() if outer is None else nullcontext(outer) as current:
        current.start(request.method, limit)
        try:
            yield current
        except (httpx.TransportError, OSError) as exc:
            if current.is_sent or isinstance(exc, _NOT_RECEIVED):
                raise
            kind = httpx.WriteTimeout if isinstance(exc, httpx.TimeoutException) else httpx.WriteError
            raise kind("the request could not be sent in full") from exc


_NOT_RECEIVED = (
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.WriteTimeout,
    httpx.ConnectError,
    httpx.WriteError,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
    httpx.InvalidURL,
    UnicodeError,
)
"""What is raised only while the request has not left in full, so that the API cannot have received it."""

_WORDS: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((httpx.ConnectTimeout, httpx.PoolTimeout), f"no connection to the API in time; {_CHECK}"),
    ((httpx.WriteTimeout,), "the request could not be sent in time; check the network, or raise `timeout`"),
    ((httpx.ReadTimeout,), "no answer of the API in time; check the network, or raise `timeout`"),
    (
        (httpx.ProxyError,),
        "the proxy did not connect to the API; check HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY",
    ),
    ((httpx.ConnectError,), f"no connection to the API; {_CHECK}"),
    ((httpx.WriteError,), f"the connection broke while the request was sent; {_CHECK}"),
    ((httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeError), "`host` is no usable URL; it must be https://…"),
    ((httpx.LocalProtocolError,), "the request is not valid HTTP; check `host` and `write_key`"),
    ((httpx.RemoteProtocolError,), f"the answer broke off, or was not HTTP; {_CHECK}"),
    ((httpx.NetworkError, OSError), f"the connection broke before the answer was there; {_CHECK}"),
)


def delivery_error(exc: Exception) -> DeliveryError:
    """Return our error for what sending raised; its text has no URL, credentials or payload.

    Ambiguous is whatever can happen after the request has left in full: no answer in time, a reset, an answer that is
    not HTTP, and anything unforeseen. Raise it `from exc`. An error of ours is returned as it is.
    """
    if isinstance(exc, DeliveryError):
        return exc
    words = next((words for kinds, words in _WORDS if isinstance(exc, kinds)), f"sending failed: {type(exc).__name__}")
    if isinstance(exc, EnvironmentRefusedError):
        words = str(exc)
    detail = _detail(exc)
    text = f"{words} ({detail})" if detail else words
    return UnreachableError(text, is_ambiguous=not isinstance(exc, _NOT_RECEIVED))


@contextmanager
def delivering(timeout: float) -> Iterator[Attempt]:
    """Hold the request made inside to an attempt's bounds, and raise our error where the API did not take it.

    Args:
        timeout: Seconds the attempt may take.

    Raises:
        DeliveryError: The API did not take the message.
    """
    with attempt(timeout=timeout) as current:
        try:
            yield current
        except Exception as exc:
            # The API took it, and only its answer is odd: sending it again would be the mistake.
            if not current.is_delivered:
                raise delivery_error(exc) from exc


def _detail(exc: BaseException | None) -> str:
    """Return what the system said, from the chain of exceptions: the innermost words are the most exact."""
    detail = ""
    for _ in range(10):  # chains have 4 links; a cycle must not hang a worker
        if isinstance(exc, ssl.SSLCertVerificationError):
            detail = f"certificate not trusted: {exc.verify_message}"
        elif isinstance(exc, socket.gaierror):
            detail = f"the host name was not found: {exc.strerror}"
        elif isinstance(exc, OSError) and exc.strerror:
            detail = exc.strerror
        if exc is None:
            break
        exc = exc.__cause__ or exc.__context__
    return detail
