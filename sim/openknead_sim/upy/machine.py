"""machine of the simulated board."""

from openknead_sim.modules import machine_names
from simboard import chip  # type: ignore[import-not-found,unused-ignore]

globals().update(machine_names(chip, "micropython"))
