"""The reversible mathematics: torch, numpy and cryptography only."""
