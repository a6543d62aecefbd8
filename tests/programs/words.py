"""What a command has said."""

from __future__ import annotations

from click.testing import Result


def words_of(result: Result) -> str:
    """Return both outputs; before click 8.2 no attribute has them both."""
    return result.stdout + result.stderr
