"""Attempts to break it, each with a figure of success and what chance gives."""
