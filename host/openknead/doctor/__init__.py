"""Why does it not work? Looks at the computer, the cable, the port and the device, and says what to do.

Nothing is changed on the way, not even the device's clock; a running session continues.
"""
