"""The MicroPython versions that the emulated tests run on: the reference, and those that stay supported."""

from openknead.flash import images

REFERENCE = images.REFERENCE
OLDER = [v for v, image in images.locked().items() if v != REFERENCE and not image.warning]
OLDEST = OLDER[0]
ALL = [REFERENCE, *OLDER]
