"""`python -m openknead_sim`: the same as `knead sim`."""

from .cli import sim

sim(prog_name="python -m openknead_sim")
