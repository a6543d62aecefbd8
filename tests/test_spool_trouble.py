"""What can be wrong with a spool's file is told once and survived: no call raises, and everything called arrives."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from spool_shell import Shell
from spool_shop import delivered, numbers_in, out_of_order

from interakt_track import Client, Receipt, SpoolError, SpoolFile
from interakt_track._journal import Journal
from interakt_track._salvage import carry_over, replace_damaged
from interakt_track.sandbox import Sandbox

NewClient = Callable[..., Client]

MIB = 2**20
PHONE = "98765123"  # how all numbers begin


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(write_key="test-key", keep=100_000) as sandbox:
        yield sandbox


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a spool's file is made; not there yet."""
    return tmp_path / "var" / "spool"


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / "track.db"


@pytest.fixture(autouse=True)
def tries_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a file that could not be used be tried again after a moment."""
    monkeypatch.setattr("interakt_track._access.TRY_AGAIN", 0.2)


@pytest.fixture(autouse=True)
def few_words(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> Iterator[None]:
    """Whatever happens, the log is told in a few lines without personal data, and no file has the key."""
    yield
    records = caplog.get_records("call")
    texts = [record.getMessage() for record in records]
    assert len(texts) <= 5, texts
    assert PHONE not in "".join(texts)
    assert "test-key" not in "".join(texts)
    assert not any(record.exc_info for record in records), texts
    for file in tmp_path.rglob("*"):
        with suppress(FileNotFoundError):  # SQLite's, that it has removed meanwhile
            assert not file.is_file() or b"test-key" not in file.read_bytes(), file


def told_of(path: Path, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what the log was told of a spool."""
    return [record.getMessage() for record in caplog.records if str(path) in record.getMessage()]


def call(client: Client, numbers: range, *, payload: str = "") -> list[Receipt]:
    """Make calls about ten people, as an application would that knows nothing of the trouble."""
    receipts = []
    for number in numbers:
        traits = {f"n{number}": number, "note": payload}
        receipts.append(client.event(f"u{number % 10}", "e", traits, phone_number=f"{PHONE}{number % 10:02}"))
    assert all(receipts)
    return receipts


def times(sandbox: Sandbox) -> Counter[int]:
    """Return how often each message was received."""
    return Counter(number for request in sandbox.requests if request.received for number in numbers_in(request))


def wait_until(is_so: Callable[[], bool], *, seconds: float = 15.0, seed: int | None = None) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"it did not come about (seed {seed})"
        time.sleep(0.01)


def leave_messages(new_client: NewClient, sandbox: Sandbox, path: Path, numbers: range) -> None:
    """Leave a spool behind in which messages wait."""
    with nobody_there(sandbox):
        client = new_client(spool=path)
        call(client, numbers)
        client.shutdown(0)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM waiting").fetchone() == (len(numbers),)


@contextmanager
def nobody_there(sandbox: Sandbox) -> Iterator[None]:
    sandbox.stop()
    try:
        yield
    finally:
        sandbox.start()


@pytest.fixture
def new_client(sandbox: Sandbox) -> Iterator[NewClient]:
    """Make clients of the sandbox whose account has to add up; what is left in a file may wait there."""
    clients: list[Client] = []

    def make(**settings: object) -> Client:
        defaults = {"write_key": "test-key", "host": sandbox.url, "flush_interval": 0.01}
        clients.append(Client(**{**defaults, **settings}))  # type: ignore[arg-type]  # whatever a test asks for
        return clients[-1]

    yield make
    for client in clients:
        client.shutdown(5)
        stats = client.stats()
        assert stats.queued == stats.delivered + stats.rejected + stats.dropped + stats.waiting + stats.in_flight
        assert stats.in_flight == 0
        assert stats.waiting >= 0


# A disk that is small, full or read-only.


@pytest.fixture
def disk(folder: Path) -> Iterator[Path]:
    """A file system of its own, of 1 MiB."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root may mount the small disk that this takes")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk: Path) -> Path:
    """Leave no room on a disk; return what to remove for some."""
    filler = disk / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(bytes(1024)):
            pass
    return filler


def test_a_disk_that_is_full_when_the_file_is_to_be_made(
    new_client: NewClient, sandbox: Sandbox, disk: Path, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    filler = fill(disk)
    client = new_client(spool=path)

    call(client, range(20))
    is_flushed = client.flush(10)
    problem = client.stats().spool_problem
    filler.unlink()
    call(client, range(20, 25))
    wait_until(lambda: client.stats().spool_problem is None)

    assert is_flushed
    assert client.flush(10)
    assert times(sandbox) == dict.fromkeys(range(25), 1)
    assert problem is not None
    assert str(path) in problem
    assert len(told_of(path, caplog)) == 1


def test_a_disk_that_runs_full(
    new_client: NewClient, sandbox: Sandbox, disk: Path, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = new_client(spool=path)
    with nobody_there(sandbox):
        call(client, range(10))
        filler = fill(disk)
        call(client, range(10, 200), payload="x" * 500)
        problem = client.stats().spool_problem
        waiting = client.stats().spool_waiting
    filler.unlink()

    is_flushed = client.flush(30)

    assert is_flushed
    assert problem is not None
    assert "no room" in problem
    assert waiting is not None
    assert waiting < 200
    wait_until(lambda: client.stats().spool_problem is None)
    assert set(times(sandbox)) == set(range(200))
    assert out_of_order(sandbox.requests, lambda earlier, later: True) == []
    assert 1 <= len(told_of(path, caplog)) <= 3


def test_a_disk_that_stays_full_stops_no_new_messages(
    new_client: NewClient, sandbox: Sandbox, disk: Path, path: Path
) -> None:
    """What the file cannot take goes out from memory, when nothing of the same person is in the file."""
    client = new_client(spool=path)
    call(client, range(10))
    assert client.flush(10)
    fill(disk)

    call(client, range(10, 40), payload="x" * 2000)

    assert client.flush(20)
    assert times(sandbox) == dict.fromkeys(range(40), 1)


def test_a_file_that_may_grow_no_further(
    new_client: NewClient, sandbox: Sandbox, path: Path, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = new_client(spool=path, spool_max_bytes=MIB)
    with nobody_there(sandbox):
        call(client, range(150), payload="x" * 20_000)
        size = path.stat().st_size
        stats = client.stats()

    is_flushed = client.flush(40)

    assert is_flushed
    assert size <= MIB
    assert stats.queued == 150
    assert stats.spool_waiting is not None
    assert 20 < stats.spool_waiting < 60  # the others wait in memory
    assert stats.spool_problem is not None
    assert "spool_max_bytes" in stats.spool_problem
    wait_until(lambda: client.stats().spool_problem is None)
    assert set(times(sandbox)) == set(range(150))
    assert out_of_order(sandbox.requests, lambda earlier, later: True) == []
    assert 1 <= len(told_of(path, caplog)) <= 3


def test_memory_is_bounded_too_when_the_file_is_full(new_client: NewClient, sandbox: Sandbox, path: Path) -> None:
    client = new_client(spool=path, spool_max_bytes=MIB, max_queue_size=30)
    with nobody_there(sandbox):
        receipts = [client.event(f"u{n}", "e", {f"n{n}": n, "note": "x" * 20_000}) for n in range(200)]
        accepted = [number for number, receipt in enumerate(receipts) if receipt]

    assert client.flush(40)
    assert set(times(sandbox)) == set(accepted)
    assert client.stats().refused == {"queue_full": 200 - len(accepted)}
    assert 40 < len(accepted) < 90


def test_a_read_only_disk(
    new_client: NewClient, sandbox: Sandbox, disk: Path, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    client = new_client(spool=path)

    call(client, range(20))
    is_flushed = client.flush(10)
    problem = client.stats().spool_problem
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    call(client, range(20, 25))
    wait_until(lambda: client.stats().spool_problem is None)

    assert is_flushed
    assert client.flush(10)
    assert times(sandbox) == dict.fromkeys(range(25), 1)
    assert problem is not None
    assert "ead-only" in problem
    assert len(told_of(path, caplog)) == 1
    assert path.exists()


def test_what_waits_on_a_read_only_disk_is_sent_when_it_can_be_removed(
    new_client: NewClient, sandbox: Sandbox, disk: Path, path: Path
) -> None:
    leave_messages(new_client, sandbox, path, range(10))
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    client = new_client(spool=path)
    call(client, range(10, 20))
    wait_until(lambda: client.stats().spool_problem is not None)

    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    call(client, range(20, 30))
    wait_until(lambda: set(times(sandbox)) == set(range(30)))

    assert client.flush(10)
    assert times(sandbox) == dict.fromkeys(range(30), 1)


def test_a_folder_that_may_not_be_written(new_client: NewClient, sandbox: Sandbox, folder: Path, path: Path) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o500)
    is_root = os.geteuid() == 0  # who may write everywhere, but where the system itself may not
    if is_root:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "spool", folder], check=True)
    try:
        client = new_client(spool=path)
        call(client, range(20))

        assert client.flush(10)
        assert client.stats().spool_problem is not None
        assert times(sandbox) == dict.fromkeys(range(20), 1)
        client.shutdown(5)
    finally:
        if is_root:
            subprocess.run(["umount", folder], check=True)
        folder.chmod(0o700)


# A path that leads to something else.


def test_a_missing_folder_and_the_file_are_made_for_their_owner_only(
    new_client: NewClient, sandbox: Sandbox, folder: Path, path: Path
) -> None:
    mask = os.umask(0)
    try:
        client = new_client(spool=path)
        call(client, range(5))
    finally:
        os.umask(mask)

    modes = {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert set(modes) >= {"track.db", "track.db-wal", "track.db-shm", "track.db-open"}
    assert set(modes.values()) == {0o600}
    assert client.flush(10)


@pytest.mark.parametrize("where", ["a file in the folder's place", "a folder in the file's place"])
def test_something_else_in_its_place(
    new_client: NewClient, sandbox: Sandbox, folder: Path, path: Path, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder.parent.mkdir()
    if where == "a file in the folder's place":
        folder.write_text("notes")
    else:
        path.mkdir(parents=True)
    client = new_client(spool=path)

    call(client, range(20))

    assert client.flush(10)
    assert times(sandbox) == dict.fromkeys(range(20), 1)
    assert str(path) in (client.stats().spool_problem or "")
    assert len(told_of(path, caplog)) == 1
    assert (folder.read_text() == "notes") if folder.is_file() else path.is_dir()


def make_text(path: Path) -> None:
    path.write_text("what somebody needs, and named by mistake\n" * 100)


def make_other_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE waiting (id INTEGER PRIMARY KEY, note TEXT); INSERT INTO waiting VALUES (1, 'x')"
        )


def make_newer(path: Path) -> None:
    client = Client(write_key="test-key", host="http://localhost:9", spool=path, shutdown_timeout=0)
    client.event("u", "e")
    client.shutdown(0)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(make_text, "no database", id="a text"),
        pytest.param(make_other_database, "another program's database", id="another program's database"),
        pytest.param(make_newer, "newer version", id="a newer version's spool"),
    ],
)
def test_a_file_that_is_not_ours_is_left_alone(
    new_client: NewClient,
    sandbox: Sandbox,
    folder: Path,
    path: Path,
    make: Callable[[Path], None],
    words: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder.mkdir(parents=True)
    make(path)
    before = path.read_bytes()
    caplog.clear()
    client = new_client(spool=path)

    call(client, range(20))

    assert client.flush(10)
    assert times(sandbox) == dict.fromkeys(range(20), 1)
    assert words in (client.stats().spool_problem or "")
    assert [words in text for text in told_of(path, caplog)] == [True]
    client.shutdown(5)
    assert path.read_bytes() == before
    assert not list(folder.glob("*damaged*"))


# A file that is locked.


@pytest.mark.parametrize("kind", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_file_that_another_program_locks_holds_up_no_call(
    new_client: NewClient, sandbox: Sandbox, path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = new_client(spool=path)
    call(client, range(10))
    assert client.flush(10)
    is_over = threading.Event()
    waits: list[float] = []

    def visit(thread: int) -> None:
        """Call as an application does, always about the same people in one thread."""
        number = 1000 * (thread + 1)
        while not is_over.wait(0.01):
            began = time.monotonic()
            assert client.event(f"u{thread}", "e", {f"n{number}": number})
            waits.append(time.monotonic() - began)
            number += 1

    with closing(sqlite3.connect(path, isolation_level=None)) as other, ThreadPoolExecutor(4) as visitors:
        other.execute(f"BEGIN {kind}")
        visits = [visitors.submit(visit, thread) for thread in range(4)]
        wait_until(lambda: len(waits) >= 400)  # 4 threads, 3 seconds
        problem = client.stats().spool_problem
        other.execute("ROLLBACK")
        wait_until(lambda: client.stats().spool_problem is None)
        is_over.set()
    for one in visits:
        one.result()

    assert client.flush(20)
    assert client.stats().waiting == 0
    assert "locked by another program" in (problem or "")
    wait_until(lambda: client.stats().spool_problem is None)
    assert set(times(sandbox).values()) == {1}
    assert len(times(sandbox)) == 10 + len(waits)
    assert out_of_order(sandbox.requests, lambda earlier, later: True) == []
    assert 1 <= len(told_of(path, caplog)) <= 3
    assert max(waits) < 2.5, sorted(waits)[-9:]
    assert sorted(waits)[-5] < 0.5, sorted(waits)[-9:]  # each of four threads may find out once how long a lock lasts


@pytest.mark.parametrize(("sync", "is_kept_aside"), [("normal", True), ("full", False)])
def test_a_call_waits_longer_for_other_threads_where_each_write_waits_for_the_disk(
    new_client: NewClient, sandbox: Sandbox, path: Path, sync: str, is_kept_aside: bool
) -> None:
    client = new_client(spool=path, spool_sync=sync)
    client.event("u1", "first").wait(20)
    spool = client._engine.spool
    assert spool is not None
    assert spool._access.journal is not None
    journal_lock = spool._access.journal.lock
    is_held, has_returned = threading.Event(), threading.Event()

    def hold() -> None:
        with journal_lock:
            is_held.set()
            has_returned.wait(20 if is_kept_aside else 0.7)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(hold)
        is_held.wait()
        receipt = client.event("u1", "second")
        is_aside = bool(spool._aside)
        has_returned.set()

    assert is_aside == is_kept_aside

    assert receipt.wait(20).status == "delivered"


def test_a_kill_after_trouble_loses_nothing(sandbox: Sandbox, folder: Path, path: Path) -> None:
    """On a machine that is so slow that what waits in memory is sent from there, and given up, that is told."""
    shell = Shell(sandbox.url, path)
    try:
        shell.ask("event('u', 0).wait(10) and None")
        with nobody_there(sandbox), closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            shell.ask("[event('u', n) for n in (1, 2)] and None")
            assert "locked" in shell.ask("track.stats().spool_problem")
            other.execute("ROLLBACK")
            wait_until(lambda: shell.ask("track.stats().spool_problem") is None)
            told = shell.ask("reports")
            shell.ask("[event('u', n) for n in (3, 4)] and None")
            shell.kill()
    finally:
        shell.kill()
    next_one = Shell(sandbox.url, path)
    try:
        assert next_one.ask("event('u', 5).wait(10).status") == "delivered"
    finally:
        next_one.kill()

    lost = {1, 2} - times(sandbox).keys()
    assert told == ["UnreachableError u"] * len(lost)
    assert times(sandbox).keys() | lost == set(range(6))
    assert out_of_order(sandbox.requests, lambda earlier, later: True) == []


# A file that is damaged.


def truncate(path: Path, chance: random.Random) -> None:
    with path.open("r+b") as file:
        file.truncate(chance.randrange(path.stat().st_size // 3, path.stat().st_size))


def flip_bits(path: Path, chance: random.Random) -> None:
    with path.open("r+b") as file:
        for _ in range(chance.choice((1, 10, 300))):
            place = chance.randrange(path.stat().st_size)
            file.seek(place)
            byte = file.read(1)[0]
            file.seek(place)
            file.write(bytes([byte ^ 1 << chance.randrange(8)]))


def wipe_a_part(path: Path, chance: random.Random) -> None:
    """As a lost sector, or several."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(chance.randrange(0, size, 512))
        file.write(chance.choice((b"\0", b"\xff")) * 512 * chance.choice((1, 8, 40)))


def wipe_the_head(path: Path, chance: random.Random) -> None:
    with path.open("r+b") as file:
        file.write(bytes(chance.choice((16, 100, 2048))))


def is_empty_or_told(client: Client, caplog: pytest.LogCaptureFixture) -> bool:
    """Tell whether nothing waits in the file, or only what has lost its account's row to the damage, which is told."""
    return client.stats().spool_waiting == 0 or any("adopt" in record.getMessage() for record in caplog.records)


@pytest.mark.timeout(300)  # a second for each round, where many are asked for
@pytest.mark.parametrize("damage", [truncate, flip_bits, wipe_a_part, wipe_the_head])
def test_a_damaged_file_loses_nothing_that_is_called_from_then_on(
    new_client: NewClient,
    sandbox: Sandbox,
    folder: Path,
    path: Path,
    damage: Callable[[Path, random.Random], None],
    is_soak: bool,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    saved = replaced = lost = 0
    leave_messages(new_client, sandbox, path, range(400))
    whole = path.read_bytes()
    rounds = 40 if is_soak else 3  # more would take so long that all threads are shown, which can crash Python
    for seed in range(rounds):
        damage(path, random.Random(seed))

        client = new_client(spool=path, spool_max_age=3600)
        call(client, range(1000, 1030))
        is_flushed = client.flush(20)
        wait_until(lambda client=client: is_empty_or_told(client, caplog), seed=seed)  # type: ignore[misc]  # a lambda's default
        wait_until(lambda client=client: client.stats().spool_problem is None)  # type: ignore[misc]  # as above
        client.shutdown(10)
        stats = client.stats()

        aside = [file for file in folder.glob("*.damaged-*") if not file.name.endswith(("-wal", "-shm"))]
        warned = [text for text in told_of(path, caplog) if "was moved to" in text]
        arrived = times(sandbox)
        assert is_flushed, seed
        missing = set(range(1000, 1030)) - set(arrived)
        # What was written to a file that was damaged unnoticed may be lost with it, but not in silence.
        assert len(missing) <= stats.dropped + stats.rejected, (seed, stats)
        assert not missing or damage in (flip_bits, wipe_a_part), seed
        assert all(arrived[number] <= 1 for number in range(1000, 1030)), seed
        assert len(aside) == len(warned) <= 1, seed
        assert all(str(file) in text for file, text in zip(aside, warned, strict=True))
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",) or not aside, seed
        saved += len(set(arrived) & set(range(400)))
        replaced += len(aside)
        lost += len(missing)
        sandbox.clear()
        caplog.clear()
        shutil.rmtree(folder)
        folder.mkdir(mode=0o700)
        path.write_bytes(whole)
        Path(f"{path}-lease").touch(mode=0o600)
    with capsys.disabled():
        if is_soak:
            print(
                f"\n{damage.__name__}: {rounds} files, {replaced} replaced, {saved / rounds:.0f} of 400 saved, "
                f"{lost} of {30 * rounds} later ones lost"
            )
    assert replaced >= 1
    assert lost <= 3 * rounds
    if damage is not wipe_the_head:
        assert saved >= 50 * rounds


def root_of(path: Path, table: str) -> int:
    """Return where the first page of a table begins."""
    with closing(sqlite3.connect(path)) as connection:
        statement = "SELECT (rootpage - 1) * (SELECT page_size FROM pragma_page_size) FROM sqlite_master WHERE name = ?"
        place: int = connection.execute(statement, (table,)).fetchone()[0]
        return place


def wipe_root(path: Path, table: str) -> None:
    """Damage a page that is read when the file is opened."""
    place = root_of(path, table)
    with path.open("r+b") as file:
        file.seek(place)
        file.write(b"\xff" * 64)


def report_damage(client: Client) -> None:
    """Let a client find out that its file is damaged, as a statement would that meets a bad page."""
    spool = client._engine.spool
    spool._access.journal.database.trouble = SpoolError("the spool is damaged, says the test", reason="corrupt")
    spool.hurry()


@pytest.mark.parametrize("table", ["floor", "setting"])
def test_damage_that_shows_in_what_is_read_at_opening(
    new_client: NewClient, sandbox: Sandbox, folder: Path, path: Path, table: str, caplog: pytest.LogCaptureFixture
) -> None:
    leave_messages(new_client, sandbox, path, range(10))
    wipe_root(path, table)
    client = new_client(spool=path)

    receipts = call(client, range(10, 20))

    assert client.flush(10)
    assert {receipt.status for receipt in receipts} == {"delivered"}
    wait_until(lambda: is_empty_or_told(client, caplog))
    wait_until(lambda: client.stats().spool_problem is None)
    assert len(list(folder.glob("*.damaged-*Z"))) == 1
    if table == "floor":  # the accounts are known by what is in the other
        assert times(sandbox) == dict.fromkeys(range(20), 1)
        assert out_of_order(sandbox.requests, lambda earlier, later: True) == []


def test_a_person_who_was_erased_stays_so_when_the_file_is_replaced(
    new_client: NewClient, folder: Path, path: Path
) -> None:
    client = new_client(spool=path, write_key="another-key")  # what waits is kept, and in memory
    for user_id in ("u1", "u2", "u1"):
        client.event(user_id, "e")
    spool = client._engine.spool
    assert spool is not None
    wait_until(lambda: not spool.has_own())
    with SpoolFile(path) as file:
        assert file.erase(user_id="u1").waiting == 2

    report_damage(client)
    wait_until(lambda: bool(list(folder.glob("*.damaged-*"))))
    wait_until(lambda: client.stats().spool_problem is None)

    with SpoolFile(path) as file:
        assert [message.user_id for message in file.waiting()] == ["u2"]


def test_a_row_without_an_account_is_damage(
    new_client: NewClient, sandbox: Sandbox, folder: Path, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither SQLite minds it, nor is it ever read."""
    leave_messages(new_client, sandbox, path, range(10))
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(sql, 'account INTEGER NOT NULL', "
            "'account INTEGER') WHERE name = 'waiting'; PRAGMA writable_schema = RESET;"
        )
        connection.execute("UPDATE waiting SET account = NULL WHERE id = 5")
        connection.commit()
        connection.executescript(
            "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(sql, 'account INTEGER', "
            "'account INTEGER NOT NULL') WHERE name = 'waiting'; PRAGMA writable_schema = RESET;"
        )

    client = new_client(spool=path)
    call(client, range(10, 20))

    wait_until(lambda: bool(list(folder.glob("*.damaged-*Z"))))
    wait_until(lambda: client.stats().spool_waiting == 0)
    assert len(times(sandbox)) == 19


def test_no_call_waits_for_a_damaged_file_to_be_replaced(
    new_client: NewClient, sandbox: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_messages(new_client, sandbox, path, range(10))
    wipe_root(path, "floor")
    may_go_on = threading.Event()
    was_in_time = []

    def replace_slowly(*args: Any, **kwargs: Any) -> tuple[str, int]:
        was_in_time.append(may_go_on.wait(20))
        return replace_damaged(*args, **kwargs)

    monkeypatch.setattr("interakt_track._access.replace_damaged", replace_slowly)

    client = new_client(spool=path)
    receipts = call(client, range(10, 20))
    is_flushed_meanwhile = client.flush(0.1)
    stats = client.stats()
    may_go_on.set()

    assert client.flush(10)
    wait_until(lambda: client.stats().spool_waiting == 0)
    assert was_in_time == [True]
    assert not is_flushed_meanwhile
    assert (stats.queued, stats.waiting, stats.delivered) == (10, 10, 0)
    assert {receipt.status for receipt in receipts} == {"delivered"}
    assert times(sandbox) == dict.fromkeys(range(20), 1)
    assert out_of_order(sandbox.requests, lambda earlier, later: True) == []


def test_a_damaged_file_that_cannot_be_replaced_yet_is_replaced_later(
    new_client: NewClient, sandbox: Sandbox, folder: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = os.replace
    has_failed = threading.Event()

    def refuse(source: str, target: str) -> None:
        if target == str(path):
            has_failed.set()
            raise OSError(28, "No space left on device")
        move(source, target)

    client = new_client(spool=path, max_retries=1000)
    with nobody_there(sandbox):
        call(client, range(20))
        monkeypatch.setattr(os, "replace", refuse)
        report_damage(client)
        assert has_failed.wait(10)
        wait_until(lambda: "No space left" in (client.stats().spool_problem or ""))
        call(client, range(20, 25))
        monkeypatch.setattr(os, "replace", move)
        wait_until(lambda: list(folder.glob("*.damaged-*Z")) != [])

    assert client.flush(20)
    wait_until(lambda: client.stats().spool_problem is None)
    assert set(times(sandbox)) == set(range(25))
    assert out_of_order(sandbox.requests, lambda earlier, later: True) == []
    assert client.stats().delivered == 25


@pytest.mark.parametrize("may_write", [False, True], ids=["the old one takes no more", "the old one still takes some"])
def test_what_another_process_calls_while_the_file_is_replaced_arrives_once(
    new_client: NewClient,
    sandbox: Sandbox,
    folder: Path,
    path: Path,
    may_write: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two clients are as two processes here: each has connections of its own."""
    if may_write:
        monkeypatch.setattr("interakt_track._salvage._stop_writes", lambda old: old.execute("ROLLBACK"))
    sender = new_client(spool=path)
    call(sender, range(5))
    wait_until(sender._engine.spool._access.has_lease)
    caller = new_client(spool=path)
    receipts = call(caller, range(100, 110))
    assert caller.flush(10)

    with nobody_there(sandbox), caller._engine.spool._lock:  # it does not look where the path leads meanwhile
        receipts += call(caller, range(110, 120))
        report_damage(sender)
        wait_until(lambda: list(folder.glob("*.damaged-*Z")) != [])
        receipts += call(caller, range(120, 140))
        call(sender, range(5, 10))
        wait_until(lambda: not sender._engine.spool.has_own())  # it has passed by the ids that are still to come

    is_flushed = caller.flush(20)
    assert is_flushed
    assert {receipt.wait(5).status for receipt in receipts} == {"delivered"}  # a look later: another one sends
    assert sender.flush(10)
    assert times(sandbox) == dict.fromkeys([*range(10), *range(100, 140)], 1)
    assert out_of_order(sandbox.requests, lambda earlier, later: (earlier < 100) is (later < 100)) == []
    assert (caller.stats().queued, caller.stats().delivered) == (40, 40)
    wait_until(lambda: caller.stats().spool_problem is None)


def test_a_fork_waits_for_nobody_who_follows_a_file_that_was_replaced(
    new_client: NewClient, path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    was_held = []

    def fork_meanwhile(old: Journal, new: Journal) -> None:
        fork = threading.Thread(target=lambda: (old.database.hold(), old.database.let_go()), daemon=True)
        fork.start()
        fork.join(5)
        was_held.append(fork.is_alive())
        carry_over(old, new)

    monkeypatch.setattr("interakt_track._access.carry_over", fork_meanwhile)
    sender, caller = new_client(spool=path), new_client(spool=path)
    call(sender, range(5))
    call(caller, range(5, 10))
    wait_until(lambda: sender._engine.spool._access.has_lease() or caller._engine.spool._access.has_lease())

    report_damage(sender if sender._engine.spool._access.has_lease() else caller)
    wait_until(lambda: bool(was_held))

    assert was_held == [False]
    assert sender.flush(10)
    assert caller.flush(10)


def test_a_file_that_is_damaged_while_it_is_used(
    new_client: NewClient, sandbox: Sandbox, folder: Path, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = new_client(spool=path)
    with nobody_there(sandbox):
        call(client, range(300))
        with closing(sqlite3.connect(path)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(bytes(path.stat().st_size - 4096))
        call(client, range(300, 310))

    assert client.flush(30)
    stats = client.stats()
    assert stats.queued == 310 == stats.delivered + stats.rejected + stats.dropped
    assert len(times(sandbox)) == stats.delivered
    assert set(times(sandbox)) >= set(range(300, 310))
    wait_until(lambda: client.stats().spool_problem is None)
    assert [text for text in told_of(path, caplog) if "was moved to" in text]
    assert len(list(folder.glob("*.damaged-*Z"))) == 1


def test_a_file_that_is_deleted_while_it_is_used(
    new_client: NewClient, sandbox: Sandbox, folder: Path, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = new_client(spool=path)
    call(client, range(10))
    assert client.flush(10)

    for file in folder.glob("track.db*"):
        file.unlink()
    wait_until(path.exists)
    call(client, range(10, 20))

    assert client.flush(10)
    assert times(sandbox) == dict.fromkeys(range(20), 1)
    wait_until(lambda: client.stats().spool_problem is None)


def test_a_file_that_is_deleted_while_calls_are_made_loses_only_what_was_in_it_and_tells_how_much(
    new_client: NewClient, sandbox: Sandbox, folder: Path, path: Path
) -> None:
    client = new_client(spool=path)
    is_over = threading.Event()
    receipts: list[Receipt] = []
    calls = 0

    def visit() -> None:
        nonlocal calls
        while not is_over.wait(0.001):
            receipts.extend(call(client, range(calls, calls + 1)))
            calls += 1

    with ThreadPoolExecutor(1) as visitors:
        visits = visitors.submit(visit)
        for _ in range(5):
            wait_until(lambda already=calls: calls >= already + 50)  # type: ignore[misc]  # a lambda's default
            for file in folder.glob("track.db*"):
                file.unlink(missing_ok=True)
            wait_until(path.exists)
        is_over.set()
    visits.result()

    assert client.flush(30)
    stats = client.stats()
    assert stats.queued == calls == stats.delivered + stats.dropped
    assert Counter(receipt.status for receipt in receipts) == +Counter(delivered=stats.delivered, dropped=stats.dropped)
    assert stats.delivered == len(times(sandbox))
    assert set(times(sandbox).values()) == {1}


# A clock that is wrong.


def most_at_once(starts: list[float], limit: int) -> float:
    """Return the largest burst beyond a steady `limit` a minute."""
    level = most = last = 0.0
    for start in starts:
        level = max(0.0, level - (start - last) * limit / 60) + 1
        most, last = max(most, level), start
    return most


def test_a_clock_that_goes_back_and_forth_changes_neither_order_nor_ration(
    sandbox: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit, number = 300, 0
    for hours in (0, 5, -7, 3):
        monkeypatch.setenv("SHOP_CLOCK", str(3600.0 * hours))
        shell = Shell(sandbox.url, path, rate_limit=limit)
        try:
            for leap in (0, -2, 4):
                shell.ask(f"__import__('time').wrong_by = {3600.0 * (hours + leap)}")
                shell.ask(f"[event(f'u{{n % 7}}', n) for n in range({number}, {number + 15})] and None")
                number += 15
            sandbox.wait_for_requests(max(limit // 10, sandbox.counts.requests) + 5)
        finally:
            shell.kill()
    number_of_requests = len(sandbox.requests)
    with closing(sqlite3.connect(path)) as connection:  # when they were sent: some arrive late on a slow machine
        starts = [start for (start,) in connection.execute("SELECT monotonic FROM start ORDER BY monotonic")]
    monkeypatch.setenv("SHOP_CLOCK", "-9000")
    last = Shell(sandbox.url, path)
    try:
        last.ask("event('u0', 1000) and None")
        wait_until(lambda: last.ask("track.stats().spool_waiting") == 0)
        numbers = last.ask("track.stats().as_dict()")
    finally:
        last.kill()

    assert delivered(sandbox.requests) == {*range(number), 1000}
    assert out_of_order(sandbox.requests, lambda earlier, later: True) == []
    assert len(starts) >= number_of_requests
    assert most_at_once(starts, limit) <= limit / 10 + 1
    assert numbers["rejected"] == numbers["dropped"] == 0
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM failed").fetchone() == (0,)
