"""The site's settings for Sphinx, and what Sphinx does not bring: links to the repository, and a table of settings."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag

import click
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.ext import napoleon
from sphinx.util.docutils import SphinxDirective

import interakt_track

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from settings_table import settings_table  # noqa: E402 - found by the line above

REPOSITORY = "https://github.com/interakt/track-python"

project = "interakt-track-python"
author = "the interakt-track-python authors"
project_copyright = author
release = interakt_track.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_click"]

# A reference that leads nowhere is an error. Types of others, and private ones, are only named. What docstrings have
# between backticks is a link where it is a name of ours, and else code.
nitpicky = True
nitpick_ignore_regex = [(r"py:(class|exc|data)", r"(?!interakt_track\.).*|.*\._.*"), ("py:obj", ".*")]
default_role = "py:obj"
smartquotes = False  # they would make a dash of an option's two

autodoc_member_order = "bysource"
python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"

myst_heading_anchors = 3

html_theme = "furo"
html_title = f"{project} {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_search_summary = False  # it would be fetched, which a page that is opened as a file may not do
html_theme_options = {"source_repository": REPOSITORY, "source_branch": "HEAD", "source_directory": "docs/"}

HIDDEN = {"fields", "follow_recording", "note_refusal", "record", "start_anew", "wants"}
"""Methods that only rooms of the package call."""

SHORT_NAME = re.compile(rf"(?<!`)`track\.({'|'.join(interakt_track.__all__)})`(?!`)")
LOCAL_LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)\s]+)(?=\))")
LINK_TO_DOCS = re.compile(rf"{REPOSITORY}/(?:blob|raw)/HEAD/docs/")


def link_to_repository(_: Sphinx, docname: str, source: list[str]) -> None:
    """Let relative links to files outside of docs/ lead to the repository, and those to the README to its page here."""

    def absolute(found: re.Match[str]) -> str:
        path, anchor = urldefrag(found[1])
        folder = (HERE / docname).parent
        target = folder.joinpath(path).resolve()
        if not target.exists() or target.is_relative_to(HERE):
            return found[0]
        place = target.relative_to(HERE.parent).as_posix()
        is_page = place == "README.md"
        page = os.path.relpath(HERE / "readme.md", folder) if is_page else f"{REPOSITORY}/blob/HEAD/{place}"
        return f"{page}{'#' if anchor else ''}{anchor}"

    source[0] = LOCAL_LINK.sub(absolute, source[0])


def link_to_site(_: Sphinx, __: Path, ___: str, content: list[str]) -> None:
    """Let the README's title, links and pictures be those of the site, where it has them."""
    content[0] = LINK_TO_DOCS.sub("", content[0]).replace(f"# {project}\n", "# At a glance\n", 1)


class Docstring(napoleon.GoogleDocstring):
    """One whose "Returns" names no type, as the signature has it: a colon in it is a colon."""

    def _consume_returns_section(
        self,
        preprocess_types: bool = False,  # noqa: ARG002 - as Napoleon has it
    ) -> list[tuple[str, str, list[str]]]:
        return [("", "", self._dedent(self._consume_to_next_section()))]


def read_google_style(  # the signature is Sphinx's
    app: Sphinx, what: str, name: str, thing: object, options: Any, lines: list[str]
) -> None:
    """Turn sections of docstrings into fields, but for attributes: napoleon takes "None: …" for a type there.

    Names that docstrings have of `track` are those of `interakt_track`.
    """
    lines[:] = [SHORT_NAME.sub(r":py:obj:`track.\1 <interakt_track.\1>`", line) for line in lines]
    if what not in ("attribute", "data", "property"):
        style = napoleon.Config(napoleon_use_ivar=True)
        lines[:] = Docstring(lines, style, app, what, name, thing, options).lines()


def leave_open(
    _: Sphinx, __: str, ___: str, ____: object, _____: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Show a default that each instance gets anew, which attrs calls NOTHING, as one."""
    return signature and signature.replace("= NOTHING", "= ..."), returns


def hide(_: Sphinx, __: str, name: str, thing: object, *___: object) -> bool | None:
    """Leave out what is nobody's to call, and what Python writes of the fields of a named tuple."""
    return True if name in HIDDEN or (thing.__doc__ or "").startswith("Alias for field number") else None


def draw_dashes(_: Sphinx, doctree: nodes.document) -> None:
    """Put a dash between an argument and its meaning, where Sphinx leaves that to smart quotes."""
    for text in list(doctree.findall(nodes.Text)):
        if text == " -- ":
            text.parent.replace(text, nodes.Text(" – "))


def show_examples(_: Sphinx, __: click.Context, lines: list[str]) -> None:
    """Make code of what is indented in the end of a command's help; what click must not wrap comes as verse."""
    was_code = False
    for line in lines.copy():
        text = line.removeprefix("| ")
        is_code = text.startswith("  ")
        if is_code and not was_code:
            lines += ["", ".. code-block:: text", ""]
        elif was_code and not is_code:
            lines += [""]
        lines += [f"   {text[2:]}" if is_code else text]
        was_code = is_code
        del lines[0]


class SettingsTable(SphinxDirective):
    """`settings`: the table of all settings."""

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        return self.parse_text_to_nodes(settings_table())


def setup(app: Sphinx) -> None:
    """Register these."""
    app.connect("autodoc-skip-member", hide)
    app.connect("autodoc-process-docstring", read_google_style)
    app.connect("autodoc-process-signature", leave_open)
    app.connect("source-read", link_to_repository)
    app.connect("include-read", link_to_site)
    app.connect("doctree-read", draw_dashes)
    app.connect("sphinx-click-process-epilog", show_examples)
    app.add_directive("settings", SettingsTable)
