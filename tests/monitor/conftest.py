"""A ledger's address on either database, empty for each test."""

from __future__ import annotations

from itertools import count

import pytest
from sqlalchemy import create_engine

from tests.needs import needs_extra

NUMBER = count()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    needs_extra("psycopg")
    server = request.getfixturevalue("postgres_url").replace("postgres://", "postgresql+psycopg://")
    name = f"ledger_{next(NUMBER)}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    admin.dispose()
    return f"{server.rpartition('/')[0]}/{name}"
