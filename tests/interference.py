"""Somebody else who writes just when a transaction has read."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Engine, event

from service.database.engine import make_engine, writing
from service.errors import DatabaseUnavailable


@contextmanager
def interference(engine: Engine) -> Iterator[None]:
    """Behind each SELECT on ``engine`` another writer commits, unless it is kept out."""
    other = make_engine(engine.url.render_as_string(hide_password=False))
    with writing(other) as connection:
        connection.exec_driver_sql("CREATE TABLE elsewhere (x integer)")

    def interfere(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT"):
            with suppress(DatabaseUnavailable), writing(other, patience=0.1) as connection:
                connection.exec_driver_sql("INSERT INTO elsewhere VALUES (1)")

    event.listen(engine, "after_cursor_execute", interfere)
    try:
        yield
    finally:
        event.remove(engine, "after_cursor_execute", interfere)
        other.dispose()
