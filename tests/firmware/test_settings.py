"""Settings: the table, validation, conflicts, migration."""

from massager import settings as table
from massager.buttons import MODE
from massager.panel import LEAD_MS
from massager.settings import TABLE, Settings
from support import Bench


def test_defaults_are_valid_and_do_not_contradict():
    settings = Settings()
    for row in TABLE:
        assert table.check(row[0], settings[row[0]]) == table.OK, row[0]
    assert table.conflict(settings.values) is None


def test_ranges_are_closed_and_one_beyond_is_refused():
    for name, kind, _, low, high, _, _, _, _ in TABLE:
        if kind == "int":
            assert table.check(name, low) == table.OK
            assert table.check(name, high) == table.OK
            assert table.check(name, low - 1) == table.OUT_OF_RANGE
            assert table.check(name, high + 1) == table.OUT_OF_RANGE


def test_types_are_not_bent():
    for value in ("3", 3.0, None, [3], {"a": 1}, True, float("nan"), float("inf")):
        assert table.check("max_level", value) == table.WRONG_TYPE
    for value in (1, 0, "true", None):
        assert table.check("buzzer", value) == table.WRONG_TYPE


def test_a_set_is_all_or_nothing_and_names_every_error():
    bench = Bench()
    before = dict(bench.app.settings.values)
    error = bench.call("settings.set", values={"area_s": 60, "slew_s": 0, "max_level": "x", "nonsense": 1})
    assert bench.app.settings.values == before
    named = {e["setting"]: e["name"] for e in error["data"]["errors"]}
    assert named == {"slew_s": "out_of_range", "max_level": "wrong_type", "nonsense": "unknown_setting"}
    for e in error["data"]["errors"]:
        if e["setting"] == "slew_s":
            assert (e["min"], e["max"]) == (1, 10)


def test_levels_must_not_contradict():
    bench = Bench()
    assert bench.call("settings.set", values={"max_level": 3, "min_level": 4})["data"]["name"] == "conflict"
    assert (
        bench.call("settings.set", values={"default_level": 4, "max_level": 3})["data"]["name"] == "conflict"
    )
    assert bench.call("settings.set", values={"max_level": 3})["changed"] == ["max_level"]


def test_remote_start_is_for_the_buttons_alone():
    bench = Bench(remote=False)
    assert bench.call("settings.set", values={"remote_start": True})["data"]["name"] == "local_only"
    bench.app.settings.take({"remote_start": True})
    assert bench.call("settings.set", values={"remote_start": False})["changed"] == ["remote_start"]
    assert bench.app.settings["remote_start"] is False


def test_calibration_and_what_a_session_was_granted_under_wait_for_its_end():
    bench = Bench()
    bench.start()
    for values in ({"motor_ke_uvs": 12_000}, {"max_level": 5}, {"session_limit_s": 300}):
        assert bench.call("settings.set", values=values)["data"]["name"] == "motor_running"
    assert bench.call("settings.set", values={"area_s": 60})["changed"] == ["area_s"]


def test_unsaved_names_what_differs_from_flash():
    bench = Bench(remote=False)
    bench.call("settings.set", values={"area_s": 60, "buzzer": False})
    assert bench.call("status")["unsaved"] == ["area_s", "buzzer"]
    assert bench.call("settings.save")["sequence"] == 1
    assert bench.call("status")["unsaved"] == []


def test_loading_keeps_unknown_keys_and_defaults_missing_or_bad_ones():
    settings = Settings()
    settings.load({"area_s": 60, "from_the_future": [1, 2], "max_level": 99})
    assert settings["area_s"] == 60
    assert settings["max_level"] == 11
    assert settings.rejected == ["max_level"]
    assert settings["slew_s"] == 2
    assert settings.record(settings.values)["from_the_future"] == [1, 2]


def test_settings_that_were_rejected_block_the_start_until_saved():
    bench = Bench()
    bench.app.settings.values["area_s"] = 60
    bench.app.save_settings()
    record = bench.files.content["settings.a"]
    from massager.store import build, parse

    _, values = parse(record)
    values["max_level"] = 99
    bench.files.content["settings.a"] = build(7, values)
    bench = Bench(bench.switch_off())
    error = bench.call("session.start", level=1, run_s=60)
    assert error["data"]["refusals"][0]["name"] == "settings_invalid"
    bench.call("settings.save")
    bench.start()


def test_reset_by_name_and_all():
    bench = Bench()
    bench.call("settings.set", values={"area_s": 60, "slew_s": 5})
    assert bench.call("settings.reset", names=["area_s"])["changed"] == ["area_s"]
    assert bench.app.settings["area_s"] == 90
    assert bench.app.settings["slew_s"] == 5
    error = bench.call("settings.reset")  # back to a faster slew
    assert error["data"]["names"] == ["slew_s"]
    bench.run_ms(LEAD_MS)
    bench.press(MODE)
    assert bench.app.settings["slew_s"] == 2
    assert bench.app.settings["remote_start"] is False
    assert bench.call("settings.reset", names=["nonsense"])["data"]["name"] == "unknown_setting"
    assert bench.call("settings.reset", names=[3])["data"]["name"] == "unknown_setting"
