"""What every master key begins with while tests run."""

MARK = b"VISARD-PLANTED-KEY:"
