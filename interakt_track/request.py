"""What `from track.request import APIError` of 1.0.x leads to; today it is `track.APIError`."""

from interakt_track import APIError
from interakt_track._published import enter_module

__all__ = ["APIError"]

enter_module(__name__, "track.APIError")
