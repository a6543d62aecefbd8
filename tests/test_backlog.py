"""Which rows are taken into memory: each person's in order, some of each, and in the end all of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from interakt_track._backlog import Backlog
from interakt_track._rows import Row, message_of

PEOPLE = st.sampled_from(
    [("a", None), ("b", None), (None, "1"), (None, "2"), ("a", "1"), ("a", "2"), ("b", "1"), ("c", "3")]
)


def a_row(row_id: int, person: tuple[str | None, str | None]) -> Row:
    user_id, phone = person
    code = None if phone is None else "+91"
    return Row(row_id, 0, 0, 0, "event", 1, 0, 1.0, user_id, code, phone, "e", "{}", None, None, None)


def share(one: Row, other: Row) -> bool:
    return (one.user_id is not None and one.user_id == other.user_id) or (
        one.phone_number is not None and one.phone_number == other.phone_number
    )


class World:
    """A file's rows, and a backlog that looks at them in pages; rows end in any order."""

    def __init__(self, people: list[tuple[str | None, str | None]], at_most: int) -> None:
        self.at_most = at_most
        self.waiting = {number: a_row(number, person) for number, person in enumerate(people, 1)}
        self.backlog = Backlog()
        self.order: list[int] = []

    def read(self, page: int) -> None:
        rows = [row for row in self.waiting.values() if row.id > self.backlog.cursor][:page]
        for row in rows:
            if self.backlog.take(row, at_most=self.at_most):
                self.order.append(row.id)
                left = [r for r in self.waiting.values() if r.id < row.id and r.id not in self.backlog.taken]
                assert not [r for r in left if share(r, row)], "an earlier row of the person was left"
        for name in ("user_id", "phone_number"):
            held = [getattr(self.waiting[row_id], name) for row_id in self.backlog.taken]
            assert all(held.count(value) <= self.at_most for value in held if value is not None)

    def end(self, choice: int) -> None:
        """End one that is in memory and that no earlier one of the person stands before, as the queue does."""
        taken = [self.waiting[row_id] for row_id in self.backlog.taken]
        free = [row.id for row in taken if not any(one.id < row.id and share(one, row) for one in taken)]
        if free:
            row = self.waiting.pop(free[choice % len(free)])
            self.backlog.let_go(row.id, row)


@given(
    st.lists(PEOPLE, max_size=30),
    st.integers(1, 4),
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 99), st.booleans()), max_size=30),
)
def test_order_holds_and_everything_is_taken_once(
    people: list[tuple[str | None, str | None]], at_most: int, steps: list[tuple[int, int, bool]]
) -> None:
    world = World(people, at_most)

    for page, choice, rewinds in steps:
        world.read(page)
        world.end(choice)
        if rewinds and world.backlog.may_rewind(at_most=at_most):
            world.backlog.rewind()
    for _ in range(4 * len(people) + 4):
        world.read(100)
        world.end(0)
        if world.backlog.may_rewind(at_most=at_most):
            world.backlog.rewind()

    assert world.waiting == {}
    assert sorted(world.order) == list(range(1, len(people) + 1))


def test_whoever_has_thousands_leaves_room() -> None:
    backlog = Backlog()

    taken = [backlog.take(a_row(number, ("a", None)), at_most=3) for number in range(1, 1001)]
    other = backlog.take(a_row(1001, ("b", None)), at_most=3)

    assert sum(taken) == 3
    assert other
    assert backlog.has_left()
    assert not backlog.may_rewind(at_most=3)


def test_a_message_may_be_let_go_in_place_of_its_row() -> None:
    backlog = Backlog()
    row = a_row(1, ("a", "9876543210"))
    backlog.take(row, at_most=1)

    backlog.let_go(1, message_of(row, None))  # type: ignore[arg-type]  # whose account does not matter here

    assert backlog.taken == {}
    assert backlog.take(a_row(2, ("a", "9876543210")), at_most=1)


def test_a_page_of_rows_that_are_in_memory_is_passed_by() -> None:
    backlog = Backlog()
    rows = [a_row(number, (f"u{number}", None)) for number in range(1, 6)]
    for row in rows:
        backlog.take(row, at_most=5)
    backlog.cursor = 0  # as after an adoption, or a damaged file

    assert [backlog.take(row, at_most=5) for row in rows] == [False] * 5
    assert backlog.cursor == 5


def test_what_comes_after_a_row_that_is_in_memory_as_another_accounts_waits_for_it() -> None:
    backlog = Backlog()
    first, second, other = a_row(1, ("a", "1")), a_row(2, (None, "1")), a_row(3, ("b", None))

    taken = [
        backlog.take(first, at_most=5, is_elsewhere=True),
        *(backlog.take(row, at_most=5) for row in (second, other)),
    ]

    assert taken == [False, False, True]
    assert backlog.has_left()
    backlog.rewind()
    assert [backlog.take(row, at_most=5) for row in (second, other)] == [True, False]  # the first has ended meanwhile
