"""Logic: what the chips of the interlock do with the levels at their pins, step by step.

A step is a tick of the control loop, 10 ms. Each kind of chip is a function of its pins, taken from its data
sheet; which pins they are comes from the circuit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from hardware.design import GND, V33
from hardware.interlock.circuit import HIGH_V, LOW_V, NPN_OFF_V, NPN_ON_V, Circuit, Level, X

STEP_MS = 10.0
PULSE = 0.5  # 74HC123: t = K·R·C; 0.48 at 2 V, 0.55 at 5 V (data sheet)
RESET_STEPS = 3  # of the supervisor; really a third of a second, shortened to the same effect


@dataclass(frozen=True)
class Inputs:
    """What the world and the Pico do in a step. mot_pwm: 1 stands for any duty above 0.

    estop, thermostat, button: whether that contact of the trip loop or of the re-arm button is closed.
    """

    run_req: Level = 0
    mot_pwm: Level = 0
    wd_kick: Level = 0
    estop: bool = True
    thermostat: bool = True
    button: bool = False
    powered: bool = True
    stray: tuple[tuple[str, Level], ...] = ()  # Pico pins that should be inputs and drive


Known = dict[object, dict[str, tuple[float, float]]]


@dataclass
class Machine:
    """The interlock with its memory: latches, one-shots, supervisor, and the levels of the last step."""

    circuit: Circuit
    latches: dict[str, Level] = field(default_factory=dict)
    left_steps: dict[str, float] = field(default_factory=dict)  # of each one-shot's pulse
    unknown_pulse: set[str] = field(default_factory=set)
    since_power: int = 0
    last: dict[str, Level] = field(default_factory=dict)  # level of each clocking pin
    known: Known = field(default_factory=dict)  # voltages solved before

    def go_on(self, circuit: Circuit, known: Known) -> Machine:
        """A machine in the same state with this circuit or, a fault having come, another.

        known: what was solved before in that circuit; shared, because many machines meet the same.
        """
        state = (dict(self.latches), dict(self.left_steps), set(self.unknown_pulse))
        return Machine(circuit, *state, self.since_power, dict(self.last), known)

    def step(self, inputs: Inputs) -> None:
        """Ten milliseconds: the inputs change, everything settles, then time passes."""
        if not inputs.powered:
            self.__init__(self.circuit, known=self.known)  # type: ignore[misc]
        for _ in range(12):
            before = (dict(self.latches), dict(self.left_steps), set(self.unknown_pulse), dict(self.last))
            self._settle(inputs)
            if before == (self.latches, self.left_steps, self.unknown_pulse, self.last):
                break
        self.since_power += inputs.powered
        self.left_steps = {ref: left - 1 for ref, left in self.left_steps.items()}

    def level(self, inputs: Inputs, ref: str, pin: str) -> Level:
        """Level at a pin as things stand."""
        return self._level(self._volts(inputs), self.circuit.pins(ref)[pin])

    def may_run(self, inputs: Inputs) -> bool:
        """Whether the driver may turn the motor: unless SLEEP or EN is surely low."""
        return bool(inputs.powered) and 0 not in self._driver(inputs)

    def runs(self, inputs: Inputs) -> bool:
        """Whether it surely does."""
        return self._driver(inputs) == (1, 1)

    def _driver(self, inputs: Inputs) -> tuple[Level, Level]:
        volts = self._volts(inputs)
        pins = self.circuit.pins(self.circuit.of("drv8874")[0])
        return self._level(volts, pins["SLEEP"]), self._level(volts, pins["EN"])

    # -- levels ---------------------------------------------------------------------------------------

    @staticmethod
    def _level(volts: dict[str, tuple[float, float]], net: str) -> Level:
        low, high = volts.get(net, (0.0, 3.3))
        return 1 if low >= HIGH_V else 0 if high <= LOW_V else X

    def _volts(self, inputs: Inputs) -> dict[str, tuple[float, float]]:
        """Voltages with the outputs as they are; gates follow their inputs until nothing changes."""
        memory = self._memory(inputs.powered)
        loop = inputs.estop and inputs.thermostat
        world = (
            inputs.run_req,
            inputs.mot_pwm,
            inputs.wd_kick,
            loop,
            inputs.button,
            inputs.powered,
            inputs.stray,
        )
        key = (world, frozenset(memory))
        if key not in self.known:
            self.known[key] = self._follow(inputs, memory)
        return self.known[key]

    def _follow(self, inputs: Inputs, memory: set[tuple[str, Level]]) -> dict[str, tuple[float, float]]:
        c = self.circuit
        pico = c.pins("A1")
        by_signal = {
            "GP3": inputs.run_req,
            "GP16": inputs.mot_pwm,
            "GP2": inputs.wd_kick,
            **dict(inputs.stray),
        }
        fixed = {(pico[name], level) for name, level in by_signal.items()} if inputs.powered else set()
        fixed |= memory
        contacts = set()
        if inputs.estop and inputs.thermostat:
            contacts.add((c.at("J4", "1"), c.at("J4", "2")))
        if inputs.button:
            contacts.add((c.at("J5", "1"), c.at("J5", "2")))
        volts = c.levels(frozenset(fixed), frozenset(contacts), inputs.powered)
        for _ in range(6):
            gates = self._gates(volts, inputs.powered)
            settled = c.levels(frozenset(fixed | gates), frozenset(contacts), inputs.powered)
            if settled == volts:
                break
            volts = settled
        return volts

    def _memory(self, powered: bool) -> set[tuple[str, Level]]:
        """Outputs that depend on what has been."""
        c = self.circuit
        outputs: set[tuple[str, Level]] = set()
        if not powered:
            return outputs
        for ref in c.of("74HC74"):
            for half in "12":
                level = self.latches.get(ref + half, X) if c.has_supply(ref) else X
                outputs.add((c.pins(ref)[half + "Q"], level))
        for ref in c.of("74HC123"):
            for half in "12":
                level = 1 if self.left_steps.get(ref + half, 0) > 0 else 0
                if ref + half in self.unknown_pulse or not c.has_supply(ref):
                    level = X
                outputs.add((c.pins(ref)[half + "Q"], level))
        for ref in c.of("supervisor"):
            level = 1 if self.since_power >= RESET_STEPS else 0
            outputs.add((c.pins(ref)["nRST"], level if c.has_supply(ref) else X))
        return outputs

    def _gates(self, volts: dict[str, tuple[float, float]], powered: bool) -> set[tuple[str, Level]]:
        """Outputs of the AND gates and of the transistor."""
        c = self.circuit
        outputs: set[tuple[str, Level]] = set()
        for ref in c.of("74HC21") if powered else ():
            pins = c.pins(ref)
            for half in "12":
                levels = [self._level(volts, pins[half + letter]) for letter in "ABCD"]
                level = 0 if 0 in levels else X if X in levels else 1
                outputs.add((pins[half + "Y"], level if c.has_supply(ref) else X))
        for ref in c.of("npn"):
            pins = c.pins(ref)
            low, high = volts.get(pins["B"], (0.0, 0.0))
            if pins["E"] == c.named(GND) and high > NPN_OFF_V:
                outputs.add((pins["C"], 0 if low > NPN_ON_V else X))
        return outputs

    # -- memory ---------------------------------------------------------------------------------------

    def _settle(self, inputs: Inputs) -> None:
        volts = self._volts(inputs)
        for ref in self.circuit.of("74HC74"):
            for half in "12":
                self._latch(ref, half, volts)
        for ref in self.circuit.of("74HC123"):
            for half in "12":
                self._one_shot(ref, half, volts)

    def _edge(self, key: str, level: Level) -> Level:
        """Whether a pin rose since it was last looked at: 0, 1, or X."""
        before = self.last.get(key, X)
        self.last[key] = level
        if before == level or level == 0 or before == 1:
            return 0
        return 1 if (before, level) == (0, 1) else X

    def _latch(self, ref: str, half: str, volts: dict[str, tuple[float, float]]) -> None:
        pins = self.circuit.pins(ref)
        clear, preset = self._level(volts, pins[half + "nR"]), self._level(volts, pins[half + "nS"])
        data = self._level(volts, pins[half + "D"])
        edge = self._edge(ref + half, self._level(volts, pins[half + "C"]))
        state = self.latches.get(ref + half, X)  # X at power-up: nothing says what a latch wakes up as
        if edge == 1:
            state = data
        elif edge == X and data != state:
            state = X
        if preset != 1:
            state = 1 if preset == 0 else (state if state == 1 else X)
        if clear != 1:
            state = 0 if clear == 0 and preset == 1 else (0 if state == 0 else X)
        self.latches[ref + half] = state

    def _one_shot(self, ref: str, half: str, volts: dict[str, tuple[float, float]]) -> None:
        pins = self.circuit.pins(ref)
        first = self._level(volts, pins[half + "nA"])
        second = self._level(volts, pins[half + "B"])
        reset = self._level(volts, pins[half + "nR"])
        gate = 0 if first == 1 or second == 0 or reset == 0 else X if X in (first, second, reset) else 1
        key = ref + half
        edge = self._edge(key, gate)  # nA falling, B rising and nR rising all start a pulse
        if reset == 0:
            self.left_steps[key] = 0
            self.unknown_pulse.discard(key)
        elif edge == 1:
            self.left_steps[key] = self._pulse_steps(pins[half + "RC"], pins[half + "C"])
        elif edge == X or (gate == X and X in (first, second)):
            self.unknown_pulse.add(key)  # a floating input may well chatter

    def _pulse_steps(self, charged: str, other: str) -> float:
        """Length of a pulse from the parts at the timing pins; endless when nothing charges the capacitor."""
        c = self.circuit
        if charged == c.named(V33):
            return 0
        farad = c.between("capacitor", charged, other)
        if farad is None or charged == other:
            return 0
        ohm = c.between("resistor", charged, c.named(V33))
        if ohm is None or charged == c.named(GND):
            return math.inf
        return math.ceil(PULSE * ohm * farad * 1000 / STEP_MS)
