"""Transactions in which an event's effect and the record of its id happen together.

Each database library has a module of its own, which needs that library: `sqlite` (the standard library's),
`sqlalchemy`, `psycopg`, `asyncpg`, `django`.
"""

from hookline.receiver.transactions.sqlite import SqliteTransactions
from hookline.receiver.transactions.transactions import AnyTransactions, AsyncTransactions, EventKey, Transactions

__all__ = ["AnyTransactions", "AsyncTransactions", "EventKey", "SqliteTransactions", "Transactions"]
