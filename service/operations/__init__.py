"""One file per verb; each owns the order of its steps."""
