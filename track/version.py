"""What a type checker sees of `track.version`. A program gets `interakt_track.version`; this file is not loaded."""

from interakt_track.version import VERSION

__all__ = ["VERSION"]
