"""The forms in which the firmware is built: machine code for the tick, where it can be loaded."""

from __future__ import annotations

import pytest
from openknead.flash import build
from openknead_sim.emulator.firmware import precompiled

MODULE = b"""class A:
    x = 1

    def f(self):
        return 1

    def g(self):
        return self.f()
"""


def test_method_becomes_native_without_moving_a_line() -> None:
    native = build.natively(MODULE, ["g"])

    assert native == MODULE.replace(b"\n\n    def g", b"\n    @micropython.native\n    def g")
    assert native.count(b"\n") == MODULE.count(b"\n")


def test_method_that_is_not_there_is_an_error_and_not_left_out() -> None:
    with pytest.raises(ValueError, match="0 methods h"):
        build.natively(MODULE, ["h"])


def test_only_the_modules_of_the_tick_differ_between_the_precompiled_forms() -> None:
    native, bytecode = build.firmware_files("native"), build.firmware_files("mpy")

    differing = {name for name in native if native[name] != bytecode[name]}
    assert differing == {name.removesuffix(".py") + ".mpy" for name in build.NATIVE}
    assert native.keys() == bytecode.keys()


def test_source_of_a_test_in_place_of_a_native_module_becomes_bytecode() -> None:
    files = build.firmware_files("native", {"massager/app.py": b"x = 1\n"})

    assert files["massager/app.mpy"][2] == 0


def test_machine_code_is_marked_in_the_file_with_what_loads_it() -> None:
    files = build.firmware_files("native")

    assert files["massager/drive.mpy"][2] == build.native_version()
    assert files["massager/areas.mpy"][2] == 0  # bytecode alone: any MicroPython of this bytecode version


@pytest.mark.parametrize(
    ("micropython", "form"),
    [("1.20.0", "mpy"), ("1.24.1", "native"), ("1.28.0", "native"), ("1.29.0", "native")],
)
def test_form_for_each_micropython(micropython: str, form: str) -> None:
    assert precompiled(micropython) == form
