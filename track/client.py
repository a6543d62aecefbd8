"""What a type checker sees of `track.client`. A program gets `interakt_track.client`; this file is not loaded."""

from interakt_track.client import Client

__all__ = ["Client"]
