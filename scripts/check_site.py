"""Look through the built site: it needs no other machine, has every public name, and shows no insides of ours."""

from __future__ import annotations

import importlib
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

NAMES = {
    f"{module}.{name}"
    for module in ("interakt_track", "interakt_track.sandbox", "interakt_track.testing")
    for name in importlib.import_module(module).__all__
} | {"interakt_track.opentelemetry.observe"}

SOURCES = {"link": "href", "use": "href"}  # of all other tags, `src` is what a browser loads
LOADED = {"dns-prefetch", "icon", "modulepreload", "preconnect", "prefetch", "preload", "stylesheet"}
ELSEWHERE = re.compile(r"(\w+:)?//")
OF_THE_SITE = re.compile(r"https://.*/blob/HEAD/(README\.md|docs/[^?]*\.md)(#.*)?")
INSIDES = re.compile(r"attr_dict|NOTHING|Return type")  # defaults as attrs writes them, and a sentence cut at its colon
ELSEWHERE_IN_STYLES = re.compile(r"""@import[^;]*|url\(["']?(?:\w+:)?//[^)]*""")


class Page(HTMLParser):
    """What a page loads, where it leads to, and the ids in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.leads_to: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the address of what the tag loads or leads to, and its id."""
        attributes = {name: value or "" for name, value in attrs}
        self.ids.add(attributes.get("id", ""))
        if tag == "a":
            self.leads_to.append(attributes.get("href", ""))
        elif tag != "link" or LOADED & set(attributes.get("rel", "").split()):
            self.loads.append(attributes.get(SOURCES.get(tag, "src"), ""))


def is_of_the_site(address: str) -> bool:
    """Tell whether an address in the repository is that of a page which the site has; its source is not."""
    return OF_THE_SITE.fullmatch(address) is not None


def find_problems(site: Path) -> list[str]:
    """Return a line for each address on another machine that a page would load, and for all else that is wrong."""
    problems = []
    described: set[str] = set()
    for path in sorted(site.rglob("*.html")):
        text = path.read_text(encoding="utf-8")
        page = Page(text)
        described |= page.ids
        problems += [f"{path} leads out of the site: {address}" for address in page.leads_to if is_of_the_site(address)]
        problems += [f"{path} shows {found}" for found in INSIDES.findall(text)]
        problems += [f"{path} would load {address}" for address in page.loads if ELSEWHERE.match(address)]
    for path in sorted(site.rglob("*.css")):
        found = ELSEWHERE_IN_STYLES.findall(path.read_text(encoding="utf-8"))
        problems += [f"{path} would load {address}" for address in found]
    return problems + [f"no page describes {name}" for name in sorted(NAMES - described)]


if __name__ == "__main__":
    wrong = find_problems(Path(sys.argv[1]))
    print(*wrong, sep="\n", end="\n" if wrong else "")
    sys.exit(1 if wrong else 0)
