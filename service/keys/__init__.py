"""Custody of tenant master keys, and what is derived from them."""
