"""Readers: a few threads, each with a read-only connection of its own, never the loop's thread."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from agent.store.db import Connection, open_reader, translated
from agent.store.errors import StoreClosed, StoreUnwritable

R = TypeVar("R")

_THREADS = 2


class Readers:
    """``read(query)`` runs the query on a reader's connection, in one read transaction."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="store-reader")
        self._own = threading.local()
        self._connections: list[Connection] = []
        self._closed = False
        self._generation = 0

    def renew(self) -> None:
        """The file was opened anew: each thread does so with its next query."""
        self._generation += 1

    async def read(self, query: Callable[[Connection], R]) -> R:
        """Raises StoreError."""
        if self._closed:
            raise StoreClosed("The store is closed.")
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._read, query)

    def _read(self, query: Callable[[Connection], R]) -> R:
        con: Connection | None = getattr(self._own, "con", None)
        if con is not None and self._own.generation != self._generation:
            self._drop(con)
            con = None
        if con is None:
            self._own.generation = self._generation
            con = self._own.con = open_reader(self._path)
            self._connections.append(con)
        try:
            with translated(self._path):
                con.execute("BEGIN")
                try:
                    return query(con)
                finally:
                    con.execute("ROLLBACK")
        except StoreUnwritable:
            self._drop(con)
            raise

    def _drop(self, con: Connection) -> None:
        self._own.con = None
        self._connections.remove(con)
        con.close()

    async def close(self) -> None:
        """Lets running queries end, joins the threads, closes the connections."""
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)
        for con in self._connections:
            con.close()
        self._connections.clear()
