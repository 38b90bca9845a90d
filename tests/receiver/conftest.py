"""What the tests of receiving share: a database of their own on the PostgreSQL of this process's tests."""

import psycopg
import pytest
from postgres.server import server


@pytest.fixture(scope="session")
def postgres_database() -> str:
    """The URI of a database."""
    shared = server()
    return shared.url(shared.empty_database(lasting=True))


@pytest.fixture
def postgres(postgres_database: str) -> str:
    """The same, emptied."""
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return postgres_database
