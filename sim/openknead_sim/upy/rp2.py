"""rp2 of the simulated board."""

from openknead_sim.modules import rp2_names
from simboard import chip  # type: ignore[import-not-found,unused-ignore]

globals().update(rp2_names(chip))
