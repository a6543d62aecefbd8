"""Handing rows over: a few thousand ahead, in flat memory and on a flat disk, and not where the spool takes nothing."""

from __future__ import annotations

import sqlite3
import tracemalloc
from collections.abc import Iterable
from pathlib import Path

import pytest
from command_line import run
from words import words_of

from interakt_track import Client, Receipt, SpoolError, SpoolFile
from interakt_track.importing import Calls, Feeder, ImportFileError, Job, Mapping, Places, check, make_plan, open_table
from interakt_track.importing._feeder import AHEAD, STEP
from interakt_track.importing._state import State, load_state
from interakt_track.sandbox import Sandbox

NOBODY = "http://127.0.0.1:9"


def job_of(path: Path, rows: int, *, wrong_each: int = 10) -> Job:
    """Return the import of a file of which some rows are wrong."""
    with path.open("w", encoding="utf-8") as file:
        file.write("user_id,phone_number,row\n")
        for row in range(2, rows + 2):
            file.write(f"u{row},{'12' if row % wrong_each == 0 else ''},{row}\n")
    table = open_table(path)
    plan = make_plan(table.columns, "users", options=Mapping(), preset=None, country_code="+91")
    return Job(places=Places(path), table=table, plan=plan, calls=Calls(plan, write_key="key", host=NOBODY))


def make_spool(job: Job) -> SpoolFile:
    Client(write_key="key", host=NOBODY, spool=job.places.spool).shutdown(0)
    return SpoolFile(job.places.spool)


def feeder_of(job: Job, state: State, spool: SpoolFile) -> Feeder:
    return Feeder(spool, state, job.places, job.table, job.calls)


def rows_in(spool: SpoolFile) -> list[str]:
    return [str(message.traits["row"]) for message in spool.waiting()]


def test_no_more_is_handed_over_than_is_to_wait(tmp_path: Path) -> None:
    job = job_of(tmp_path / "c.csv", 5000)
    state, _ = job.examine(None)
    with make_spool(job) as spool:
        feeder = feeder_of(job, state, spool)

        feeder.feed(0)
        feeder.feed(AHEAD)

        assert spool.status().waiting == AHEAD == state.handed


def test_the_number_in_the_spool_is_the_place_among_the_fine_rows(tmp_path: Path) -> None:
    job = job_of(tmp_path / "c.csv", 1000)
    state, _ = job.examine(None)
    fine = [str(row) for row in range(2, 1002) if row % 10]
    with make_spool(job) as spool:
        feeder_of(job, state, spool).feed(0)

        assert [message.id for message in spool.waiting()] == list(range(1, len(fine) + 1))
        assert rows_in(spool) == fine


@pytest.mark.parametrize("is_written", [False, True], ids=["before-the-append", "after-the-append"])
def test_a_death_between_append_and_note_skips_and_repeats_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_written: bool
) -> None:
    job = job_of(tmp_path / "c.csv", 1200)
    state, _ = job.examine(None)
    append = SpoolFile.append

    class DiedError(BaseException):
        """Whatever ends a process."""

    def die(spool: SpoolFile, receipts: object) -> int:
        if state.handed == STEP:
            if is_written:
                append(spool, receipts)  # type: ignore[arg-type]  # as it was called
            raise DiedError
        return append(spool, receipts)  # type: ignore[arg-type]  # as above

    with make_spool(job) as spool:
        feeder = feeder_of(job, state, spool)
        with monkeypatch.context() as patch:
            patch.setattr(SpoolFile, "append", die)
            with pytest.raises(DiedError):
                feeder.feed(0)

        again = load_state(job.places.state)
        assert again is not None
        assert (again.handed, again.handing) == (STEP, 2 * STEP)
        job.place(again, write_key="key", host=NOBODY)
        feeder_of(job, again, spool).feed(0)

        assert rows_in(spool) == [str(row) for row in range(2, 1202) if row % 10]


def test_what_could_not_be_appended_is_appended_later(tmp_path: Path) -> None:
    job = job_of(tmp_path / "c.csv", 700)
    state, _ = job.examine(None)
    with make_spool(job) as spool:
        feeder = feeder_of(job, state, spool)
        other = sqlite3.connect(job.places.spool, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(SpoolError) as caught:
            feeder.feed(0)
        other.execute("ROLLBACK")
        other.close()
        feeder.feed(0)

        assert caught.value.reason == "locked"
        assert rows_in(spool) == [str(row) for row in range(2, 702) if row % 10]


def test_a_changed_file_is_handed_over_no_more(tmp_path: Path) -> None:
    job = job_of(tmp_path / "c.csv", 700)
    state, _ = job.examine(None)
    with make_spool(job) as spool:
        feeder = feeder_of(job, state, spool)
        (tmp_path / "c.csv").write_text("user_id,row\nu1,1\n", encoding="utf-8")

        with pytest.raises(ImportFileError, match="was changed while it was imported"):
            feeder.feed(0)

        assert spool.status().last_id == 0


def test_a_file_with_fewer_rows_than_were_found_fine_is_told_as_changed(tmp_path: Path) -> None:
    job = job_of(tmp_path / "c.csv", 700)
    state, found = job.examine(None)
    state.fine = found.fine + 1
    with make_spool(job) as spool, pytest.raises(ImportFileError, match="was changed while it was imported"):
        feeder_of(job, state, spool).feed(0)

    assert state.handed == found.fine


def feed_all(path: Path, rows: int) -> tuple[int, int]:
    """Feed a whole file to a spool that is emptied again and again; return the peaks of memory and disk, in bytes."""
    job = job_of(path, rows)
    found = check(job.table, job.calls)
    state = State(content="", options="", fine=found.fine, fine_rows=found.digest)
    on_disk = 0
    with make_spool(job) as spool:
        feeder = feeder_of(job, state, spool)
        tracemalloc.start()
        try:
            while feeder.has_more():
                feeder.feed(0)
                on_disk = max(on_disk, spool.status().size)
                spool.drop_waiting()
            assert spool.status().last_id == found.fine
            return tracemalloc.get_traced_memory()[1], on_disk
        finally:
            tracemalloc.stop()


@pytest.mark.timeout(120)
def test_feeding_takes_as_much_memory_and_disk_for_many_rows_as_for_few(tmp_path: Path, is_soak: bool) -> None:
    feed_all(tmp_path / "warm-up.csv", 100)

    few, _ = feed_all(tmp_path / "few.csv", 6_000)
    many, on_disk = feed_all(tmp_path / "many.csv", 200_000 if is_soak else 24_000)

    assert many < few + 300_000
    assert on_disk < 8_000_000  # SQLite begins its log anew at 4 MB, and overwrites it from then on


def test_a_spool_that_takes_nothing_is_told_and_the_import_goes_on_after_it(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "c.csv"
    path.write_text("user_id\n" + "".join(f"u{row}\n" for row in range(3000)), encoding="utf-8")
    monkeypatch.setenv("INTERAKT_WRITE_KEY", "test-key")
    monkeypatch.setenv("INTERAKT_HOST", sandbox.url)
    monkeypatch.setattr("interakt_track.cli._import_course.LINE_INTERVAL", 0.1)
    monkeypatch.setattr("interakt_track.cli._import_course.FEED_AGAIN", 0.1)
    append = SpoolFile.append
    tries = iter([True, False])

    def append_while_locked(spool: SpoolFile, receipts: Iterable[Receipt]) -> int:
        """Append, the second time while another program writes to the file."""
        if next(tries, True):
            return append(spool, receipts)
        other = sqlite3.connect(spool.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            return append(spool, receipts)
        finally:
            other.close()

    monkeypatch.setattr(SpoolFile, "append", append_while_locked)

    result = run("import", "users", str(path), "--rate-limit", "1000000")

    assert result.exit_code == 0, words_of(result)
    assert "no more rows are handed over: the spool" in words_of(result)
    assert sorted(body["userId"] for body in sandbox.users) == sorted(f"u{row}" for row in range(3000))
