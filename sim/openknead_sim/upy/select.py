"""select of the simulated board: polls its own streams only."""

from openknead_sim.modules import select_names
from simboard import chip  # type: ignore[import-not-found,unused-ignore]

globals().update(select_names(chip))
