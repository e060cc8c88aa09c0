"""Fixtures that write tiny real videos, and find the larger real ones."""

import os
import pathlib
import shutil
import signal

import video_zoo  # noqa: F401  (before TensorFlow, whose fast kernels it asks for)

# isort: split
import keras
import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]


def pytest_configure():
    # In the background of a shell Ctrl-C is ignored, also by what the tests start there.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


# Narrow networks have unlucky weights, so those of each test are always the same. Seeded before its
# fixtures and before itself, as which fixtures exist depends on the tests that a worker ran before.
@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    keras.utils.set_random_seed(1)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call():
    keras.utils.set_random_seed(2)


@pytest.fixture(scope="session")
def repository() -> pathlib.Path:
    """The folder that holds `tools/` and `tests/`."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
    """The folder of real videos beside the repository; tests that need it are skipped without."""
    folder = pathlib.Path(os.environ.get("VIDEO_ZOO_TEST_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real videos at {folder}: set VIDEO_ZOO_TEST_DATA to their folder")
    return folder


@pytest.fixture(scope="module")
def browser():
    """A real browser without a window, driven by Selenium."""
    webdriver = pytest.importorskip("selenium.webdriver")
    driver = shutil.which("chromedriver")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if driver is None or chromium is None:
        pytest.skip("no Chromium with its chromedriver is installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu"):
        options.add_argument(argument)
    started = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield started
    started.quit()


@pytest.fixture(scope="session")
def write_video():
    """A function (path, frames, fps=25, codec="mp4v") that writes RGB frames as a video file."""
    import cv2

    def write(path, frames, fps=25.0, codec="mp4v"):
        path = pathlib.Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        frames = np.asarray(frames, np.uint8)
        size = frames.shape[2], frames.shape[1]
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), fps, size)
        assert writer.isOpened(), f"this OpenCV cannot write {codec}"
        for frame in frames:
            writer.write(np.ascontiguousarray(frame[..., ::-1]))
        writer.release()
        return path

    return write


@pytest.fixture(scope="session")
def counter_frames():
    """A function (count, height=64, width=128) giving frames that carry their own number.

    The number is drawn in binary as eight large squares, black or white, so it survives any
    compression and resizing; `read_counter` reads it.
    """

    def draw(count, height=64, width=128):
        frames = np.zeros((count, height, width, 3), np.uint8)
        for number, frame in enumerate(frames):
            for bit in range(8):
                row, column = divmod(bit, 4)
                square = frame[
                    row * height // 2 : (row + 1) * height // 2,
                    column * width // 4 : (column + 1) * width // 4,
                ]
                square[:] = 255 if number >> bit & 1 else 0
        return frames

    return draw


@pytest.fixture(scope="session")
def read_counter():
    """A function (jpeg) -> the number that `counter_frames` drew into the frame."""
    import cv2

    def read(jpeg):
        picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
        height, width = picture.shape
        centres = [
            picture[(2 * row + 1) * height // 4, (2 * column + 1) * width // 8]
            for row in range(2)
            for column in range(4)
        ]
        return sum(int(value > 127) << bit for bit, value in enumerate(centres))

    return read


@pytest.fixture(scope="session")
def make_shards():
    """A function (folder, short_side=32, **settings) -> folder/shards, made of folder/videos."""
    from video_zoo import data

    def make(folder, short_side=32, **settings):
        place = str(folder / "videos"), str(folder / "shards")
        settings = {"num_shards": 2, "workers": 1} | settings
        encoding = data.EncodingConfig(short_side=short_side)
        data.convert(data.ConversionConfig(*place, encoding=encoding, **settings), progress=False)
        return folder / "shards"

    return make


@pytest.fixture(scope="session")
def motion_shards(tmp_path_factory, make_shards) -> pathlib.Path:
    """Shards of 23 training and 10 validation videos of the five motion classes, 32x32 pixels."""
    from video_zoo import data

    folder = tmp_path_factory.mktemp("motion")
    data.write_motion_videos(
        folder / "videos", train_per_class=5, val_per_class=2, num_frames=12, size=32
    )
    for extra in list((folder / "videos" / "train" / "up").glob("*.mp4"))[:2]:
        extra.unlink()  # 23 examples: no multiple of any batch size
    return make_shards(folder)


@pytest.fixture(scope="session")
def tiny_run() -> dict:
    """Settings of a run that takes seconds."""
    return {
        "model": "r3d_18",  # of the networks the one that is compiled soonest
        "num_frames": 8,
        "image_size": 32,
        "width_multiplier": 0.0625,
        "random_flip": False,
        "batch_size": 5,
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "schedule": "constant",
    }


@pytest.fixture(scope="session")
def tiny_flags(tiny_run) -> list[str]:
    """The same as flags of a tool."""
    return [
        f"--{'' if value else 'no'}{name}" if isinstance(value, bool) else f"--{name}={value}"
        for name, value in tiny_run.items()
    ]


@pytest.fixture
def write_module(tmp_path, monkeypatch):
    """A function (text) that writes a module into the working folder; its name is a new one."""

    def write(text):
        monkeypatch.chdir(tmp_path)
        name = f"own_{tmp_path.name}"
        (tmp_path / f"{name}.py").write_text(text)
        return name

    return write
