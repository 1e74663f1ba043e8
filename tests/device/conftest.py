"""The host against a whole device, through its port: a virtual board in a process of its own, or a real one.

pytest tests/device                      a virtual board on a pty
pytest tests/device --dev /dev/ttyACM0   this board: its motor will turn, its settings are put back
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from device_hands import agreed, allowed
from openknead import Device, connect
from openknead.virtual import virtual_board

TIMEOUT_S = 10.0  # patience with a busy machine; no test waits so long for what comes


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--dev", metavar="PORT", help="run the device tests on this board")


@pytest.fixture(scope="session", autouse=True)
def _folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENKNEAD_RUN_DIR", str(tmp_path_factory.mktemp("run")))
        patch.setenv("OPENKNEAD_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("OPENKNEAD_NO_GUIDE", "1")  # whoever gives --dev has seen to it that nobody is massaged
        patch.delenv("OPENKNEAD_PORT", raising=False)
        yield


@pytest.fixture(scope="module")
def port(request: pytest.FixtureRequest, _folders: None) -> Iterator[str]:
    given = request.config.getoption("--dev", default=None)
    if given:
        yield given
        return
    with virtual_board() as found:
        yield found


@pytest.fixture
def device(port: str) -> Iterator[Device]:
    """Connected, idle, no telemetry; what a test changes in the settings is taken back afterwards."""
    with connect(port, timeout=TIMEOUT_S) as board:
        before = board.get_all()
        yield board
    with connect(port, timeout=TIMEOUT_S) as board:
        board.stop()
        board.wait(TIMEOUT_S)
        board.subscribe(0)
        now = board.get_all()
        changed = {name: value for name, value in before.items() if now[name] != value}
        if changed:
            agreed(board, port, changed)
        allowed(board, port)
