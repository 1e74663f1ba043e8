"""Permission: given and taken back at the device; STOP, faults and pauses there have the last word."""

from massager import faults, methods
from massager import session as sessions
from massager.authority import AUTHORITIES, IDLE, IDLE_REMOTE, IN_CALL, PRESS, REMOTE
from massager.buttons import MODE, PLUS, STOP
from massager.panel import LEAD_MS
from support import Bench


def refused(bench):
    """Names of the refusals of a start by a host; none when it starts."""
    result = bench.call("session.start", level=1, run_s=60)
    return [row["name"] for row in result["data"]["refusals"]] if "data" in result else []


def allowed():
    """A device whose user has held MODE."""
    bench = Bench(remote=False)
    bench.allow()
    return bench


def test_stop_is_the_last_word_for_a_host_that_keeps_asking():
    bench = allowed()
    assert refused(bench) == []
    bench.run_ms(500)
    bench.press(STOP)
    for _ in range(600):
        assert refused(bench) == ["permission_suspended"]
        bench.run_ms(100)
        bench.board.console.sent = bytearray()  # each refusal is an event; a Pico's heap does not hold all
    assert not bench.board.enabled
    bench.allow()
    assert refused(bench) == []


def test_every_local_end_suspends_it():
    def fault(bench):
        bench.app.safety.report(faults.DRIVER_FAULT)
        bench.app.safety.report(faults.DRIVER_FAULT, False)
        bench.run_ms(20)
        bench.call("fault.clear")

    for cause, end in (
        ("stop", lambda bench: bench.press(STOP)),
        ("pause", lambda bench: bench.press(MODE)),
        ("fault", fault),
    ):
        bench = allowed()
        bench.start()
        bench.run_ms(500)
        end(bench)
        bench.run_ms(200)
        assert bench.call("status")["suspended"] == cause
        bench.call("session.stop")
        assert "permission_suspended" in refused(bench)


def test_an_end_by_the_host_or_by_time_suspends_nothing():
    bench = allowed()
    bench.start(run_s=20)
    bench.run_ms(21_000)
    assert bench.app.session.reason == sessions.COMPLETED
    assert refused(bench) == []
    bench.call("session.stop")
    assert refused(bench) == []


def test_a_host_does_not_resume_what_was_paused_at_the_device():
    bench = allowed()
    bench.start()
    bench.run_ms(1_000)
    bench.press(MODE)
    assert bench.call("session.resume")["data"]["name"] == "permission_suspended"
    assert bench.call("session.level", level=2)["data"]["name"] == "permission_suspended"
    bench.press(MODE)
    assert bench.app.session.state == sessions.RUNNING
    bench.call("session.pause")
    assert bench.call("session.resume")["state"] == "RUNNING"


def test_a_stop_in_a_pause_is_not_given_back_by_resuming():
    bench = allowed()
    bench.start()
    bench.run_ms(1_000)
    bench.press(MODE)
    bench.press(STOP)
    bench.press(PLUS)  # a session of the user's own
    bench.press(MODE)
    bench.press(MODE)
    bench.call("session.stop")
    assert refused(bench) == ["permission_suspended"]


def test_a_host_cannot_end_the_suspension():
    bench = allowed()
    bench.press(STOP)
    for method, params in (
        ("settings.set", {"values": {"remote_start": True}}),
        ("settings.set", {"values": {"acknowledged": True}}),
        ("settings.reset", {"names": ["area_s"]}),
        ("settings.save", {}),
        ("fault.clear", {}),
        ("selftest", {"run": True}),
        ("program.select", {"name": "roller"}),
    ):
        bench.call(method, **params)
        bench.run_ms(50)
        assert refused(bench) == ["permission_suspended"], method


def test_a_suspension_outlasts_restarts_at_any_moment():
    for method in ("reboot", "maintenance"):
        bench = allowed()
        bench.start()
        bench.run_ms(500)
        bench.board.buttons = STOP
        bench.run_ms(10)  # the tick that stops
        bench.call(method)
        for _ in range(100):
            if not bench.board.resets:
                bench.run_ms(10)
        assert bench.board.resets
        bench = Bench(bench.switch_off(), remote=False)
        if method == "maintenance":
            bench = Bench(bench.switch_off(), remote=False)
        assert bench.call("status")["remote_start"]
        assert refused(bench) == ["permission_suspended"]
        bench.allow()
        bench = Bench(bench.switch_off(), remote=False)
        assert refused(bench) == []


def test_a_damaged_record_suspends_it():
    bench = allowed()
    bench.press(STOP)
    bench.allow()
    for damage in (b"x", b"OK1 9 2 00000000\n[]"):
        for name in list(bench.files.content):
            if name.startswith("permission"):
                bench.files.content[name] = damage
        assert refused(Bench(bench.switch_off(), remote=False)) == ["permission_suspended"]


def test_it_is_taken_back_at_once_whatever_the_flash_does():
    bench = allowed()
    bench.files.error = 28
    bench.press(MODE, 3_100)
    assert not bench.call("status")["remote_start"]
    assert "remote_disabled" in refused(bench)
    assert "remote_start" in bench.call("status")["unsaved"]
    assert bench.call("status")["fault"]["name"] == "flash_failed"


def test_a_host_may_take_it_back_at_any_time():
    bench = allowed()
    bench.start()
    assert bench.call("settings.set", values={"remote_start": False})["changed"] == ["remote_start"]
    assert bench.call("session.level", level=2)["data"]["name"] == "local_only"
    bench.call("session.stop")
    assert refused(bench) == ["remote_disabled"]


def damaged():
    """A device whose settings are damaged on flash; max_level was 4."""
    bench = Bench()
    bench.app.settings.take({"max_level": 4})
    bench.app.save_settings()
    bench.app.save_settings()
    for name in ("settings.a", "settings.b"):
        bench.files.content[name] = b"damaged"
    return Bench(bench.switch_off(), remote=False)


def test_mode_held_never_writes_over_damaged_settings():
    bench = damaged()
    bench.press(MODE, 3_100)
    assert "settings_invalid" in refused(bench)
    assert ("cue", "refused") in bench.event_names()
    assert bench.files.content["settings.a"] == bench.files.content["settings.b"] == b"damaged"
    bench.press(PLUS)
    assert bench.app.session.state == sessions.IDLE
    bench.call("settings.save")
    bench.allow()
    assert refused(bench) == []


def test_permission_is_taken_back_while_the_settings_are_damaged():
    bench = damaged()
    bench.app.settings.take({"remote_start": True, "acknowledged": True})
    bench.press(MODE, 3_100)
    assert not bench.call("status")["remote_start"]
    assert bench.files.content["settings.a"] == b"damaged"


# -- authority --------------------------------------------------------------------------------------


def test_every_method_has_an_authority_and_it_is_enforced():
    known = [row[0] for row in AUTHORITIES]
    params = {
        "program.get": {"name": "roller"},
        "program.begin": {"name": "mine", "size": 10},
        "program.write": {"offset": 0, "data": ""},
        "program.fetch": {"name": "mine", "offset": 0},
        "program.remove": {"name": "mine"},
        "program.select": {"name": "roller"},
    }
    for row in methods.METHODS:
        name, _, spec, needs, _ = row
        assert needs & ~IN_CALL in known, name
        if needs & IN_CALL or not needs:
            continue
        given = params.get(name, {})
        assert all(p in given or spec[p][-1] == "?" for p in spec), name
        if needs & IDLE:
            bench = Bench()
            bench.start()
            assert bench.call(name, **given)["data"]["name"] == "motor_running", name
        if needs & REMOTE:
            bench = Bench(remote=False)
            assert bench.call(name, **given)["data"]["name"] == "local_only", name
            bench.allow()
            bench.press(STOP)
            assert bench.call(name, **given)["data"]["name"] == "permission_suspended", name


def test_without_permission_what_plus_and_mode_do_does_not_change():
    for method, params, error in (
        ("settings.set", {"values": {"default_level": 11, "slew_s": 1}}, "confirm_needed"),
        ("settings.set", {"values": {"default_level": 3}}, "confirm_needed"),
        ("settings.set", {"values": {"min_level": 2, "default_level": 2}}, "confirm_needed"),
        ("settings.set", {"values": {"session_limit_s": 300}}, "confirm_needed"),
        ("program.select", {"name": "roller"}, "local_only"),
        ("program.begin", {"name": "mine", "size": 10}, "local_only"),
        ("program.remove", {"name": "mine"}, "local_only"),
    ):
        bench = Bench(remote=False)
        assert bench.call(method, **params)["data"]["name"] == error, params
        bench.run_ms(LEAD_MS)
        bench.press(PLUS)
        bench.run_ms(25_000)
        assert bench.app.session.level == 1
        assert bench.app.drive.demand_opm == 1_000
        assert bench.app.session.run_ms == 600_000
        assert bench.app.session.play.program is None


def test_nothing_that_weakens_changes_in_a_session():
    bench = Bench()
    bench.start(level=3)
    bench.app.settings.take({"host_timeout_s": 3})
    for name, value in (("host_timeout_s", 30), ("slew_s", 1), ("current_limit_ma", 2_400), ("max_level", 9)):
        error = bench.call("settings.set", values={name: value})
        assert error["data"]["name"] == "motor_running", name


def test_what_a_motor_is_measured_by_waits_for_a_press_even_with_permission():
    for values in (
        {"motor_ke_uvs": 33_000, "tach_ppr": 3},
        {"motor_ke_uvs": 55_000, "tach_ppr": 0},
        {"motor_r_mohm": 20_000},
        {"drive_kp": 10_000},
    ):
        bench = Bench()
        assert bench.call("settings.set", values=values)["data"]["name"] == "confirm_needed"
        assert bench.app.settings.unsaved() == ["remote_start", "acknowledged"]


def test_the_authorities_are_handed_out():
    bench = Bench()
    rows = bench.call("schema", section="methods")["items"]
    assert rows[0]["authority"] == "free"
    names = []
    start = 0
    while start is not None:
        page = bench.call("schema", section="authorities", start=start)
        names += [row["name"] for row in page["items"]]
        start = page["next"]
    assert names == [row[1] for row in AUTHORITIES]
    for row in bench.call("schema", section="settings")["items"]:
        assert row["authority"] in names
    assert PRESS & IDLE and IDLE_REMOTE & REMOTE


# -- nothing gives it back but the device --------------------------------------------------------------


def test_a_pause_that_timed_out_is_not_given_back_by_a_later_pause():
    bench = Bench()
    bench.start()
    bench.press(MODE)
    bench.run_ms(sessions.PAUSE_LIMIT_MS)
    assert bench.app.session.reason == sessions.PAUSE_TIMEOUT
    bench.press(PLUS)
    bench.run_ms(3_000)
    bench.press(MODE)
    bench.press(MODE)
    assert bench.app.session.state == sessions.RUNNING
    assert bench.call("status")["suspended"] == "pause"
    bench.call("session.pause")
    bench.press(MODE)
    assert bench.call("status")["suspended"] == "pause"


def test_a_host_cannot_restart_a_device_that_could_not_keep_the_suspension():
    for method in ("reboot", "maintenance"):
        bench = Bench()
        bench.run_ms(1_000)
        bench.files.error = 28
        bench.press(STOP)
        bench.run_ms(500)
        assert bench.call(method)["data"]["name"] == "flash_full"
        bench.run_ms(1_000)
        assert bench.board.resets == 0
        assert bench.call("status")["suspended"] == "stop"
        bench.files.error = None
        assert bench.call(method) == {"rebooting": True}
        bench.run_ms(1_000)
        assert bench.board.resets == 1
        assert not Bench(files=bench.switch_off()).app.permission.in_force()


def test_stop_pressed_while_a_restart_is_due_outlasts_it_or_calls_it_off():
    for error, resets in ((None, 1), (28, 0)):
        bench = Bench()
        assert bench.call("reboot") == {"rebooting": True}
        bench.files.error = error
        bench.press(STOP, 30)
        bench.run_ms(1_000)
        assert bench.board.resets == resets
        assert bench.app.permission.suspended


def test_a_host_does_not_clear_a_fault_that_ramps_a_session_down():
    bench = Bench()
    bench.start(level=5)
    bench.run_ms(12_000)
    bench.app.safety.report(faults.HEAP_LOW)
    bench.app.safety.report(faults.HEAP_LOW, False)
    bench.run_ms(50)
    assert bench.app.session.state == sessions.ENDING
    assert bench.call("fault.clear")["data"]["name"] == "motor_running"
    bench.run_ms(20_000)
    assert bench.app.session.reason == sessions.FAULT


def test_a_host_alone_may_only_hold_back():
    """It may ask for longer rests and a smaller dose, and needs a press to take that back."""
    for name, value, back in (("rest_s", 60, 59), ("day_limit_min", 2, 3), ("area_limit_min", 2, 0)):
        bench = Bench(remote=False)
        assert bench.call("settings.set", values={name: value})["changed"] == [name]
        assert bench.call("settings.set", values={name: back})["data"]["name"] == "confirm_needed"
