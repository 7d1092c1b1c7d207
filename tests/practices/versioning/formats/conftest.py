"""The modules beside the tests stand for a project's own code, which is imported by its name."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
