"""The inputs of the RP2040's ADC: 12 bits of which fewer than nine are worth anything.

Inputs are kept as integers (1/256 of a code), worked out once per wait by the rig, so that a read neither
computes with floats nor allocates on MicroPython. Runs on CPython and on MicroPython.
"""

from array import array

from .analog import ADC_CODES, RAIL_V

# Erratum E11: these codes are about nine codes wide, their neighbours are missing.
SPIKES = (512, 1536, 2560, 3584)
SPIKE_HALF_WIDTH = 4

# 8.7 effective bits of a full-scale sine leave 2.85 codes rms of noise and distortion; the spikes and the
# rounding account for 0.4 of it.
NOISE_CODES = 2.82
NOISE_LENGTH = 1024  # power of two
NOISE_MASK = NOISE_LENGTH - 1

WORLD_AGE_US = 500  # a conversion is of a world no older than this
MARGIN = 32  # codes by which noise may leave the range at either end
_TOP = (ADC_CODES - 1) * 256 + 255


def _conversion_table() -> array:  # type: ignore[type-arg]
    """What read_u16 returns, by ideal code plus MARGIN: spikes in, widened as MicroPython does."""
    table = array("H", [0] * (ADC_CODES + 2 * MARGIN))
    for i in range(len(table)):
        code = min(max(i - MARGIN, 0), ADC_CODES - 1)
        for spike in SPIKES:
            if -SPIKE_HALF_WIDTH <= code - spike <= SPIKE_HALF_WIDTH:
                code = spike
        table[i] = code << 4 | code >> 8
    return table


CONVERSION = _conversion_table()


def noise_table(seed: int) -> array:  # type: ignore[type-arg]
    """Seeded, nearly Gaussian noise in 1/256 codes, the margin of the conversion table added."""
    table = array("h", [0] * NOISE_LENGTH)
    x = (seed * 747796405 + 2891336453) & 0x3FFFFFFF
    for i in range(NOISE_LENGTH):
        total = 0
        for _ in range(12):  # the sum of twelve uniform numbers has a variance of one
            x = (x * 1103515245 + 12345) & 0x3FFFFFFF
            total += x >> 14
        noise = (total / 65536.0 - 6.0) * NOISE_CODES
        table[i] = int(noise * 256) + MARGIN * 256
    return table


class AdcInput:
    """One input. `set_volts` is the circuit's, `override` and `drift_volts` are faults put in from outside.

    override: volts that replace the circuit's (None: no fault), e.g. 3.3 for an input shorted to the rail;
    drift_volts: added to whatever comes in; stuck_code: every conversion gives this code, 0…4095 (None: no
    fault); noisy: False makes conversions exact.
    """

    def __init__(self) -> None:
        self._volts = 0.0
        self._override: float | None = None
        self._drift = 0.0
        self._stuck: int | None = None
        self._noisy = True
        self.noisy = True
        self.steps = 0  # 1/256 codes

    @property
    def volts(self) -> float:
        """Voltage at the pin, faults included."""
        volts = self._volts if self._override is None else self._override
        return volts + self._drift

    def set_volts(self, volts: float) -> None:
        """The circuit's voltage; the pin's protection clips it to 0…3.3 V."""
        self._volts = volts
        if self._stuck is not None:
            self.steps = self._stuck << 8
            return
        if self._override is not None:
            volts = self._override
        steps = int((volts + self._drift) * (ADC_CODES * 256 / RAIL_V))
        self.steps = 0 if steps < 0 else steps if steps < _TOP else _TOP

    @property
    def override(self) -> "float | None":
        """Volts that replace the circuit's; None when the input is sound."""
        return self._override

    @override.setter
    def override(self, volts: "float | None") -> None:
        self._override = volts
        self.set_volts(self._volts)

    @property
    def drift_volts(self) -> float:
        """Volts added to whatever comes in."""
        return self._drift

    @drift_volts.setter
    def drift_volts(self, volts: float) -> None:
        self._drift = volts
        self.set_volts(self._volts)

    @property
    def stuck_code(self) -> "int | None":
        """The code that every conversion gives; None when the converter is sound."""
        return self._stuck

    @stuck_code.setter
    def stuck_code(self, code: "int | None") -> None:
        if self._stuck is None:
            self._noisy = self.noisy
        self._stuck = code
        self.noisy = code is None and self._noisy
        self.set_volts(self._volts)
