"""Visard: reversible face anonymization driven by a per-tenant secret key."""

__version__ = "0.1.0"
