"""The terminal program `interakt-track`; needs the extra `cli`."""

from __future__ import annotations

from ._program import program

__all__ = ["program"]
