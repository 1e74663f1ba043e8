"""Telemetry: the fields of a sample, in the order in which they are sent."""

from massager.sense import INVALID

# name, unit, meaning
FIELDS = (
    ("seq", "", "Counts samples; a gap shows how many were dropped."),
    ("t_ms", "ms", "Time since boot, modulo 2^30."),
    ("state", "", "Value of the section states."),
    ("level", "level", "Level asked for, 0 = off."),
    ("level_milli", "level/1000", "Level after soft start, slew and limiters."),
    ("demand_opm", "opm", "Oscillation rate demanded."),
    ("rate_opm", "opm", "Oscillation rate measured, or estimated without a tach."),
    ("duty", "1/65535", "Duty of the motor PWM."),
    ("current_ma", "mA", "Motor current."),
    ("supply_mv", "mV", "Supply voltage."),
    ("battery_pct", "%", "Rough state of charge; null on mains."),
    ("motor_dc", "0.1 C", "Motor temperature; null = sensor fault."),
    ("driver_dc", "0.1 C", "Driver temperature."),
    ("handle_dc", "0.1 C", "Handle temperature."),
    ("elapsed_ms", "ms", "Session time so far, pauses included."),
    ("remaining_ms", "ms", "Session time left."),
    ("limiters", "bits", "Bits of the section limiters."),
    ("fault", "code", "Latched fault, 0 = none."),
    ("stage", "", "Stage of the program, from 1; 0 = no program."),
    ("pad_dc", "0.1 C", "Pad temperature, at its seat; null also without a sensor (setting pad_sensor)."),
)


def temperature(value):
    """A temperature in 0.1 C, None for a sensor that reads nothing sensible."""
    return None if value == INVALID else value


def sample(app, seq):
    """The values of FIELDS now, as a list."""
    sense = app.sense
    drive = app.drive
    session = app.session
    motor, driver, handle, pad = sense.temperatures_dc
    return [
        seq,
        app.uptime_ms,
        session.state,
        session.level,
        drive.position // 1000,
        drive.demand_opm,
        sense.rate_opm,
        drive.duty,
        sense.current_ma,
        sense.supply_mv,
        sense.battery_pct(app.settings["battery_cells"]),
        temperature(motor),
        temperature(driver),
        temperature(handle),
        session.elapsed_ms,
        session.remaining_ms(),
        app.safety.limiters,
        app.safety.fault,
        session.stage(),
        temperature(pad),
    ]
