"""What a type checker sees of `track.request`. A program gets `interakt_track.request`; this file is not loaded."""

from interakt_track.request import APIError

__all__ = ["APIError"]
