"""The emulated Pico: the unmodified firmware on a real MicroPython image, in the emulator rp2040py.

Needs the extra `openknead[emulator]` and a MicroPython image in the cache (see `images`).
Nothing is imported here, so that asking for an image does not load the emulator.
"""
