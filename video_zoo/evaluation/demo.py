"""demo: a page in the browser. A video is dropped; its classes are shown, and when and where."""

import dataclasses
import os
import pathlib
import tempfile
import threading
from types import ModuleType

from video_zoo import errors
from video_zoo.data.videos import video
from video_zoo.files.ownership import remove_unowned, sole_owner
from video_zoo.run.trained import TrainedNetwork, load_network

from .demo_config import DemoConfig
from .heat_maps import find_maps
from .predict import Predictor, Timelines
from .views import encoding_of

_FOLDERS = "video_zoo_demo_"
_TITLE = "What happens in this video?"
# Seconds after which uploads and what was made of them are removed, and how often that is looked
# for. Nobody waits that long in the queue.
_KEPT, _LOOKED_FOR = 1800, 60
_WAITING = 8  # videos


def demo(config: DemoConfig) -> None:
    """Serves a page on which a network classifies the videos that are dropped there, until Ctrl-C.

    The page shows the classes of a video, when they are seen, and where the network looks. Uploads
    and pictures lie in a temporary folder. They are removed after half an hour, and with the page;
    those of a page that was killed, when the next one begins.

    Args:
        config: the network, and where the page is.

    Raises:
        ImportError: Gradio is missing; the extra ``[demo]`` has it.
        ValueError: the port is taken, or this machine has no such address.
        ValueError, OSError: as :func:`video_zoo.run.trained.load_network`.

    Example:
        >>> demo(DemoConfig(workdir="RUN"))  # doctest: +SKIP
    """
    config.check_files()
    for left in pathlib.Path(tempfile.gettempdir()).glob(f"{_FOLDERS}*"):
        remove_unowned(left)
    with tempfile.TemporaryDirectory(prefix=_FOLDERS) as folder, sole_owner(folder, "TMPDIR"):
        gradio = _load_gradio(folder)
        video.decoder_versions()  # fails before the network is loaded, if it does
        network = load_network(**config.network)
        network.check_classifier()
        page = _page(gradio, _Looker(gradio, network, config, folder), config)
        try:
            print(f"open {_launch(page, config)} in a browser; Ctrl-C ends it", flush=True)
            threading.Event().wait()
        finally:
            page.close(verbose=False)


def _load_gradio(folder: str) -> ModuleType:
    # It would ask its makers' servers for news, and tell them of the page.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_TEMP_DIR"] = folder
    try:
        import gradio
    except ImportError as error:
        raise ImportError(
            f"Gradio, which makes the page, cannot be loaded ({error}). Install it: "
            '`pip install "video-zoo[demo]"`.'
        ) from error
    return gradio


def _page(gradio: ModuleType, look: "_Looker", config: DemoConfig):
    name = config.workdir or config.checkpoint or config.model
    with gradio.Blocks(title="video_zoo", delete_cache=(_LOOKED_FOR, _KEPT)) as page:
        gradio.Markdown(f"# {_TITLE}\nThe network is `{name}`.")
        upload = gradio.File(label="A video", type="filepath", elem_id="video")
        with gradio.Row():
            with gradio.Column():
                gradio.Markdown("## The whole video")
                classes = gradio.Label(show_label=False, elem_id="classes")
            with gradio.Column(visible=look.shows_heat):
                gradio.Markdown("## Where the network looks")
                heat = gradio.Video(show_label=False, autoplay=True, height=360, elem_id="heat")
        gradio.Markdown("## What is seen when")
        timeline = gradio.Image(show_label=False, elem_id="timeline", buttons=["fullscreen"])
        shown = [classes, timeline, heat]
        # What belongs to the last video does not stand beside the reason why the next is refused.
        upload.change(
            lambda: (None, None, None),
            outputs=shown,
            queue=False,
            show_progress="hidden",
            api_visibility="private",
        )
        upload.upload(look, upload, shown, concurrency_limit=1, api_name="classify")
    return page.queue(max_size=_WAITING)


def _launch(page, config: DemoConfig) -> str:
    """The address of the page, which is open from here on."""
    try:
        _, address, _ = page.launch(
            server_name=config.host,
            server_port=config.port,
            max_file_size=f"{config.upload_megabytes}mb",
            prevent_thread_lock=True,
            share=False,
            show_error=True,
            ssr_mode=False,
            footer_links=[],
            quiet=True,
        )
    except OSError as error:  # Gradio's own speaks of its own arguments
        remedy = "Take another port, or an address of this machine."
        allowed = f"a port that is free on `host` {config.host!r}"
        raise errors.refusal("port", allowed, config.port, remedy) from error
    return address


class _Looker:
    """What the page calls for a video.

    Args:
        gradio: the module.
        network: of the page.
        config: of the page.
        folder: where pictures go.
    """

    def __init__(
        self, gradio: ModuleType, network: TrainedNetwork, config: DemoConfig, folder: str
    ) -> None:
        self._gradio, self._folder = gradio, folder
        self.shows_heat = _has_maps(network)
        encoding = encoding_of(network, "filenames")
        start = dataclasses.replace(encoding, max_clip_seconds=config.max_seconds)
        self._whole = Predictor(network, start, config.prediction)
        self._sliding = Timelines(network, encoding, config.sliding, progress=False)

    def __call__(self, path: str | None) -> tuple[dict[str, float], str, str | None]:
        """Classes with their probabilities, the picture of the timeline, and a film or None.

        Raises:
            gradio.Error: the video cannot be used; the page shows why.
        """
        try:
            return self._look(path)
        # The others: no room for the network or for files, or its weights are damaged.
        except (video.UnusableVideo, ValueError, OSError, FloatingPointError, MemoryError) as error:
            told = f"This video cannot be used: {error}"
            raise self._gradio.Error(told, duration=None, print_exception=False) from error

    def _look(self, path: str | None) -> tuple[dict[str, float], str, str | None]:
        if path is None:  # from a program: the page sends a video
            raise video.UnusableVideo("there is none")
        folder = tempfile.mkdtemp(dir=self._folder)
        picture, film = os.path.join(folder, "timeline.png"), os.path.join(folder, "heat.mp4")
        films = (film,) if self.shows_heat else ()
        (found,) = self._whole.predict(path, films)
        problem = found.problem
        if not problem:
            (timeline,) = self._sliding.look(path, (), (picture,))
            problem = timeline.problem
        if problem:
            raise video.UnusableVideo(problem)
        classes = dict(zip(found.classes, found.probabilities, strict=True))
        return classes, picture, film if films else None


def _has_maps(network: TrainedNetwork) -> bool:
    try:
        find_maps(network.model)
    except ValueError:
        return False
    return True
