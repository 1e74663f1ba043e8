"""What the tests of compatibility share: the peer of the host's tests, and the recordings."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "unit"))  # host_peer
