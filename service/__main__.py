"""``python -m service`` is ``visard``."""

from service.cli import main

main()
