"""Heap that the largest program takes while it is loaded; run on MicroPython. Prints the bytes."""

import gc
import json

from massager.program import STAGES_MAX, Program, mistake

SECONDS = 37  # 24 stages of it are nearly 15 minutes
STAGES = [
    [f"{n:024d}", SECONDS, "wave", 10, 11, 900, "hamstring_right", "move_on"] for n in range(STAGES_MAX)
]
TEXT = json.dumps(STAGES)


def load():
    stages = json.loads(TEXT)
    assert mistake("p", stages) is None
    return Program("p", stages)


load()
gc.collect()
before = gc.mem_alloc()
program = load()
gc.collect()
print(gc.mem_alloc() - before)
