"""`python -m tidemill` is the command `tidemill`."""

import sys

from tidemill.app.command_line import main

if __name__ == "__main__":
    sys.exit(main())
