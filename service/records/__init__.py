"""What a recovery needs, where it is kept, and how it is sealed."""
