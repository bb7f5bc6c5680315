"""The record of who asked for which face back, and why."""
