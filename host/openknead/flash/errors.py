"""What can go wrong while flashing, as types; each has a code, a name, a remedy and an exit code."""

from __future__ import annotations

from openknead.errors import OpenKneadError, PortError

AGAIN = "run the same command again: it continues where this one stopped"


class FlashError(OpenKneadError):
    """Base of the errors of flashing."""

    code, name, exit_code = -33120, "flash_error", 1
    remedy = AGAIN


class ImageError(FlashError):
    """A MicroPython image cannot be used; the message says which file, why, and what to do."""

    code, name = -33121, "image_error"
    remedy = ""


class ImageMissing(ImageError):
    """The image is not in the cache and could not be loaded."""

    code, name = -33122, "image_missing"


class ImageMismatch(ImageError):
    """A file of that name is there, or came, but its content is not that of the lock file."""

    code, name = -33123, "image_mismatch"


class Uf2Error(ImageError):
    """A file is no UF2, is not whole, or is meant for another chip. Nothing was written."""

    code, name = -33124, "uf2_invalid"
    remedy = "take an image of MicroPython for the Pico (RPI_PICO), or none: knead knows the right one"


class WrongBoard(FlashError):
    """The board is none that the firmware runs on. Nothing was written."""

    code, name, exit_code = -33125, "wrong_board", 6
    remedy = "OpenKnead runs on a Raspberry Pi Pico with an RP2040"


class BoardFull(FlashError):
    """The board's flash has no room for the firmware (`data`: needed, free, in bytes)."""

    code, name = -33126, "board_full"
    remedy = (
        "delete files of your own from the board (mpremote fs ls, fs rm), then run the same command again"
    )


class HostStorage(FlashError):
    """This computer cannot keep the backup or the image, so the board is left alone."""

    code, name = -33127, "host_storage"
    remedy = "make room, or name another folder: OPENKNEAD_DATA_DIR for backups, OPENKNEAD_UF2_DIR for images"


class BoardSilent(FlashError):
    """The board's MicroPython does not answer as it should, or went away on the way."""

    code, name, exit_code = -33128, "board_silent", 5
    remedy = "check cable and power; " + AGAIN


class NotVerified(FlashError):
    """What the board read back is not what it was sent."""

    code, name, exit_code = -33129, "not_verified", 5
    remedy = "try a shorter or better cable; " + AGAIN


class DriveError(PortError):
    """The board's BOOTSEL drive is not there, is no such drive, or takes nothing."""

    code, name = -33130, "drive_error"
    remedy = "hold BOOTSEL while plugging the board in, mount the drive, run the same command again"


class NotStarted(FlashError):
    """Everything is on the board, but the firmware does not come up as what was installed."""

    code, name, exit_code = -33131, "not_started", 5
    remedy = "see what the board says: mpremote connect PORT, then Ctrl-D; " + AGAIN


class MotorTurns(FlashError):
    """The motor does not come to rest. Nothing was written."""

    code, name = -33132, "motor_turns"
    remedy = "press STOP on the device, then run the same command again"


class ImageUntried(ImageError):
    """Only the hash of that MicroPython is known; the project's tests have not run on it. Nothing was
    written."""

    code, name = -33134, "image_untried"
    remedy = "take the version that knead would take, or add --yes to try this one"


class WouldErase(FlashError):
    """The image reaches into the flash where files of the user may lie, and they cannot be read before."""

    code, name = -33133, "would_erase"
    remedy = "take the image that knead would take, or say --yes if nothing on the board is worth keeping"
