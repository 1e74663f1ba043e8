"""On CPython the firmware's modules are imported from their folder; only `micropython` has to be stood in.

The same files run on MicroPython in tests/micropython, therefore they use nothing of pytest.
"""

import sys
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).parent
sys.pycache_prefix = str(HERE.parents[1] / "build" / "pycache")  # firmware/ is copied to boards as it is
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "firmware")]

micropython = ModuleType("micropython")
vars(micropython).update(const=lambda value: value, heap_lock=lambda: None, heap_unlock=lambda: None)
sys.modules["micropython"] = micropython
