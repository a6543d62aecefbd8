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
        settings: Of the module, ours only.

    Returns:
        What queues an event (user id, name, traits), which is the SDK's own function where the arguments' order
        allows, and what waits until the queue is empty.
    """
    if sdk == POSTHOG:
        client: Any = module.Posthog(KEY, host=url, max_queue_size=MAX_QUEUE_SIZE)
        capture = client.capture
        return lambda user_id, name, traits: capture(name, distinct_id=user_id, properties=traits), client.flush
    own = {OURS: {"write_key": KEY}, PUBLISHED: {"api_key": KEY}, SEGMENT: {"write_key": KEY}}[sdk]
    for name, value in {"host": url, "max_queue_size": MAX_QUEUE_SIZE, **own, **settings}.items():
        setattr(module, name, value)
    return module.track if sdk == SEGMENT else module.event, module.flush
