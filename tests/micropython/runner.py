"""Runs the functions `test_*` of the modules named on the command line, on MicroPython.

Prints a line a test and leaves with 1 when one failed, with 2 when there was none.
"""

import gc
import sys

gc.threshold(40_000)  # as main.py does: sources are compiled here
failed = 0
count = 0
for name in sys.argv[1:]:
    module = __import__(name)
    for test in sorted(dir(module)):
        if not test.startswith("test_"):
            continue
        count += 1
        gc.collect()
        try:
            getattr(module, test)()
            print("passed", name, test)
        except Exception as e:
            failed += 1
            print("FAILED", name, test)
            sys.print_exception(e)
sys.exit(1 if failed else 0 if count else 2)
