"""Each SDK as its users set it up: loading it, and the function that queues one event.

Imported by what measures imports, so it imports nothing itself that an SDK might.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any, TypeAlias

    Event: TypeAlias = Callable[[str, str, dict[str, Any]], object]

OURS = "ours"
PUBLISHED = "published"
SEGMENT = "segment"
POSTHOG = "posthog"

MODULES = {OURS: "track", PUBLISHED: "track", SEGMENT: "segment.analytics", POSTHOG: "posthog"}
KEY = "benchmark"
MAX_QUEUE_SIZE = 10_000_000  # the same for all, and never reached


def load(sdk: str) -> ModuleType:
    """Import an SDK."""
    return import_module(MODULES[sdk])


def connect(sdk: str, module: ModuleType, url: str, **settings: object) -> tuple[Event, Callable[[], object]]:
    """Point an SDK at a server.

    Args:
        settings: Of the module, ours only; `is_awaited` asks for `AsyncClient` with the others.

    Returns:
        What queues an event (user id, name, traits), which is the SDK's own function where the arguments' order
        allows, and what waits until the queue is empty.
    """
    if sdk == POSTHOG:
        client: Any = module.Posthog(KEY, host=url, max_queue_size=MAX_QUEUE_SIZE)
        capture = client.capture
        return lambda user_id, name, traits: capture(name, distinct_id=user_id, properties=traits), client.flush
    if settings.pop("is_awaited", False):
        return connect_awaited(module, url, **settings)
    own = {OURS: {"write_key": KEY}, PUBLISHED: {"api_key": KEY}, SEGMENT: {"write_key": KEY}}[sdk]
    for name, value in {"host": url, "max_queue_size": MAX_QUEUE_SIZE, **own, **settings}.items():
        setattr(module, name, value)
    return module.track if sdk == SEGMENT else module.event, module.flush


def connect_awaited(module: ModuleType, url: str, **settings: object) -> tuple[Event, Callable[[], object]]:
    """Return what begins one awaited call of ours, and what awaits all that were begun, in one event loop."""
    asyncio = import_module("asyncio")
    client = module.AsyncClient(write_key=KEY, host=url, max_queue_size=MAX_QUEUE_SIZE, timeout=100, **settings)
    runner = asyncio.Runner()
    begun: list[Any] = []

    async def await_all() -> None:
        calls, begun[:] = begun[:], []
        await asyncio.gather(*calls)

    return lambda *call: begun.append(client.event(*call)), lambda: runner.run(await_all())
