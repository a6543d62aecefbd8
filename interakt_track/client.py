"""What `from track.client import Client` of 1.0.x leads to; today it is `track.Client`."""

from __future__ import annotations

import interakt_track
from interakt_track._published import choose_key, enter_module, warn_of_old_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from interakt_track import Receipt
    from interakt_track._settings import OnError


class Client(interakt_track.Client):
    """A `track.Client` with the arguments of 1.0.x in their order, and `user` beside `identify`.

    Args:
        api_key: `write_key`, under its name in 1.0.x. The others are settings of `track.Client`.
    """

    def __init__(
        self,
        api_key: str | None = None,
        host: str | None = None,
        debug: bool = False,
        sync_mode: bool = False,
        timeout: float = 10,
        max_queue_size: int = 10000,
        on_error: OnError | None = None,
        max_retries: int = 3,
        flush_interval: float = 0.5,
        *,
        write_key: str | None = None,
    ) -> None:
        super().__init__(
            write_key=choose_key(write_key, api_key),
            host=host,
            debug=debug,
            sync_mode=sync_mode,
            timeout=timeout,
            max_queue_size=max_queue_size,
            on_error=on_error,
            max_retries=max_retries,
            flush_interval=flush_interval,
        )

    def user(
        self,
        user_id: object = None,
        country_code: object = None,
        phone_number: object = None,
        traits: Mapping[str, Any] | None = None,
    ) -> Receipt:
        """Say who a customer is: `identify`, under its name in 1.0.x."""
        warn_of_old_name("Client.user", "Client.identify")
        return self.identify(user_id, country_code, phone_number, traits)


enter_module(__name__, "track.Client")
