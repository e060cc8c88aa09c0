"""The page of `demo`, in a real browser, with real uploads."""

import contextlib
import re
import signal
import socket
import sys
import time
import urllib.error
import urllib.request

import processes
import pytest

from video_zoo.evaluation import DemoConfig, demo

TOOL = processes.ROOT / "tools" / "demo.py"
CLASSES = "left", "right", "up", "down", "growing"
WAIT = 120  # seconds at the most


@contextlib.contextmanager
def page(folder, *command):
    """A running demo, whose temporary folder is below `folder`: its process and its address."""
    pytest.importorskip("gradio")
    started = processes.start(*command, TMPDIR=str(folder))
    try:
        line = started.stdout.readline()
        address = re.search(r"http://\S+/", line)
        assert address, line + started.stderr.read()
        yield started, address.group()
    finally:
        started.kill()
        started.communicate()


@pytest.fixture(scope="module")
def address(run, tmp_path_factory):
    flags = "--workdir", run, "--upload_megabytes=1"
    with page(tmp_path_factory.mktemp("demo"), TOOL, *flags) as (_, found):
        yield found


def dropped(browser, address, path):
    """The page, with a file dropped on it."""
    browser.get(address)
    waited(browser, "return document.querySelector('#video input[type=file]') !== null")
    browser.find_element("css selector", "#video input[type=file]").send_keys(str(path))


def waited(browser, script):
    """What a script gives as soon as that is something."""
    end = time.monotonic() + WAIT
    while not (found := browser.execute_script(script)):
        assert time.monotonic() < end, browser.execute_script("return document.body.innerText")
        time.sleep(0.1)
    return found


def test_a_dropped_video_gets_classes_a_timeline_and_a_film(browser, address, videos):
    dropped(browser, address, videos[0])
    shown = waited(browser, "return document.querySelector('#classes').innerText.includes('%')")
    text = browser.find_element("css selector", "#classes").text
    assert shown and all(name in text for name in CLASSES)
    width = "const img = document.querySelector('#timeline img'); return img && img.naturalWidth"
    assert waited(browser, width) == 1200
    seconds = "const film = document.querySelector('#heat video'); return film && film.duration"
    assert waited(browser, seconds) == pytest.approx(12 / 25, abs=0.02)  # all frames


def test_a_bad_file_is_answered_with_the_reason(browser, address, tmp_path):
    text = tmp_path / "text.mp4"
    text.write_text("no video\n" * 100)
    dropped(browser, address, text)
    reason = "return document.body.innerText.match(/This video cannot be used: .*/)"
    assert waited(browser, reason) == ["This video cannot be used: not a video: text"]


def test_a_file_that_is_too_large_is_refused_by_page_and_server(browser, address, tmp_path):
    large = tmp_path / "large.mp4"
    large.write_bytes(bytes(2**21))
    dropped(browser, address, large)
    assert waited(browser, "return document.body.innerText.includes('maximum allowed size')")
    form = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.mp4"\r\n\r\n'
    form += large.read_bytes() + b"\r\n--x--\r\n"
    request = urllib.request.Request(f"{address}gradio_api/upload", form)
    request.add_header("Content-Type", "multipart/form-data; boundary=x")
    with pytest.raises(urllib.error.HTTPError, match="413"):
        urllib.request.urlopen(request, timeout=WAIT)


def test_the_page_is_open_to_this_machine_alone(address):
    port = int(address.rstrip("/").rpartition(":")[2])
    # Another address of this machine that reaches whatever is bound to all of them.
    with socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect(("127.0.0.2", port))


def classified(address, video):
    """What a program gets of a page that a user has in the browser."""
    from gradio_client import Client, handle_file

    return Client(address, verbose=False).predict(handle_file(str(video)), api_name="/classify")


def test_a_program_that_sends_no_video_is_told_so(address):
    from gradio_client import Client

    with pytest.raises(Exception, match="This video cannot be used: there is none"):
        Client(address, verbose=False).predict(None, api_name="/classify")


def test_what_a_killed_page_left_is_removed_by_the_next_and_nothing_else(run, videos, tmp_path):
    command = TOOL, "--workdir", run
    with page(tmp_path, *command) as (killed, _), page(tmp_path, *command) as (_, alive):
        killed.kill()
        killed.wait()
        both = set(tmp_path.glob("video_zoo_demo_*"))
        with page(tmp_path, *command):
            there = set(tmp_path.glob("video_zoo_demo_*"))
            assert len(both) == 2 and len(there) == 2 and len(both & there) == 1
        assert classified(alive, videos[0])


def test_where_there_is_no_room_the_page_tells_it(run, videos, tmp_path):
    resource = pytest.importorskip("resource")
    with page(tmp_path, TOOL, "--workdir", run) as (started, found):
        size = videos[0].stat().st_size  # has room itself
        resource.prlimit(started.pid, resource.RLIMIT_FSIZE, (size, size))
        with pytest.raises(Exception, match="This video cannot be used: .* cannot be written"):
            classified(found, videos[0])


def test_ctrl_c_ends_it_and_removes_what_was_uploaded(run, videos, tmp_path):
    with page(tmp_path, TOOL, "--workdir", run) as (started, found):
        assert classified(found, videos[0])[0]["label"] in {
            "left",
            "right",
            "up",
            "down",
            "growing",
        }
        assert list(tmp_path.rglob(videos[0].name)) and list(tmp_path.rglob("heat.mp4"))
        started.send_signal(signal.SIGINT)
        assert started.wait(WAIT) == 130
        assert not list(tmp_path.glob("video_zoo_demo_*"))


def test_uploads_and_pictures_go_after_their_time(run, videos, tmp_path):
    code = (
        "from video_zoo.evaluation import DemoConfig, demo\n"
        "import sys\n"
        "module = sys.modules['video_zoo.evaluation.demo']\n"
        # Longer than a busy machine takes for the first video.
        "module._KEPT, module._LOOKED_FOR = 20, 1\n"
        f"demo(DemoConfig(workdir={str(run)!r}))"
    )
    with page(tmp_path, "-c", code) as (_, found):
        assert classified(found, videos[0])[0]
        end = time.monotonic() + WAIT
        while left := [path for path in tmp_path.rglob("*.*") if path.suffix in (".mp4", ".png")]:
            assert time.monotonic() < end, left
            time.sleep(0.1)


def test_a_port_that_is_taken_is_told(run, tmp_path):
    pytest.importorskip("gradio")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = processes.run_tool("demo", "--workdir", run, f"--port={port}", TMPDIR=str(tmp_path))
    assert done.returncode == 2
    assert "`port` must be a port that is free on `host` '127.0.0.1'" in done.stderr
    assert not list(tmp_path.glob("video_zoo_demo_*"))


def test_without_gradio_the_remedy_is_told(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(ImportError, match=r'pip install "video-zoo\[demo\]"'):
        demo(DemoConfig(workdir=str(run)))
