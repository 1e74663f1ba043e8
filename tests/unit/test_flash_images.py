"""Images are taken only when they are what the lock file says. Needs no image."""

import dataclasses
import hashlib

import pytest
from openknead.flash import images


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENKNEAD_UF2_DIR", str(tmp_path))
    return tmp_path


def test_missing_image_says_which_file_goes_where_and_whence(cache):
    with pytest.raises(images.ImageMissing) as caught:
        images.find("1.24.1")
    message = str(caught.value)
    assert str(cache / "RPI_PICO-20241129-v1.24.1.uf2") in message
    assert "https://micropython.org/resources/firmware/RPI_PICO-20241129-v1.24.1.uf2" in message
    assert "OPENKNEAD_UF2_DIR" in message


def test_wrong_content_is_refused_with_both_hashes(cache):
    image = images.locked()["1.20.0"]
    (cache / image.file).write_bytes(b"UF2\n")
    with pytest.raises(images.ImageMismatch) as caught:
        images.find("1.20.0")
    message = str(caught.value)
    assert image.file in message
    assert image.sha256 in message
    assert hashlib.sha256(b"UF2\n").hexdigest() in message


def test_right_content_is_taken(cache, monkeypatch):
    content = b"not a real image"
    image = images.Image("x.uf2", "9.9.9", 16, hashlib.sha256(content).hexdigest(), "http://x", "here")
    monkeypatch.setattr(images, "locked", lambda: {"9.9.9": image})
    (cache / "x.uf2").write_bytes(content)
    assert images.find("9.9.9") == cache / "x.uf2"


def test_unknown_version_names_the_known_ones(cache):
    with pytest.raises(images.ImageError, match=r"1\.20\.0, 1\.24\.1"):
        images.find("0.9")


def test_cache_folder_is_the_users_unless_overridden(monkeypatch):
    monkeypatch.delenv("OPENKNEAD_UF2_DIR", raising=False)
    assert images.folder().parts[-2:] == ("openknead", "uf2")


@pytest.mark.parametrize("image", images.locked().values(), ids=lambda image: image.micropython)
def test_lock_file_rows_are_complete(image):
    assert len(bytes.fromhex(image.sha256)) == 32
    assert image.size % 512 == 0
    assert image.url.endswith("/" + image.file)
    assert image.version == tuple(int(n) for n in image.file.split("-v")[1].removesuffix(".uf2").split("."))
    assert all(dataclasses.astuple(image))
