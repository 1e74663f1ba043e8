"""Images are taken only when they are what the lock file says, from the cache or from a server."""

import dataclasses
import hashlib
import http.server
import threading

import pytest
from openknead.flash import images
from openknead.flash.errors import HostStorage


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
    with pytest.raises(images.ImageError, match=r"1\.20\.0, 1\.24\.1, 1\.28\.0 \(default\)"):
        images.find("0.9")


def test_each_version_says_whether_it_was_run(cache):
    assert images.REFERENCE == "1.28.0"
    assert [version for version, image in images.locked().items() if image.warning] == ["1.29.0"]
    assert images.described().endswith("1.29.0 (hash known, not run by us)")


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


# -- loaded -----------------------------------------------------------------------------------------------

CONTENT = bytes(range(256)) * 1_000


@pytest.fixture
def server():
    """A web server on this machine: `answer` is (status, headers, body), `asked` counts requests."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            listening.asked += 1
            status, headers, body = listening.answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments):
            pass

    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.answer = (200, {"Content-Length": str(len(CONTENT))}, CONTENT)
    listening.asked = 0
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield listening
    listening.shutdown()
    listening.server_close()


@pytest.fixture
def loaded(cache, server, monkeypatch):
    """The lock file knows one image, which the server has; the cache is empty."""
    url = f"http://127.0.0.1:{server.server_port}/x.uf2"
    row = images.Image("x.uf2", "9.9.9", len(CONTENT), hashlib.sha256(CONTENT).hexdigest(), url, "here")
    monkeypatch.setattr(images, "locked", lambda: {"9.9.9": row})
    return cache / "x.uf2"


def test_image_is_loaded_once_with_real_byte_counts(loaded, server):
    seen = []

    assert images.get("9.9.9", lambda done, total: seen.append((done, total))) == loaded
    assert loaded.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)

    assert images.get("9.9.9") == loaded
    assert server.asked == 1


@pytest.mark.parametrize(
    "answer",
    [
        (404, {}, b"no"),
        (200, {"Content-Length": str(len(CONTENT))}, CONTENT[:5_000]),  # the line breaks
    ],
    ids=["not found", "broken off"],
)
def test_image_that_does_not_come_leaves_nothing_and_says_how_to_fetch_it_by_hand(loaded, server, answer):
    server.answer = answer

    with pytest.raises((images.ImageMissing, images.ImageMismatch)) as caught:
        images.get("9.9.9")

    assert "x.uf2" in str(caught.value)
    assert list(loaded.parent.iterdir()) == []


@pytest.mark.parametrize(
    "body",
    [CONTENT[:-1] + b"!", CONTENT + b"more", b"<html>log in first</html>"],
    ids=["bit", "long", "page"],
)
def test_other_content_is_refused_and_not_kept(loaded, server, body):
    server.answer = (200, {}, body)

    with pytest.raises(images.ImageMismatch, match="SHA-256"):
        images.get("9.9.9")

    assert list(loaded.parent.iterdir()) == []


def test_no_network_names_the_file_and_where_to_put_it(loaded, server):
    server.shutdown()
    server.server_close()

    with pytest.raises(images.ImageMissing) as caught:
        images.get("9.9.9")

    assert str(loaded) in str(caught.value)


def test_cache_that_takes_no_file_is_told(loaded, server, monkeypatch):
    (loaded.parent / "file").write_text("in the way")
    monkeypatch.setenv("OPENKNEAD_UF2_DIR", str(loaded.parent / "file" / "below"))

    with pytest.raises(HostStorage, match="cannot be written"):
        images.get("9.9.9")
