"""The device: everything that runs on the massager's microcontroller."""

VERSION = "0.1.0"
