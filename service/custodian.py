"""Who may hold a tenant's master keys, as records name it."""

from typing import Literal

Custodian = Literal["local", "vault-kv", "vault-transit"]
"""The local keystore, Vault's KV engine (the master key is read from it), or its transit engine (it never leaves)."""
