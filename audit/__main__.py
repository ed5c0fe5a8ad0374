"""`python -m audit` is `harm-audit`."""

from __future__ import annotations

import sys

from audit.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
