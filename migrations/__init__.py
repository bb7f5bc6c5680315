"""Alembic migrations; applied by ``service.database.migrate``."""
