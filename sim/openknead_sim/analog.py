"""Voltages at the Pico's analog pins: how the board turns amperes, volts and degrees into them.

One place for every tier of the simulation; runs on CPython and on MicroPython. The reference board's values
(firmware settings `isense_mv_per_a`, `supply_ratio_milli`, `ntc_beta_k`, `ntc_pullup_ohm` have the same).
"""

import math

RAIL_V = 3.3  # ADC reference and supply of all pull-ups
ADC_CODES = 4096

ISENSE_V_PER_A = 1.12  # DRV8874 current mirror into the carrier's 2.49 kΩ
SUPPLY_RATIO = 5.7  # 47 kΩ over 10 kΩ
NTC_BETA_K = 3950.0
NTC_R25_OHM = 10_000.0
NTC_PULLUP_OHM = 10_000.0
ZERO_C_K = 273.15

# Inputs of the analog multiplexer on T_MUX: MUX_S0 + 2 * MUX_S1 + 4 * MUX_S2; the others are at ground.
MUX_MOTOR, MUX_DRIVER, MUX_HANDLE, MUX_PAD, MUX_HALF_RAIL = 0, 1, 2, 4, 7
MUX_INPUTS = 8


def ntc_ohm(temp_c: float) -> float:
    """Resistance in Ω of the 10 k NTC at `temp_c` in °C."""
    return NTC_R25_OHM * math.exp(NTC_BETA_K * (1.0 / (temp_c + ZERO_C_K) - 1.0 / (25.0 + ZERO_C_K)))


def ntc_volts(temp_c: float) -> float:
    """Voltage of NTC to ground with pull-up to the rail: falls as it gets hotter."""
    ohm = ntc_ohm(temp_c)
    return RAIL_V * ohm / (ohm + NTC_PULLUP_OHM)


def current_volts(current_a: float) -> float:
    """Voltage of the current mirror; it has no sign and clips at the rail (2.946 A)."""
    return min(abs(current_a) * ISENSE_V_PER_A, RAIL_V)


def supply_volts(supply_v: float) -> float:
    """Voltage behind the supply's divider, clipped at the rail."""
    return min(max(supply_v / SUPPLY_RATIO, 0.0), RAIL_V)


def mux_volts(motor_c: float, driver_c: float, handle_c: float, pad_c: float) -> "list[float]":
    """Voltages at the inputs of the multiplexer."""
    volts = [0.0] * MUX_INPUTS
    volts[MUX_MOTOR] = ntc_volts(motor_c)
    volts[MUX_DRIVER] = ntc_volts(driver_c)
    volts[MUX_HANDLE] = ntc_volts(handle_c)
    volts[MUX_PAD] = ntc_volts(pad_c)
    volts[MUX_HALF_RAIL] = RAIL_V / 2
    return volts


def adc_code(volts: float) -> int:
    """Code of an ideal 12-bit conversion, 0…4095."""
    return min(max(int(volts * ADC_CODES / RAIL_V), 0), ADC_CODES - 1)
