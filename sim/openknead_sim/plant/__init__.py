"""The physical model of the massager: motor, pad, hand, supply, heat; runs on CPython and MicroPython."""

from .constants import PARAMS
from .hand import Hand, PointsHand, StrokeHand
from .heat import Heat
from .params import Params, specimen
from .plant import Plant

__all__ = ["PARAMS", "Hand", "Heat", "Params", "Plant", "PointsHand", "StrokeHand", "specimen"]
