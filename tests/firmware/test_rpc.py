"""RPC: one answer to every request, a clear error to everything else, and a session that does not notice."""

import json

from massager import errors, methods, schema, settings, wire
from support import Bench

SEED = 12_345


def name(reply):
    return reply["error"]["data"]["name"]


def test_hello_says_who_is_there():
    hello = Bench().call("hello")
    assert hello["protocol"] == "1.4.0"
    assert hello["sim"] == "bench"
    assert hello["content"] == "0123456789abcdef"
    assert hello["board"] == "e66038b713a1b2c3"


def test_every_request_is_answered_with_its_id():
    bench = Bench()
    for request_id in (0, 1, 0x3FFFFFFF, "", "abc", "x" * 32):
        request = {"jsonrpc": "2.0", "id": request_id, "method": "status"}
        assert bench.raw(json.dumps(request))["id"] == request_id
    for request_id in (-1, 0x40000000, 1.5, None, True, [], {}, "x" * 33):
        reply = bench.raw(json.dumps({"jsonrpc": "2.0", "id": request_id, "method": "status"}))
        assert name(reply) == "invalid_request"
        assert reply["id"] is None


def test_a_notification_is_done_and_not_answered():
    bench = Bench()
    bench.start()
    assert bench.raw('{"jsonrpc":"2.0","method":"session.stop"}') is None
    assert bench.app.session.state == 0
    assert bench.raw('{"jsonrpc":"2.0","method":"nonsense"}') is None


def test_what_is_no_json_is_a_parse_error():
    bench = Bench()
    for line in (
        b"AT+GMM",
        b"{",
        b'{"a":1',
        b"\xff\xfe\xfd",
        b'{"id":1}x',
        b"'",
        b"\x01\x02",
        b'"\xc3"',
    ):
        assert name(bench.raw(line)) == "parse_error", line


def test_nested_json_harms_nothing():
    bench = Bench()
    for line in (b"[" * 511, b"[" * 255 + b"]" * 255, b'{"a":' * 100 + b"1" + b"}" * 100):
        assert name(bench.raw(line)) in ("parse_error", "invalid_request")
    values = b'{"jsonrpc":"2.0","id":1,"method":"settings.set","params":{"values":{"area_s":%s}}}'
    assert name(bench.raw(values % (b"[" * 100 + b"]" * 100))) == "wrong_type"


def test_json_that_is_no_request():
    bench = Bench()
    for text in (
        "1",
        "null",
        '"hello"',
        "[]",
        '[{"jsonrpc":"2.0","id":1,"method":"hello"}]',
        "{}",
        '{"id":1}',
    ):
        assert name(bench.raw(text)) == "invalid_request", text
    for text in ('{"jsonrpc":"1.0","id":1,"method":"hello"}', '{"jsonrpc":"2.0","id":1,"method":5}'):
        assert name(bench.raw(text)) == "invalid_request"
    assert name(bench.raw('{"jsonrpc":"2.0","id":1,"method":"hello","params":[1]}')) == "invalid_request"


def test_nan_and_infinity_are_no_values():
    bench = Bench()
    for value in ("NaN", "Infinity", "-Infinity", "1e999", "60.0", "6e1"):
        line = (
            f'{{"jsonrpc":"2.0","id":1,"method":"settings.set","params":{{"values":{{"area_s":{value}}}}}}}'
        )
        assert name(bench.raw(line)) in ("parse_error", "wrong_type"), value
    assert bench.app.settings["area_s"] == 90


def test_params_are_checked_by_name_and_type():
    bench = Bench()
    for params in ({}, {"level": 1}, {"level": 1, "run_s": 60, "x": 1}, {"level": "1", "run_s": 60}):
        assert bench.call("session.start", **params)["data"]["name"] == "invalid_params"
    assert bench.call("session.start", level=True, run_s=60)["data"]["param"] == "level"
    for level, run_s in ((0, 60), (12, 60), (1, 0), (1, 601), (1, -1)):
        error = bench.call("session.start", level=level, run_s=run_s)
        assert error["data"]["name"] == "out_of_range"
        assert "min" in error["data"]
    assert bench.call("nonsense")["data"] == {
        "name": "unknown_method",
        "remedy": "Ask `schema` for the section methods.",
        "method": "nonsense",
    }
    assert bench.call("settings.get", name="nonsense")["data"]["setting"] == "nonsense"
    assert bench.call("telemetry.subscribe", hz=3)["data"]["name"] == "invalid_params"
    assert bench.call("telemetry.subscribe", hz=21)["data"]["name"] == "out_of_range"


def test_every_reply_fits_a_line():
    bench = Bench(remote=False)
    for section in schema.SECTIONS:
        start = 0
        items = 0
        while start is not None:
            line = '{"jsonrpc":"2.0","id":1073741823,"method":"schema","params":{"section":"%s","start":%d}}'
            reply = bench.raw(line % (section, start))
            assert len(json.dumps(reply)) < wire.REPLY_MAX + 200  # with the spaces of this dumps
            items += len(reply["result"]["items"])
            start = reply["result"]["next"]
        assert items == len(schema.SECTIONS[section][0])
    bench.board.temperatures = [65_500] * 5
    bench.board.adc_supply = 0
    bench.board.buttons = 15
    bench.run_ms(11_000)
    for row in settings.TABLE:
        if row[1] == "int":
            bench.app.settings.values[row[0]] = row[3] + 1
    for params in ({"level": 2, "run_s": 300}, {"values": {"x" * 40 + str(i): 1 for i in range(9)}}):
        method = "session.start" if "level" in params else "settings.set"
        reply = bench.call(method, **params)
        assert reply["data"]["name"] in ("refused", "unknown_setting"), reply
    assert bench.call("status")["unsaved"]


def test_bad_input_of_every_length_leaves_a_session_alone():
    bench = Bench()
    bench.start(level=2)
    bench.run_ms(5_000)
    demand = bench.app.drive.demand_opm
    seed = SEED
    for _ in range(150):
        line = bytearray()
        seed = (seed * 1_103_515_245 + 12_345) & 0x7FFFFFFF
        for _ in range(seed % 60):
            seed = (seed * 1_103_515_245 + 12_345) & 0x7FFFFFFF
            byte = seed >> 16 & 0xFF
            line.append(byte if byte not in (3, 10) else 0)
        bench.board.console.received += line + b"\n"
        bench.run_ms(30)
        for reply in bench.sent():
            assert reply.get("method") == "event" or name(reply) in ("parse_error", "invalid_request")
        bench.board.console.sent = bytearray()
    bench.run_ms(500)
    assert bench.board.duty
    assert bench.app.drive.demand_opm == demand == 1270
    assert bench.app.session.level == 2
    assert bench.call("status")["state"] == "RUNNING"


def test_a_line_may_come_in_pieces_and_lines_in_one_piece():
    bench = Bench()
    for byte in b'{"jsonrpc":"2.0","id":7,"method":"hello"}\n':
        bench.board.console.received.append(byte)
        bench.run_ms(10)
    bench.board.console.received += b'{"jsonrpc":"2.0","id":8,"method":"hello"}\n' * 3
    bench.run_ms(100)
    assert [reply["id"] for reply in bench.sent() if "id" in reply] == [7, 8, 8, 8]


def test_telemetry_comes_at_its_rate_in_the_order_of_the_schema():
    bench = Bench()
    bench.call("telemetry.subscribe", hz=10)
    bench.start(level=1)
    bench.run_ms(2_000)
    samples = [m["params"] for m in bench.sent() if m.get("method") == "telemetry"]
    fields = [row[0] for row in schema.SECTIONS["telemetry"][0]]
    assert 19 <= len(samples) <= 21
    last = dict(zip(fields, samples[-1]))
    assert len(samples[-1]) == len(fields)
    assert last["seq"] == len(samples)
    assert last["state"] == 1
    assert last["level"] == 1
    assert 900 < last["demand_opm"] <= 1000
    assert last["motor_dc"] == 250
    bench.call("telemetry.subscribe", hz=0)
    bench.run_ms(500)
    assert len([m for m in bench.sent() if m.get("method") == "telemetry"]) <= len(samples) + 1


def test_a_host_that_stops_reading_delays_nothing_and_can_still_stop():
    bench = Bench()
    bench.call("telemetry.subscribe", hz=20)
    bench.start(level=1)
    bench.board.console.room = 0
    bench.run_ms(3_000)
    bench.board.console.received += b'{"jsonrpc":"2.0","id":1,"method":"session.stop"}\n'
    for _ in range(10):
        bench.board.console.room = 1  # one newline at most: the host still reads next to nothing
        bench.run_ms(1_500)
    assert bench.app.session.state == 0


def test_dropped_samples_show_as_a_gap():
    bench = Bench()
    bench.call("telemetry.subscribe", hz=20)
    bench.run_ms(500)
    bench.board.console.room = 0
    bench.run_ms(5_000)
    bench.board.console.room = None
    bench.run_ms(500)
    lines = bytes(bench.board.console.sent).decode().split("\n")
    seqs = []
    for line in lines:
        try:
            message = json.loads(line)
        except ValueError:
            continue  # the line that was given up
        if message.get("method") == "telemetry":
            seqs.append(message["params"][0])
    assert seqs == sorted(seqs)
    assert max(b - a for a, b in zip(seqs, seqs[1:])) > 70


def test_a_host_can_neither_feed_nor_arm_nor_inject():
    bench = Bench()
    before = bench.call("status")
    for method in ("interlock.feed", "interlock.arm", "feed", "arm", "inject", "watchdog.feed"):
        assert bench.call(method)["data"]["name"] == "unknown_method"
    bench.start()
    refused = bench.call("session.start", level=1, run_s=60)  # arming twice
    assert [row["name"] for row in refused["data"]["refusals"]] == ["running"]
    assert bench.call("session.stop")["state"] == before["state"]


def test_errors_and_methods_are_documented():
    for code, error, message, remedy in errors.ERRORS:
        assert code < -32000
        assert error
        assert message
        assert remedy
    for row in methods.METHODS:
        assert row[4]


def test_maintenance_and_reboot_need_an_idle_motor_and_reset_after_the_reply():
    bench = Bench()
    bench.start()
    assert bench.call("maintenance")["data"]["name"] == "motor_running"
    assert bench.call("reboot")["data"]["name"] == "motor_running"
    bench.call("session.stop")
    bench.run_ms(100)
    assert bench.call("maintenance") == {"rebooting": True}
    bench.run_ms(500)
    assert bench.board.resets == 1
    bench = Bench(bench.switch_off())
    assert bench.call("status")["state"] == "MAINTENANCE"
    error = bench.call("session.start", level=1, run_s=60)
    assert [refusal["name"] for refusal in error["data"]["refusals"]] == ["maintenance"]
    bench = Bench(bench.switch_off())
    assert bench.call("status")["state"] == "IDLE"
    bench.files.error = 28
    assert bench.call("maintenance")["data"]["name"] == "flash_full"


def test_saving_waits_for_the_motor_and_reports_a_full_flash():
    bench = Bench()
    bench.start()
    assert bench.call("settings.save")["data"]["name"] == "motor_running"
    bench.call("session.stop")
    bench.files.error = 28
    assert bench.call("settings.save")["data"]["name"] == "flash_full"
    bench.files.error = 5
    assert bench.call("settings.save")["data"]["name"] == "flash_failed"


def test_a_request_is_heard_though_every_tick_leaves_too_little_time():
    bench = Bench()
    bench.run_ms(50)
    board = bench.board
    tick = bench.app.tick

    def long_tick(now_us):
        tick(now_us)
        board.wait_us(5_000)

    bench.app.tick = long_tick
    bench.run_ms(20)
    board.console.received.extend(b'{"jsonrpc":"2.0","id":7,"method":"session.keepalive"}\n')
    bench.run_ms(100)
    assert any(message.get("id") == 7 for message in bench.sent())
