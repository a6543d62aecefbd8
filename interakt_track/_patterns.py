"""Regular expressions compiled when they are first used: `re` is a tenth of what importing this library would cost."""

from __future__ import annotations

from ._locks import IMPORT_LOCK

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re


class Pattern:
    """The text of a regular expression, with its flags inside: `(?i)`."""

    __slots__ = ("_compiled", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._compiled: re.Pattern[str] | None = None

    def compiled(self) -> re.Pattern[str]:
        """Return the expression, ready to be matched."""
        if self._compiled is None:
            with IMPORT_LOCK:
                import re  # noqa: PLC0415 - the reason for this class
            self._compiled = re.compile(self.text)
        return self._compiled
