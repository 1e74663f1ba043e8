"""time of the simulated board: a virtual clock."""

from openknead_sim.modules import time_names
from simboard import chip  # type: ignore[import-not-found,unused-ignore]

globals().update(time_names(chip))
