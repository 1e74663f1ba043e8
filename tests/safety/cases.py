"""Cases: the rows of the fault matrix. Whoever adds a fault adds a row here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from matrix import Case, Trial
from openknead_sim.analog import MUX_DRIVER, MUX_HANDLE, MUX_MOTOR, MUX_PAD, ntc_volts
from openknead_sim.observer import level_rate

STALL_DEMAND_OPM = 500  # below it a stall is not judged (docs/faults.md)
WAKE_S = 0.03  # from the arming to the first duty
TOLD_MS = 110  # events wait for their turn so long

# -- when a failure shows ---------------------------------------------------------------------------------


def _stall_is_judged(trial: Trial) -> int | None:
    """From a demand of STALL_DEMAND_OPM on, which is half of the soft start."""
    judged_us = trial.armed_us + round((WAKE_S + trial.point.slew_s * STALL_DEMAND_OPM / 1000) * 1e6)
    return max(trial.begun_us, judged_us)


def _reads(address: int, celsius: float) -> Callable[[Trial], int | None]:
    """The thermistor reads so hot."""

    def since(trial: Trial) -> int | None:
        volts = trial.board.rig.ntc_override[address]
        return trial.now_us if volts is not None and volts <= ntc_volts(celsius) else None

    return since


def _reads_40_k_below_the_handle(trial: Trial) -> int | None:
    volts = trial.board.rig.ntc_override[MUX_MOTOR]
    cold = volts is not None and volts >= ntc_volts(trial.board.plant.handle_c - 40.0)
    return trial.now_us if cold else None


def _too_fast(trial: Trial) -> int | None:
    """The shaft turns at more than one and a half times the level's rate and 500 opm."""
    return trial.now_us if trial.board.plant.rate_opm > 1.5 * level_rate(trial.point.level) + 500.0 else None


def _turns(trial: Trial) -> int | None:
    """The shaft turns faster than 300 opm, unasked."""
    return trial.now_us if trial.board.plant.rate_opm > 300.0 else None


def _after(seconds: float) -> Callable[[Trial], int | None]:
    """This long after the first duty of the session."""
    return lambda trial: max(trial.begun_us, trial.armed_us + round((WAKE_S + seconds) * 1e6))


def _armed(trial: Trial) -> int | None:
    return trial.armed_us if trial.armed_us >= trial.begun_us else None


# -- the rows -----------------------------------------------------------------------------------------------

BUTTONS = ("plus", "minus", "mode")
# At the multiplexer; too hot at so many °C; a drift that gets there, K.
THERMISTORS = (
    (MUX_MOTOR, "motor", 90.0, 90.0),
    (MUX_DRIVER, "driver", 100.0, 100.0),
    (MUX_HANDLE, "handle", 48.0, 50.0),
    (MUX_PAD, "pad", 43.0, 45.0),
)
LIGHT: dict[str, Any] = {"levels": (1, 8), "pressure": (0.0, 0.5)}  # a heavier load holds a runaway back
PIN_IS_HIGH = ("off_without_session", "off_on_fault", "stop_at_once")  # RUN_REQ itself is what fails
ALL_SENSORS = ("adc_reference", *(f"{name}_sensor" for _, name, _, _ in THERMISTORS))  # they go together
STOPPED = ("over_current", "runaway", "uncommanded_motion")
SENSOR_MS = 360  # six readings, 40 ms apart, or three, of a voltage that the simulator renews every 100 ms


def _thermistor(address: int, name: str, hot_c: float, drift_k: float) -> list[Case]:
    sensor = (f"{name}_sensor",)
    # A handle at 48 C in a room at 8 C is 40 K above the motor, whose thermistor is named then.
    hot = (f"{name}_hot", "motor_sensor") if name == "handle" else (f"{name}_hot",)
    cases = [
        Case(f"{name} gets hot", f"{name}_ntc_drift", hot, 1_000 + TOLD_MS, drift_k,
             off_ms=1_000, since=_reads(address, hot_c))
    ]  # fmt: skip
    for state, off_ms in (("driven", SENSOR_MS), ("idle", None)):
        for what, injection, value in (
            ("is open", "ntc", "open"),
            ("is shorted", "ntc", "short"),
            ("jumps up", "ntc_jump", (12.0, 100.0)),
            ("jumps down", "ntc_jump", (-100.0, -12.0)),
        ):
            name_of = f"{name} thermistor {what}, {state}"
            told_ms = SENSOR_MS + TOLD_MS
            cases.append(
                Case(name_of, f"{name}_{injection}", sensor, told_ms, value, off_ms=off_ms, state=state)
            )
    return cases


# fmt: off
CASES = (
    # motor and driver
    Case("rotor blocked", "blocked", ("stall", "over_current"), 610, off_ms=500, since=_stall_is_judged),
    Case("shaft braked", "stall_torque", ("stall", "over_current"), 610, (0.1, 0.5), off_ms=500,
         since=_stall_is_judged),
    Case("transistor shorted, driven", "shorted_fet", ("over_current", "runaway"), 500, **LIGHT),
    Case("transistor shorted, until the session ends", "shorted_fet", STOPPED, 5_500, then="stop"),
    Case("transistor shorted, idle", "shorted_fet", ("uncommanded_motion",), 500, state="idle", since=_turns),
    Case("bridge dead", "driver_dead", ("current_sensor", "stall"), 1_000, off_ms=800,
         since=_stall_is_judged),
    Case("motor unplugged", "motor_unplugged", ("current_sensor", "stall"), 1_000, off_ms=800,
         since=_stall_is_judged),
    Case("driver complains, driven", "driver_fault", ("driver_fault",), 130, off_ms=1, since=_after(0.05)),
    Case("driver complains, at the start", "driver_fault", ("driver_fault",), 60 + TOLD_MS, off_ms=60,
         state="idle", then="start", since=_armed),
    Case("tach cut", "tach_cut", ("no_rotation", "stall"), 610, off_ms=500, since=_stall_is_judged),
    # The drive reacts to the wrong rate, so tach and back-EMF come together again now and then.
    Case("tach gives more pulses", "tach_pulses", ("rate_mismatch", "runaway"), 1_800 + TOLD_MS, (2.0, 8.0),
         off_ms=1_800, since=_stall_is_judged),
    Case("drive runs away", "drive_runaway", ("runaway", "over_current"), 410, off_ms=300, since=_too_fast,
         **LIGHT),
    # interlock
    Case("RUN_REQ at ground, driven", "run_req_stuck", ("interlock_tripped",), 160, "low", off_ms=0),
    Case("RUN_REQ at ground, start", "run_req_stuck", ("interlock_failed",), 220, "low", off_ms=0,
         state="idle", then="start"),
    Case("RUN_REQ at ground, self-test", "run_req_stuck", ("interlock_rises", "interlock_drops"), 600, "low",
         state="off", then="power", reports="selftest"),
    Case("RUN_REQ at the rail, idle", "run_req_stuck", ("interlock_failed",), 190, "high", state="idle",
         breaks=PIN_IS_HIGH),
    Case("RUN_REQ at the rail, after a session", "run_req_stuck", ("interlock_failed",), 210, "high",
         off_ms=20, then="stop", breaks=PIN_IS_HIGH),
    Case("RUN_REQ at the rail, self-test", "run_req_stuck", ("interlock_drops", "interlock_stays"), 600,
         "high", state="off", then="power", reports="selftest", breaks=PIN_IS_HIGH),
    # sensors
    *(case for row in THERMISTORS for case in _thermistor(*row)),
    Case("motor thermistor drifts down", "motor_ntc_drift", ("motor_sensor",), 1_110, -60.0, off_ms=1_000,
         since=_reads_40_k_below_the_handle),
    Case("reference high, driven", "adc_reference", ("adc_reference",), 470, (6.0, 100.0), off_ms=SENSOR_MS),
    Case("reference low, driven", "adc_reference", ("adc_reference",), 470, (-100.0, -6.0), off_ms=SENSOR_MS),
    Case("reference high, idle", "adc_reference", ("adc_reference",), 470, (6.0, 100.0), state="idle"),
    Case("reference low, idle", "adc_reference", ("adc_reference",), 470, (-100.0, -6.0), state="idle"),
    Case("ADC stuck, driven", "adc_stuck", ALL_SENSORS, 470, "all", off_ms=SENSOR_MS),
    Case("ADC stuck, idle", "adc_stuck", ALL_SENSORS, 470, "all", state="idle"),
    Case("temperatures stuck, driven", "adc_stuck", ALL_SENSORS, 470, "temperatures", off_ms=SENSOR_MS,
         ambient_c=(5.0, 12.0)),
    Case("current sense stuck, after the session", "adc_stuck", ("current_sensor",), 800, "current",
         then="stop", moments=("ramping", "steady")),
    Case("current sense at ground", "current_short", ("current_sensor",), 1_700, "ground", off_ms=1_600,
         since=_after(0.3)),
    Case("current sense at the rail, driven", "current_short", ("over_current",), 130, "rail", off_ms=25),
    Case("current sense at the rail, idle", "current_short", ("over_current",), 140, "rail", state="idle"),
    Case("current sense off upwards, idle", "current_drift", ("current_sensor", "over_current"), 700,
         (0.25, 3.3), state="idle"),
    Case("current sense off upwards, after the session", "current_drift",
         ("current_sensor", "over_current", "stall", "runaway"), 850, (0.25, 3.3), then="stop"),
    # supply
    Case("supply sags", "supply_sag", ("battery_critical",), 800, (6.0, 8.8), off_ms=700,
         moments=("steady",)),
    Case("supply sags at the start", "supply_sag", ("supply_dip", "battery_critical"), 800, (6.0, 8.8),
         off_ms=700, moments=("soft_start",)),
    Case("supply gone", "supply_sag", ("driver_fault",), 130, (0.0, 4.0), off_ms=20, since=_after(0.05)),
    Case("supply low, idle", "supply_sag", ("battery_low",), 300, (5.0, 9.8), state="idle",
         reports="refusal"),
    Case("supply too high, driven", "supply_high", ("supply_high",), 470, (13.3, 20.0), off_ms=SENSOR_MS),
    Case("supply too high, idle", "supply_high", ("supply_high",), 470, (13.3, 20.0), state="idle"),
    Case("supply weak", "supply_dip", ("supply_dip",), 430, (2.3, 5.0), off_ms=320, state="idle",
         then="start"),
    # buttons
    *(Case(f"{button} stuck", "button_stuck", ("button_stuck",), 10_500, button, state="idle",
           reports="refusal") for button in BUTTONS),
    *(Case(f"{button} bounces", "button_bouncing", ("button_stuck",), 1_500, button, state="idle",
           reports="refusal") for button in BUTTONS),
    Case("STOP's wire off, driven", "stop_open", ("stop_button",), 120, off_ms=1, reports="reason"),
    Case("STOP's wire off, idle", "stop_open", ("stop_open",), 10_500, state="idle", reports="refusal"),
    # processor and firmware
    Case("hang", "hang", ("watchdog_reset",), 1_300, off_ms=110),
    Case("hung tick", "slow_tick", ("watchdog_reset",), 1_300, (1_050.0, 5_000.0), off_ms=120),
    Case("watchdog runs out", "watchdog", ("watchdog_reset",), 200, off_ms=1),
    Case("slow tick", "slow_tick", ("tick_overrun",), 3_000, (52.0, 880.0), off_ms=130, lasts_ms=2_000),
    Case("very slow tick", "slow_tick", ("clock_jump",), 3_000, (905.0, 930.0), off_ms=130, lasts_ms=2_000),
    Case("crash", "crash", ("crashed",), 1_500, off_ms=20),
    Case("clock jumps ahead", "clock_jump", ("clock_jump",), 130, (0.95, 500.0), off_ms=15),
    Case("clock jumps back", "clock_jump", ("clock_jump",), 130, (-500.0, -0.02), off_ms=15),
    Case("clock skips", "clock_jump", ("tick_overrun",), 130, (0.06, 0.85), off_ms=15),
    Case("memory low, driven", "heap_low", ("heap_low",), 45_000, (0.0, 11_900.0), off_ms=52_000),
    Case("memory low, idle", "heap_low", ("heap_low",), 45_000, (0.0, 11_900.0), state="idle"),
    # flash
    Case("flash fails", "flash_failing", ("flash_failed",), 300, then="stop"),
    Case("flash full", "flash_full", ("flash_failed",), 300, then="stop"),
    Case("firmware changed, restart", "firmware_file_changed", ("firmware_changed",), 500, state="idle",
         then="restart"),
    Case("firmware changed, self-test", "firmware_file_changed", ("firmware",), 4_500, state="idle",
         then="selftest", reports="selftest"),
    Case("settings corrupt", "settings_corrupt", ("settings_invalid",), 500, state="off", then="power",
         reports="refusal"),
    Case("latches corrupt", "latches_corrupt", ("latches_lost",), 500, state="off", then="power"),
    # serial
    Case("host silent", "host_silent", ("host_lost",), 3_300, off_ms=3_150, reports="reason"),
    Case("cable out", "serial_dropped", ("host_lost",), 4_600, off_ms=3_150, reports="reason",
         lasts_ms=4_500),
    Case("serial garbled", "serial_garbled", ("host_lost",), 4_600, (2.0, 25.0), off_ms=3_150,
         reports="reason", lasts_ms=4_500),
    # the longest
    Case("session's clock stands", "session_clock_stands", ("session_overrun",), 150, "session", off_ms=30,
         since=_after(901.0), longest=True, breaks=("fifteen_minutes",)),
    Case("both clocks stand", "session_clock_stands", ("interlock_tripped",), 1_110, "both", off_ms=1_000,
         since=_after(905.0), longest=True, breaks=("fifteen_minutes",)),
)
# fmt: on

BY_NAME = {case.name: case for case in CASES}
