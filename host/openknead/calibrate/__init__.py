"""Motor constants measured on the built device: in an ordinary session, from its telemetry alone.

The pad runs free at several levels, then a hand presses it. Voltage applied (duty × supply), current and rate
are tied by V = V0 + I·R + Ke·ω, whatever the load does; least squares over many half-seconds gives R and Ke,
V0 being what bridge and brushes take. All of the device's limits are in force; nothing is written.
"""

from openknead.calibrate.fit import Constants, fit
from openknead.calibrate.measure import Step, measure
from openknead.calibrate.store import override
from openknead.calibrate.windows import Window

__all__ = ["Constants", "Step", "Window", "fit", "measure", "override"]
