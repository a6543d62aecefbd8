"""The table of settings in reStructuredText, made of the code that checks them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from textwrap import indent

from interakt_track import _settings
from interakt_track._settings import Settings

ALIAS = re.compile(r"^    ([A-Z]\w+)(?:: TypeAlias)? = (.+)$", re.MULTILINE)  # read, for at run time there is none
ARGUMENT = re.compile(r"^    (\w+): (.+(?:\n {8}.+)*)", re.MULTILINE)

# The first cell holds the target of links to the setting, too.
ROW = """\
* - .. py:data:: interakt_track.{name}
       :no-typesetting:

    ``{name}``
  - ``{kind}``
  - ``{default}``
  - {meaning}
"""


def settings_table() -> str:
    """Return the table, in the order of the signature; its texts are those of the docstring's Args."""
    rows = "".join(_rows())
    head = "* - Setting\n  - Type\n  - Default\n  - Meaning\n"
    return f".. list-table::\n   :class: settings\n   :header-rows: 1\n\n{indent(head + rows, '   ')}\n"


def _rows() -> Iterator[str]:
    aliases = dict(ALIAS.findall(inspect.getsource(_settings)))
    meanings = dict(ARGUMENT.findall(inspect.getdoc(Settings) or ""))
    for name, parameter in inspect.signature(Settings).parameters.items():
        kind = re.sub(r"\w+", lambda word: aliases.get(word[0], word[0]), parameter.annotation)
        kind = re.sub(r"Literal\[(.+?)\]", lambda found: found[1].replace(", ", " | "), kind)
        default = str(parameter.default) if not isinstance(parameter.default, str) else f'"{parameter.default}"'
        yield ROW.format(name=name, kind=kind, default=default, meaning=" ".join(meanings[name].split()))
