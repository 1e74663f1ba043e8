"""OpenKnead's simulator: a virtual board that runs the firmware's own source."""
