"""How near the conversion comes to bare decode, resize and encode of the same files."""

# The processes of the bare loop import this module: nothing heavy may be imported at its top.
import concurrent.futures
import dataclasses
import functools
import multiprocessing
import multiprocessing.synchronize
import os
import statistics
import tempfile
import time
from collections.abc import Sequence

from video_zoo.data.annotations.clip import Clip
from video_zoo.data.annotations.listing import read_annotations
from video_zoo.data.conversion import workers
from video_zoo.data.format.encoding import EncodingConfig
from video_zoo.data.videos import readers, video

from .config import ConversionBenchmarkConfig

_JPEG_QUALITY = 95
_SECONDS_TO_START = 120


@dataclasses.dataclass(frozen=True)
class ConversionMeasurement:
    """Rates of both ways; ``str`` of it is the report.

    Args:
        num_clips: that were converted, each time.
        workers: processes.
        bare: clips per second of bare decode, resize and encode, each time.
        converted: clips per second of the conversion, start of its workers and writing of its files
            included.
        cpu_share: bare CPU time as a share of the conversion's, of all processes, start included:
            what ``ratio`` would be were nothing else at work on the machine.
        start_seconds: what the start of its workers takes.
    """

    num_clips: int
    workers: int
    bare: tuple[float, ...]
    converted: tuple[float, ...]
    cpu_share: float
    start_seconds: float

    @property
    def ratio(self) -> float:
        """Median of the conversion's rate as a share of the bare rate measured just before."""
        return statistics.median(
            mine / limit for mine, limit in zip(self.converted, self.bare, strict=True)
        )

    def __str__(self) -> str:
        pairs = zip(self.bare, self.converted, strict=True)
        lines = [f"{self.num_clips} clips, {self.workers} processes"]
        lines += [f"bare {bare:.2f} clips/s, converted {mine:.2f} clips/s" for bare, mine in pairs]
        lines.append(f"conversion / bare: {self.ratio:.1%} (median)")
        lines.append(f"bare CPU time / the conversion's: {self.cpu_share:.1%}")
        lines.append(f"the start of its workers takes {self.start_seconds:.1f} s of it")
        return "\n".join(lines)


def measure_conversion(config: ConversionBenchmarkConfig) -> ConversionMeasurement:
    """Measures a bare loop and the conversion in turn, on the same files.

    Both keep every frame, so that both encode the same number. The bare loop's processes are warm
    before the clock starts; the conversion's are started on the clock.

    Args:
        config: what to convert, and how often.

    Raises:
        ValueError: a video cannot be used: both would do something else with it.
    """
    num_workers = config.workers or os.cpu_count() or 1
    clips = read_annotations(config.input, val_fraction=0).clips
    paths = sorted(clip.path for clip in clips)
    if config.max_clips:  # of all classes
        paths = paths[:: -(-len(paths) // config.max_clips)]
    bare, converted, shares = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        inputs = os.path.join(folder, "in")
        _link(paths, inputs)
        for repeat in range(config.repeats):
            before = _cpu_seconds()
            bare.append(len(paths) / _time_bare(paths, num_workers, config.short_side))
            between = _cpu_seconds()
            output = os.path.join(folder, str(repeat))
            seconds = _time_conversion(inputs, output, num_workers, config.short_side)
            converted.append(len(paths) / seconds)
            shares.append((between - before) / (_cpu_seconds() - between))
    return ConversionMeasurement(
        num_clips=len(paths),
        workers=num_workers,
        bare=tuple(bare),
        converted=tuple(converted),
        cpu_share=statistics.median(shares),
        start_seconds=_time_start(num_workers),
    )


def _cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _link(paths: Sequence[str], folder: str) -> None:
    os.makedirs(os.path.join(folder, "class"))
    for index, path in enumerate(paths):
        suffix = os.path.splitext(path)[1]
        os.symlink(path, os.path.join(folder, "class", f"{index}{suffix}"))


def _time_bare(paths: Sequence[str], num_workers: int, short_side: int) -> float:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(num_workers, timeout=_SECONDS_TO_START)
    with concurrent.futures.ProcessPoolExecutor(
        num_workers, mp_context=context, initializer=_warm_up, initargs=(barrier, paths[0])
    ) as pool:
        # A process starts with the first work that finds none idle: so each must wait for all.
        for meeting in [pool.submit(_meet) for _ in range(num_workers)]:
            meeting.result()
        started = time.perf_counter()
        for _ in pool.map(functools.partial(_bare, short_side=short_side), paths):
            pass
        return time.perf_counter() - started


def _warm_up(barrier: multiprocessing.synchronize.Barrier, path: str) -> None:
    global _all_workers
    _all_workers = barrier
    video.use_one_thread()
    _bare(path, 64)


def _meet() -> None:
    _all_workers.wait()


def _bare(path: str, short_side: int) -> None:
    """Decodes, resizes and encodes all frames of a video, and nothing else."""
    cv2, av = readers.load_opencv(), readers.load_av()
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for decoded in container.decode(stream):
            frame = decoded.to_ndarray(format="bgr24")
            height, width = frame.shape[:2]
            scale = short_side / min(height, width)
            how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            size = round(width * scale), round(height * scale)
            small = cv2.resize(frame, size, interpolation=how)
            cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])


def _time_conversion(inputs: str, output: str, num_workers: int, short_side: int) -> float:
    from video_zoo.data.conversion import convert

    encoding = EncodingConfig(fps=None, short_side=short_side, jpeg_quality=_JPEG_QUALITY)
    config = convert.ConversionConfig(
        inputs, output, encoding=encoding, workers=num_workers, val_fraction=0
    )
    started = time.perf_counter()
    result = convert.convert(config, progress=False)
    seconds = time.perf_counter() - started
    if result.skipped:
        raise ValueError(
            f"`input` must hold usable videos only. Received: {len(result.skipped)} that are not, "
            f"such as {result.skipped[0][1]}. Remove them."
        )
    return seconds


def _time_start(num_workers: int) -> float:
    """Seconds until all workers have answered, with nothing to decode."""
    nothing = [Clip(os.devnull, "", "")] * num_workers
    started = time.perf_counter()
    for _ in workers.encode_clips(nothing, EncodingConfig(), num_workers):
        pass
    return time.perf_counter() - started
