"""A supervisor of tiny model servers: what tests start in place of the project's own."""

import sys
from pathlib import Path

from tidemill.app import supervisor

if __name__ == "__main__":
    tiny = (sys.executable, str(Path(__file__).with_name("tiny_server.py")))
    sys.exit(supervisor.run(Path(sys.argv[1]), tiny))
