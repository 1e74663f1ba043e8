"""OpenKnead's host library: talk to a massager controller, on a Pico or simulated, over serial."""

__version__ = "0.1.0"
