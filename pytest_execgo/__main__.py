"""``python -m pytest_execgo``."""

import sys

from pytest_execgo.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
