"""Vault's double, for commands that talk to it."""

from tests.vault.fixtures import healthy_double, vault_double

__all__ = ["healthy_double", "vault_double"]
