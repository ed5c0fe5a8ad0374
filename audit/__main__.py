"""`python -m audit` is `harm-audit`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line and return its exit code, also where loading it was interrupted."""
    try:
        from audit.cli.main import main as command
    except KeyboardInterrupt:
        print("error: interrupted; nothing half written is left", file=sys.stderr)
        return 130
    return command()


if __name__ == "__main__":
    sys.exit(main())
