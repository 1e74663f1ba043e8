"""From a blank or an old Pico to a running, verified device: what `knead flash` does.

`steps` is the walk, one step after another; each of the other modules knows one thing that it needs.
"""
