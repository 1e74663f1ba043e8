"""Lines that are nearly requests: one answer within the line length, and the session does not notice.

MicroPython's JSON is laxer than CPython's: it takes keys that are no strings and forgives commas, so these
run on both. The whole way over a serial port is tests/scenarios' business.
"""

from massager import methods, rpc, wire
from support import Bench

HEAD = '{"jsonrpc":"2.0","id":1,'
NAUGHTY = "\\u0001" * 60


def test_keys_that_are_no_names_are_refused_by_name():
    bench = Bench()
    bench.start()
    for line in (
        HEAD + '"method":"settings.set","params":{"values":{1:2}}}',
        HEAD + '"method":"settings.set","params":{"values":{null:2}}}',
        HEAD + '"method":"settings.set","params":{1:2}}',
        HEAD + '"method":"session.stop","params":{null:1}}',
        HEAD + '"method":"status","params":{1.5:true}}',
    ):
        name = bench.raw(line)["error"]["data"]["name"]
        assert name in ("parse_error", "invalid_params", "unknown_setting"), line
    assert bench.app.session.state == 1


def test_an_error_fits_its_line_whatever_it_quotes():
    bench = Bench()
    names = ",".join('"%d%s":1' % (n, "\\u0001" * 9) for n in range(7))
    lines = (
        HEAD + '"method":"settings.get","params":{"name":"%s"}}' % NAUGHTY,
        HEAD + '"method":"settings.reset","params":{"names":["%s"]}}' % NAUGHTY,
        HEAD + '"method":"settings.reset","params":{"names":[1e999]}}',
        HEAD + '"method":"settings.reset","params":{"names":[[[{}]]]}}',
        HEAD + '"method":"%s"}' % NAUGHTY,
        HEAD + '"method":"settings.set","params":{"values":{%s}}}' % names,
        HEAD + '"method":"settings.get","params":{"name":"%s"}}' % ("\xe9" * 190),
    )
    for line in lines:
        assert len(line.encode()) < wire.LINE_MAX
        reply = bench.raw(line)
        assert reply["id"] == 1
        assert reply["error"]["data"]["remedy"]
        length = len(rpc.answer(bench.app, line.encode()).encode())
        assert length <= wire.REPLY_MAX - 6, (length, line)


def test_a_hole_in_a_method_is_an_error_and_not_the_end():
    bench = Bench()
    bench.start()

    def broken(app, params):
        raise KeyError("hole")

    row = methods.BY_NAME["hello"]
    methods.BY_NAME["hello"] = ("hello", broken, {}, 0, "")
    try:
        reply = bench.raw('{"jsonrpc":"2.0","id":5,"method":"hello"}')
        silent = bench.raw('{"jsonrpc":"2.0","method":"hello"}')
    finally:
        methods.BY_NAME["hello"] = row
    assert reply["error"]["data"]["name"] == "internal_error"
    assert reply["error"]["data"]["reason"] == "KeyError"
    assert silent is None
    assert bench.app.session.state == 1


def test_resetting_no_setting_resets_none():
    bench = Bench()
    bench.call("settings.set", values={"area_s": 60})
    assert bench.call("settings.reset", names=[])["changed"] == []
    assert bench.app.settings["area_s"] == 60


TEXT = """{ } [ ] , : " "jsonrpc" "2.0" "id" "method" "params" "session.start" "settings.set" "values" "level"
    "run_s" "names" "settings.reset" "status" "schema" "section" "start" "area_s" "name" "settings.get" "hz"
    1 -1 0 1.5 1e999 NaN null true false 99999999999999999999 *1A2B \\ \\u12 \xe9
    "telemetry.subscribe" """
PIECES = TEXT.split()


def test_two_thousand_shuffled_requests_harm_nothing():
    bench = Bench()
    bench.start(level=3)
    seed = 99
    for _ in range(2000):
        seed = (seed * 1103515245 + 12345) & 0x3FFFFFFF
        parts = ['{"jsonrpc":"2.0","id":1,"method":'] if seed & 0x4000 else []
        for _ in range(seed >> 16 & 15):
            seed = (seed * 1103515245 + 12345) & 0x3FFFFFFF
            parts.append(PIECES[(seed >> 12) % len(PIECES)])
        line = "".join(parts).encode()
        text = rpc.answer(bench.app, line)
        if text is not None:
            assert len(text.encode()) <= wire.REPLY_MAX - 6
            assert "result" in text or "error" in text
        assert bench.app.session.state == 1, line
    bench.app.session.heard_host()
    bench.run_ms(100)
    assert bench.app.session.state == 1
