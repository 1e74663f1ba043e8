"""Names for devices: found by the board, opened only where nothing else tells which it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from host_peer import Peer
from openknead import devices, ports
from openknead.devices import Known
from openknead.errors import DeviceNameError, PortAmbiguous, PortNotFound, WrongDevice
from openknead.ports import Port

USB = [Port("/dev/ttyACM0", "usb", "", "E660AAAA"), Port("/dev/ttyACM1", "usb", "", "E660BBBB")]


@pytest.fixture(autouse=True)
def _config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENKNEAD_CONFIG_DIR", str(tmp_path / "config"))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ports that were asked, each of them board e660cccc."""
    asked: list[str] = []

    def ask(port: str, timeout: float) -> str:
        asked.append(port)
        return "e660cccc"

    monkeypatch.setattr(devices, "_board_at", ask)
    return asked


def at(monkeypatch: pytest.MonkeyPatch, *found: Port) -> None:
    monkeypatch.setattr(ports, "candidates", lambda: list(found))


def test_a_usb_serial_number_tells_the_board_and_nothing_is_opened(
    monkeypatch: pytest.MonkeyPatch, opened: list[str]
) -> None:
    at(monkeypatch, *USB, Port("/dev/pts/1", "virtual", ""))

    assert devices.locate(Known("one", board="e660bbbb"), 1) == "/dev/ttyACM1"
    assert opened == []


def test_only_what_shows_no_serial_number_is_asked(
    monkeypatch: pytest.MonkeyPatch, opened: list[str]
) -> None:
    at(monkeypatch, *USB, Port("/dev/pts/1", "virtual", ""))

    assert devices.locate(Known("one", board="E660cccc"), 1) == "/dev/pts/1"
    assert opened == ["/dev/pts/1"]


def test_two_alike_and_none_are_errors(monkeypatch: pytest.MonkeyPatch, opened: list[str]) -> None:
    at(monkeypatch, Port("/dev/pts/1", "virtual", ""), Port("/dev/pts/2", "virtual", ""))
    with pytest.raises(PortAmbiguous):
        devices.locate(Known("one", board="e660cccc"), 1)
    at(monkeypatch, *USB)
    with pytest.raises(PortNotFound, match="board e660cccc"):
        devices.locate(Known("one", board="e660cccc"), 1)


def test_an_address_is_taken_as_it_is(opened: list[str]) -> None:
    assert devices.locate(Known("far", port="socket://there:1"), 1) == "socket://there:1"
    assert opened == []


def test_what_is_added_is_found_and_comments_stay() -> None:
    devices.add(Known("one", board="e660aaaa"))
    devices.file().write_text("# mine\n" + devices.file().read_text())
    devices.add(Known("two.b", board="e660bbbb", port="socket://there:1"))

    assert devices.load() == {
        "one": Known("one", "e660aaaa"),
        "two.b": Known("two.b", "e660bbbb", "socket://there:1"),
    }
    with pytest.raises(DeviceNameError, match="already"):
        devices.add(Known("one", board="e660cccc"))
    devices.add(Known("one", board="e660cccc"), replace=True)
    assert devices.find("one").board == "e660cccc"
    devices.remove("one")
    assert list(devices.load()) == ["two.b"]
    assert devices.file().read_text().startswith("# mine\n")


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "x" * 65, "ä"])
def test_names_are_plain_words(name: str) -> None:
    with pytest.raises(DeviceNameError, match="is no name"):
        devices.add(Known(name, board="e660"))
    assert not devices.file().exists()


@pytest.mark.parametrize(
    "text", ["[", "one = 1", "[one]", "[one]\nboard = 1", '[one]\nboard = "e"\nbaud = "9"']
)
def test_a_damaged_file_is_named_and_left_alone(text: str) -> None:
    devices.file().parent.mkdir(parents=True)
    devices.file().write_text(text)

    for act in (devices.load, lambda: devices.add(Known("two", board="e"))):
        with pytest.raises(DeviceNameError, match=r"devices\.toml"):
            act()
    assert devices.file().read_text() == text


def test_another_board_is_refused_before_anything_is_asked_of_it(peer: Peer) -> None:
    from openknead import connect

    with pytest.raises(WrongDevice, match="board e660 answers"):
        connect(peer.port, board="e661")
    assert peer.methods() == ["hello"]
    connect(peer.port, board="E660").close()
