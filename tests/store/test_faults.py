"""A disk, a file or a directory that will not: clear words, nothing half-written, and recovery."""

import asyncio
import contextlib
import os
import sqlite3
import stat
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from store.making import NOON, TENANT, Yard, make_event, outcome, route

from hookline.clock import SystemClock
from hookline.errors import Closed, StoreError, Unavailable
from hookline.store import MemoryStore, SqliteStore, open_store
from hookline.store.protocol import NOBODY, Accepted
from hookline.store.sqlite import lock, opening, writer
from hookline.store.sqlite import store as store_module


@pytest.fixture
async def file(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "hookline.db", SystemClock())
    await store.open()
    yield store
    await store.close()


async def refuses(path: Path, *words: str) -> None:
    store = SqliteStore(path, SystemClock())
    with pytest.raises(StoreError) as refused:
        await store.open()
    for word in (str(path), *words):
        assert word in str(refused.value)
    with pytest.raises(Closed):
        await store.revisions()


async def test_the_file_is_its_owners_alone_and_so_is_what_stands_beside(tmp_path: Path) -> None:
    path = tmp_path / "made" / "for" / "it" / "hookline.db"
    store = SqliteStore(path, SystemClock())
    await store.open()
    node = await store.join()
    for made in path.parent.iterdir():
        if not stat.S_ISSOCK(made.stat().st_mode):
            assert made.stat().st_mode & 0o077 == 0, made
    assert path.parent.stat().st_mode & 0o777 == 0o700
    await store.leave(node)
    await store.close()
    assert sorted(left.name for left in path.parent.iterdir()) == [
        "hookline.db",
        "hookline.db-nodes",
        "hookline.db.lock",
        "hookline.db.lock.gate",
    ]
    assert list((path.parent / "hookline.db-nodes").iterdir()) == []


async def test_nothing_is_touched_before_it_is_opened(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "no" / "hookline.db", SystemClock())
    assert os.listdir(tmp_path) == []  # noqa: PTH208  # a test may block
    with pytest.raises(Closed, match="not open"):
        await store.revisions()
    with pytest.raises(Closed, match="not open"):
        await MemoryStore(SystemClock()).revisions()


async def test_opening_and_closing_may_be_repeated(file: SqliteStore) -> None:
    await file.open()
    await file.append(NOBODY, [route(make_event("e1"), revision=0)])
    await file.close()
    await file.close()
    with pytest.raises(Closed, match="is closed"):
        await file.event(TENANT, "e1")
    await file.open()
    assert await file.event(TENANT, "e1") is not None


async def test_what_was_asked_before_closing_is_still_done(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "hookline.db", SystemClock())
    await store.open()
    asked = [asyncio.ensure_future(store.append(NOBODY, [route(make_event(), revision=0)])) for _ in range(20)]
    await asyncio.sleep(0)
    await store.close()
    assert await asyncio.gather(*asked) == [[Accepted([])]] * 20


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear reader, " * 100)
    await refuses(path, "not an SQLite database")
    assert path.read_text().startswith("Dear reader")


async def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs (a)")
    other.close()
    before = path.read_bytes()
    await refuses(path, "another program")
    assert path.read_bytes() == before


async def test_a_future_schema_is_refused_with_both_versions(file: SqliteStore) -> None:
    await file.close()
    changed = sqlite3.connect(file.path)
    changed.execute("PRAGMA user_version = 999")
    changed.close()
    await refuses(file.path, "999", str(opening.VERSION), "upgrade")


async def test_a_damaged_file_is_refused(file: SqliteStore) -> None:
    await file.append(NOBODY, [route(make_event(), revision=0)])
    await file.close()
    with file.path.open("r+b") as raw:
        raw.seek(100)
        raw.write(b"\xff" * 4000)
    await refuses(file.path, "damaged", "backup")


async def test_damage_found_at_work_is_unavailable_and_says_so(file: SqliteStore) -> None:
    with contextlib.closing(sqlite3.connect(file.path)) as looking:
        (page,) = looking.execute("SELECT rootpage FROM sqlite_master WHERE name = 'event'").fetchone()
    await file.close()
    with file.path.open("r+b") as raw:
        raw.seek(4096 * (page - 1))
        raw.write(b"\xff" * 4096)
    await file.open()
    with pytest.raises(Unavailable, match="damaged"):
        await file.append(NOBODY, [route(make_event(), revision=0)])


async def test_a_directory_in_the_files_place_is_refused(tmp_path: Path) -> None:
    await refuses(tmp_path, "cannot be opened")


async def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    await refuses(tmp_path / "file" / "hookline.db", "cannot be opened")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write wherever it likes")
async def test_a_read_only_directory_is_refused(tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o500)  # noqa: PTH101  # a test may block
    await refuses(tmp_path / "hookline.db", "mode")


async def test_a_read_only_file_is_refused(file: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    await file.close()
    plain = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path, **how: plain(f"file:{path}?mode=ro", uri=True, **how))
    await refuses(file.path, "cannot be written")


async def test_a_full_disk_is_unavailable_and_passes_by_itself(file: SqliteStore) -> None:
    yard = await Yard.make(file)
    await yard.emit()
    (pending,) = await yard.claim()

    def limit(pages: int) -> Any:
        return lambda tx: tx.cursor.execute(f"PRAGMA max_page_count = {pages}").fetchone()[0]

    used = await file._write(lambda tx: tx.cursor.execute("PRAGMA page_count").fetchone()[0])
    await file._write(limit(used))
    big = [route(make_event(f"big{number}", data=b"x" * 5000), yard.lanes, revision=1) for number in range(200)]
    with pytest.raises(Unavailable, match="full") as refused:
        await file.append(yard.node, big)
    assert refused.value.retry_after
    assert await file.event(TENANT, "big0") is None
    assert await yard.claim() == [pending]
    await file._write(limit(1_000_000))
    answers = await file.append(yard.node, big)
    assert all(isinstance(answer, Accepted) for answer in answers)
    assert await file.settle(yard.node, [outcome(pending)]) == (frozenset(), frozenset())


async def test_what_fits_is_stored_beside_what_does_not(file: SqliteStore) -> None:
    used = await file._write(lambda tx: tx.cursor.execute("PRAGMA page_count").fetchone()[0])
    await file._write(lambda tx: tx.cursor.execute(f"PRAGMA max_page_count = {used + 4}").fetchone()[0])
    small = file.append(NOBODY, [route(make_event("small"), revision=0)])
    big = file.append(NOBODY, [route(make_event("big", data=b"x" * 500_000), revision=0)])
    answers = await asyncio.gather(small, big, return_exceptions=True)
    assert answers[0] == [Accepted([])]
    assert isinstance(answers[1], Unavailable)


async def test_a_file_locked_by_a_foreign_program_is_unavailable_for_as_long(
    file: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await file.close()
    monkeypatch.setattr(opening, "_SETTINGS", ("PRAGMA busy_timeout = 50",))
    await file.open()
    foreign = sqlite3.connect(file.path, isolation_level=None)
    foreign.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked by another program"):
        await file.append(NOBODY, [route(make_event("e1"), revision=0)])
    foreign.execute("ROLLBACK")
    foreign.close()
    assert await file.append(NOBODY, [route(make_event("e1"), revision=0)]) == [Accepted([])]


async def test_all_who_wait_for_a_locked_file_are_answered_after_one_wait(
    file: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[str] = []
    queued = threading.Event()
    queued.set()

    class Counting(sqlite3.Connection):
        def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:  # type: ignore[override]  # as far as it is used
            if sql == "BEGIN IMMEDIATE":
                assert queued.wait(60)
                waits.append(sql)
            return super().execute(sql, *parameters)

    await file.close()
    plain = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path, **how: plain(path, factory=Counting, **how))
    monkeypatch.setattr(opening, "_SETTINGS", ("PRAGMA busy_timeout = 50",))
    await file.open()
    foreign = plain(file.path, isolation_level=None)
    foreign.execute("BEGIN IMMEDIATE")
    queued.clear()
    waits.clear()
    asked = [asyncio.ensure_future(file.append(NOBODY, [route(make_event(), revision=0)])) for _ in range(6)]
    await asyncio.sleep(0)
    queued.set()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(answer, Unavailable) and answer.retry_after for answer in answers)
    assert len({id(answer) for answer in answers}) == len(answers)  # each has its own, with its own traceback
    assert len(waits) <= 2  # of those that were taken at first, and of those that had come meanwhile
    foreign.execute("ROLLBACK")
    foreign.close()
    assert await file.append(NOBODY, [route(make_event("e1"), revision=0)]) == [Accepted([])]


async def test_a_process_that_holds_the_right_to_write_for_too_long_is_named(
    file: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "PATIENCE", 0.05)
    stuck = lock.WriteLock(file.path.with_name("hookline.db.lock"))
    with stuck.held():
        with pytest.raises(Unavailable, match=r"hookline.db.lock has been held"):
            await file.append(NOBODY, [route(make_event("e1"), revision=0)])
        await refuses(file.path, "held")
        assert await file.event(TENANT, "e1") is None  # reading needs no lock
    stuck.close()
    assert await file.append(NOBODY, [route(make_event("e1"), revision=0)]) == [Accepted([])]


class Doubtful(sqlite3.Connection):
    """A connection whose commits report an error, before or after they took place."""

    mode = ""

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:  # type: ignore[override]  # as far as it is used
        if sql == "COMMIT" and Doubtful.mode:
            mode, Doubtful.mode = Doubtful.mode, ""
            if mode == "after":
                super().execute(sql)
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR
            raise error
        return super().execute(sql, *parameters)


@pytest.mark.parametrize("mode", ["before", "after"])
async def test_a_commit_of_unknown_outcome_is_asked_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    plain = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path, **how: plain(path, factory=Doubtful, **how))
    store = SqliteStore(tmp_path / "hookline.db", SystemClock())
    await store.open()
    try:
        yard = await Yard.make(store)
        event = route(make_event("e1"), yard.lanes, revision=1)
        Doubtful.mode = mode
        if mode == "after":
            assert isinstance((await store.append(yard.node, [event]))[0], Accepted)
        else:
            with pytest.raises(Unavailable, match="disk"):
                await store.append(yard.node, [event])
            assert await store.event(TENANT, "e1") is None
            assert isinstance((await store.append(yard.node, [event]))[0], Accepted)
        stats = await store.stats(TENANT, now=NOON)
        assert stats.pending == 1
    finally:
        await store.close()


async def test_an_outcome_that_cannot_be_asked_about_is_said_to_be_unknown(
    file: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "DOUBT", 0.0)
    plain = store_module.connect

    def broken(*_: object, **__: object) -> sqlite3.Connection:
        raise sqlite3.OperationalError("unable to open database file")

    def doubtful(path: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=Doubtful)
        monkeypatch.setattr(store_module, "connect", broken)
        return connection

    monkeypatch.setattr(store_module, "connect", doubtful)
    Doubtful.mode = "after"
    with pytest.raises(Unavailable, match="outcome of a commit is not known"):
        await file.append(NOBODY, [route(make_event("e1"), revision=0)])
    monkeypatch.setattr(store_module, "connect", plain)
    (again,) = await file.append(NOBODY, [route(make_event("e1"), revision=0)])
    assert type(again).__name__ == "Duplicate"


def test_addresses_of_stores(tmp_path: Path) -> None:
    clock = SystemClock()
    assert isinstance(open_store("memory:", clock), MemoryStore)
    for place, path in (
        ("sqlite:///data/h.db", Path("data/h.db")),
        ("sqlite:////data/h.db", Path("/data/h.db")),
        ("h.db", Path("h.db")),
        (tmp_path / "h.db", tmp_path / "h.db"),
    ):
        store = open_store(place, clock)
        assert isinstance(store, SqliteStore)
        assert store.path == path
    for wrong in ("", "mysql://x", "sqlite://", "sqlite://h.db", "sqlite:///", "a\0b"):
        with pytest.raises(StoreError, match="address of a store"):
            open_store(wrong, clock)
