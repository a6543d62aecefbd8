"""The pages of docs/, held against the project: code runs and prints what it says; what is not run is declared."""

import inspect
import re
import runpy
import shlex
import socket
import tomllib
from collections import Counter
from http.client import HTTPConnection
from pathlib import Path

import pytest
from blocks import FENCE, Block, Place, blocks_of, place
from command_line import parse
from service import Service

from interakt_track._settings import Settings

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))

CHECK_SITE = runpy.run_path(str(ROOT / "scripts" / "check_site.py"))

BLOCKS = {page: blocks_of(page) for page in PAGES}
ALL = [block for blocks in BLOCKS.values() for block in blocks]
NOT_RUN = sorted({command for block in ALL if block.not_run for command in block.commands})

ANY_FENCE = re.compile(r"^```(\S+)", re.MULTILINE)
TOCTREE = re.compile(r"^```\{toctree\}\n(?::.*\n)*\n(.*?)^```", re.MULTILINE | re.DOTALL)
DIRECTIVES = {"{eval-rst}", "{include}", "{literalinclude}", "{toctree}"}


def name_of(page: Path) -> str:
    return page.relative_to(DOCS).as_posix()


def is_run(page: Path) -> bool:
    return any(block.language in ("python", "console") for block in BLOCKS[page])


def problem_of(block: Block, here: Place) -> str | None:
    """Do with a block what a reader does; return what is not as the page says."""
    if block.file:
        (here.folder / block.file).write_text(block.text, encoding="utf-8")
    elif block.part_of or block.not_run:
        return None
    elif block.language == "python":
        ran = here.run(block)
        if (ran.returncode, ran.stdout) != (0, block.printed):
            return f"{block}: {ran.returncode} {ran.stdout}\n{ran.stderr}"
    elif block.language == "console":
        return type_in(block, here)
    elif block.language == "toml":
        tomllib.loads(block.text)
    return None


def type_in(block: Block, here: Place) -> str | None:
    """Type a block's commands one after the other, and compare what follows each with what it writes."""
    for command, expected in block.dialogues:
        ran = here.type(command, block.faults)
        pattern = re.escape(expected.strip()).replace("…", ".*")
        written = "\n".join(line.rstrip() for line in ran.stdout).strip()
        if ran.returncode or (expected and not re.fullmatch(pattern, written, re.DOTALL)):
            return f"{block}: {command}: {ran.returncode}\n" + "\n".join([*ran.stdout, ran.stderr])
    return None


@pytest.mark.parametrize("page", [page for page in PAGES if is_run(page)], ids=name_of)
def test_a_reader_who_follows_a_page_gets_what_it_says(page: Path) -> None:
    with place() as here:
        problems = [problem for block in BLOCKS[page] if (problem := problem_of(block, here))]

        refused = [request.reason for request in here.sandbox.requests if not request.received]

    assert problems == []
    assert refused == [] or any(block.faults or "interakt-track check" in block.text for block in BLOCKS[page])


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_is_run_or_says_why_not(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    fences = ANY_FENCE.findall(text)

    undeclared = [
        str(block)
        for block in BLOCKS[page]
        if block.language not in ("python", "console", "toml", "text") and not (block.file or block.not_run)
    ]

    assert undeclared == []
    assert {fence for fence in fences if "{" in fence} <= DIRECTIVES
    assert len(fences) == text.count("\n```\n"), "a fence that opens has no language"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_file_of_a_page_has_a_name_and_is_used_on_it(page: Path) -> None:
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))

    unused = [
        block.file
        for number, block in enumerate(BLOCKS[page])
        if block.file and not any(Path(block.file).stem in later.text for later in BLOCKS[page][number + 1 :])
    ]

    unnamed = [block.file for block in BLOCKS[page] if block.file and f"`{block.file}`" not in prose]

    assert [name for name in unused if not str(name).startswith("test_")] == []  # pytest finds those
    assert unnamed == []


@pytest.mark.parametrize("command", NOT_RUN)
def test_commands_that_are_not_run_exist(command: str) -> None:
    program, *arguments = shlex.split(command.replace("\\\n", ""), comments=True)

    if program == "interakt-track":
        parse(*arguments)
    else:
        assert program in {".", "celery", "export", "gunicorn", "pip", "python", "python3", "unset", "uvicorn"}


@pytest.mark.parametrize("block", [block for block in ALL if block.part_of], ids=str)
def test_a_part_of_an_example_is_what_stands_there(block: Block) -> None:
    path = ROOT / str(block.part_of)
    lines = iter(path.read_text(encoding="utf-8").splitlines())

    missing = [line for line in block.text.splitlines() if line and line not in lines]  # each after the one before

    assert path.is_relative_to(ROOT / "examples"), "what is shown of a file is run by the tests of the examples"
    assert missing == []


def test_what_pages_include_is_the_readme_or_of_the_library() -> None:
    found = {
        path.resolve().joinpath("..", name).resolve().relative_to(ROOT).parts[0]
        for path in PAGES
        for name in re.findall(r"^```\{(?:literal)?include\} (\S+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }

    assert found == {"README.md", "interakt_track"}, "GitHub shows no included code"


def test_the_page_about_gunicorn_serves_and_sends(tmp_path: Path) -> None:
    page = DOCS / "how-to" / "gunicorn.md"
    command = next(command for block in BLOCKS[page] for command in block.commands)
    for block in BLOCKS[page]:
        if block.file:
            (tmp_path / block.file).write_text(block.text, encoding="utf-8")

    with place() as here, socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        service = Service(
            *command.split(),
            *("--chdir", str(tmp_path), "--bind", f"fd://{listener.fileno()}", "--no-control-socket"),
            environment={name: here.environment[name] for name in ("INTERAKT_HOST", "INTERAKT_WRITE_KEY")},
            pass_fds=[listener.fileno()],
        )
        try:
            service.wait_for("Booting worker", times=2)
            for number in range(10):
                connection = HTTPConnection("127.0.0.1", port, timeout=30)
                connection.request("GET", f"/u{number}")
                assert connection.getresponse().read() == b"a product"
                connection.close()
            service.stop()
        finally:
            service.kill()

        arrived = Counter(body["userId"] for body in here.sandbox.events)

    assert arrived == Counter(f"u{number}" for number in range(10))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_blocks_are_no_wider_than_the_column(page: Path) -> None:
    wide = [line for block in BLOCKS[page] if page.name != "architecture.md" for line in block.text.splitlines()]

    assert [line for line in wide if len(line) > 88] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_to_elsewhere_have_a_form_that_can_be_followed(page: Path) -> None:
    links = re.findall(r"\]\((\w+:[^)\s]*)\)|<(\w+://[^>]+)>", page.read_text(encoding="utf-8"))

    wrong = [
        link
        for link in map("".join, links)
        if not re.fullmatch(r"https://[\w-]+(\.[\w-]+)+(/\S*)?|http://127\.0\.0\.1:\d+/", link)
    ]

    assert wrong == []


def test_every_page_is_in_a_table_of_contents() -> None:
    listed = {
        (page.parent / entry).with_suffix(".md").resolve()
        for page in PAGES
        for tree in re.findall(
            r"^```\{toctree\}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
        )
        for entry in tree.split()
    }

    assert sorted(set(PAGES) - listed - {DOCS / "index.md"}) == []


def test_the_table_of_settings_says_what_the_code_says() -> None:
    table = runpy.run_path(str(DOCS / "settings_table.py"))["settings_table"]()

    rows = re.findall(
        r"py:data:: interakt_track\.(\w+)\n.*?\n   +- ``(.+?)``\n   +- ``(.+?)``\n   +- \S", table, re.DOTALL
    )

    assert [name for name, _, _ in rows] == list(inspect.signature(Settings).parameters)
    assert ("when_full", '"drop" | "block" | "raise"', '"drop"') in rows
    assert ("on_error", "Callable[[TrackError, QueueMessage], object] | None", "None") in rows


@pytest.mark.parametrize(
    ("name", "text", "address"),
    [
        ("index.html", '<script src="https://cdn.example/x.js"></script>', "https://cdn.example/x.js"),
        ("index.html", '<link rel="stylesheet" href="//fonts.example/x.css">', "//fonts.example/x.css"),
        ("index.html", '<img src="https://badges.example/x.svg">', "https://badges.example/x.svg"),
        ("x.css", "@font-face { src: url('https://fonts.example/x.woff2') }", "fonts.example"),
        ("x.css", '@import "other.css";', "other.css"),
    ],
)
def test_a_site_that_needs_another_machine_is_found(tmp_path: Path, name: str, text: str, address: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")

    problems = CHECK_SITE["find_problems"](tmp_path)

    assert [address in problem for problem in problems if "would load" in problem] == [True]


def test_a_site_may_lead_to_another_machine(tmp_path: Path) -> None:
    text = (
        '<a href="https://x.example/">x</a><link rel="canonical" href="https://x.example/"><script src="x.js"></script>'
    )
    (tmp_path / "index.html").write_text(text, encoding="utf-8")

    assert [problem for problem in CHECK_SITE["find_problems"](tmp_path) if "would load" in problem] == []


def test_a_public_name_that_no_page_describes_is_found(tmp_path: Path) -> None:
    names = CHECK_SITE["NAMES"] - {"interakt_track.flush"}
    (tmp_path / "index.html").write_text("".join(f'<dt id="{name}">' for name in names), encoding="utf-8")

    assert CHECK_SITE["find_problems"](tmp_path) == ["no page describes interakt_track.flush"]


def test_a_link_out_of_the_site_to_one_of_its_pages_is_found(tmp_path: Path) -> None:
    repository = "https://x.example/track-python/blob/HEAD"
    (tmp_path / "index.html").write_text(
        f'<a href="{repository}/README.md#asyncio">x</a><a href="{repository}/docs/tutorial.md">x</a>'
        f'<a href="{repository}/docs/tutorial.md?plain=true">source</a><a href="{repository}/LICENSE">x</a>',
        encoding="utf-8",
    )

    problems = CHECK_SITE["find_problems"](tmp_path)

    found = [problem.partition("HEAD/")[2] for problem in problems if "leads out of the site" in problem]
    assert found == ["README.md#asyncio", "docs/tutorial.md"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<dt>SentUser(user_id=<span>attr_dict</span>['user_id'].default)</dt>", "attr_dict"),
        ("<dt>Return type:</dt><dd>True when everything is settled</dd>", "Return type"),
    ],
)
def test_a_reference_that_no_person_would_have_written_is_found(tmp_path: Path, text: str, shown: str) -> None:
    (tmp_path / "index.html").write_text(text, encoding="utf-8")

    assert [problem for problem in CHECK_SITE["find_problems"](tmp_path) if f"shows {shown}" in problem] != []
