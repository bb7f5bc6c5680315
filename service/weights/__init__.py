"""Weights bundles: what they promise, and how they are loaded."""
