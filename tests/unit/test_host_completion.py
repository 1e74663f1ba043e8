"""Completion: from what is kept on disk, quick, and without touching a port."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from host_peer import SETTINGS, Knead
from openknead.cli.completion import SHELLS

Complete = Callable[..., list[str]]
COMMAND = [sys.executable, "-c", "import sys; sys.argv[0] = 'knead'; from openknead.cli import main; main()"]


@pytest.fixture
def complete(tmp_path: Path) -> Complete:
    """What is offered for the last of these words, as bash asks for it."""
    schema = tmp_path / "cache" / "schema"
    schema.mkdir(parents=True)
    (schema / "aaaa.json").write_text(json.dumps({"settings": SETTINGS}))
    (schema / "bbbb.json").write_text("{")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "devices.toml").write_text('[bench]\nboard = "e660"\n')

    def offered(*words: str) -> list[str]:
        env = os.environ | {
            "OPENKNEAD_CACHE_DIR": str(tmp_path / "cache"),
            "OPENKNEAD_CONFIG_DIR": str(tmp_path / "config"),
            "OPENKNEAD_PORT": "/dev/nowhere",
            "_KNEAD_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(["knead", *words]),
            "COMP_CWORD": str(len(words)),
        }
        done = subprocess.run(COMMAND, env=env, capture_output=True, text=True)
        assert not done.stderr
        return [line.partition(",")[2] for line in done.stdout.splitlines() if line]

    return offered


def test_commands_settings_and_names_of_devices(complete: Complete) -> None:
    assert {"set", "status", "stop"} <= set(complete("s"))
    assert complete("get", "bu") == ["buzzer"]
    assert complete("reset", "buzzer", "m") == ["min_level", "max_level"]
    assert complete("set", "--yes-weaken", "sess") == ["session_limit_s"]
    assert complete("--device", "b") == ["bench"]
    assert complete("device", "r") == ["remove"]
    assert complete("program", "pu") == ["push", "pull"]


def test_values_however_the_shell_cuts_them(complete: Complete) -> None:
    assert complete("set", "sl") == ["slew_s="]
    assert complete("set", "buzzer=") == ["buzzer=on", "buzzer=off"]
    assert complete("set", "buzzer", "=") == ["on", "off"]  # bash: = is a word of its own
    assert complete("set", "slew_s", "=", "1", "buzzer", "=", "of") == ["off"]
    assert complete("set", "slew_s", "=", "1", "ar") == ["area_s="]
    assert complete("set", "session_limit_s=") == [f"session_limit_s={value}" for value in (300, 600, 900)]
    assert complete("set", "nonsense=") == []


def test_nothing_kept_offers_nothing(complete: Complete, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "config" / "devices.toml").write_text("[")

    assert complete("get", "bu") == []
    assert complete("--device", "b") == []


def test_completing_a_setting_loads_no_serial_port_and_no_other_command() -> None:
    code = "import sys, openknead.cli.root, openknead.cli.settings; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert not {"serial", "rich", "openknead.device", "openknead.programs", "tomlkit"} & set(loaded.split())


def test_the_device_used_last_is_completed_from(knead: Knead, complete: Complete, tmp_path: Path) -> None:
    from openknead.schema import last_kept

    newer = tmp_path / "cache" / "schema" / "cccc.json"
    newer.write_text(json.dumps({"settings": SETTINGS[:1]}))
    os.utime(newer, (1, 1))
    assert len(last_kept("settings")) == len(SETTINGS)
    os.utime(newer)
    os.utime(tmp_path / "cache" / "schema" / "aaaa.json", (1, 1))
    assert len(last_kept("settings")) == 1


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_of_each_shell(knead: Knead, shell: str) -> None:
    code, out, _ = knead("completion", shell)

    assert code == 0
    assert "_KNEAD_COMPLETE" in out
    if shutil.which(shell):
        done = subprocess.run([shell, "-n"], input=out, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_bash_puts_no_space_behind_the_equals_sign(knead: Knead) -> None:
    assert "compopt -o nospace" in knead("completion", "bash")[1]
