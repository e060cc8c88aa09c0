"""Encodes clips in worker processes, in order, and outlives workers that crash.

Imports neither TensorFlow nor OpenCV at its top: a worker imports this module first, and a process
may neither fork after nor needlessly load TensorFlow.
"""

import collections
import concurrent.futures
import contextlib
import functools
import itertools
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from typing import NamedTuple

from ..annotations.clip import Clip
from ..format.encoding import EncodedClip, EncodingConfig
from ..videos import video

DEFAULT_TIMEOUT = 600.0
# Enough to keep all workers busy while the first clip in order is waited for.
_CLIPS_IN_FLIGHT_PER_WORKER = 4
# A worker holds this at all times but while it encodes. It may be ended only then: ended in the
# middle of a result, it would leave the parent waiting for the rest.
_outside_encoding = threading.Lock()
_SECONDS_TO_SEND = 5.0
_CRASHED = "the decoder crashed, or the system ended it for want of memory"


class Result(NamedTuple):
    """What became of a clip.

    Args:
        clip: as it was given.
        outcome: the clip with its frames, or the reason why there is none.
        seconds: how long a worker was busy with it; 0 if that worker died.
    """

    clip: Clip
    outcome: EncodedClip | str
    seconds: float


def encode_clips(
    clips: Iterable[Clip],
    encoding: EncodingConfig,
    workers: int,
    timeout: float = DEFAULT_TIMEOUT,
) -> Generator[Result, None, None]:
    """Yields every clip with its frames, or with the reason why there are none, in the given order.

    Only a bounded number of clips is in flight, whatever their number. When a worker dies (a
    segmentation fault, the kernel's out-of-memory killer, a decoder that takes longer than
    ``timeout``), the clips that were in flight are tried again one by one, and the one that kills
    its worker again gets the reason: "the decoder crashed", or "took more than ... s". Closing the
    generator ends the workers at once.

    Args:
        clips: all to encode.
        encoding: how the frames are stored.
        workers: number of processes.
        timeout: seconds after which a worker that is still at one clip ends itself. Defaults to
            600.

    Raises:
        RuntimeError: worker processes cannot start.
    """
    remaining = iter(clips)
    in_flight = workers * _CLIPS_IN_FLIGHT_PER_WORKER
    encode = functools.partial(_encode, encoding=encoding, timeout=timeout)
    while crash := (yield from _encode_until_crash(remaining, encode, workers, in_flight)):
        # Any of them may be the culprit: only with nothing else in flight is it known.
        again = iter(crash.in_flight)
        while crash := (yield from _encode_until_crash(again, encode, 1, 1)):
            (culprit,) = crash.in_flight
            slow = crash.seconds >= timeout
            yield Result(culprit, _took_long(timeout) if slow else _CRASHED, 0.0)


class _Crash(NamedTuple):
    """A worker died: the clips then in flight, and the seconds since the oldest was handed out."""

    in_flight: list[Clip]
    seconds: float


def _encode_until_crash(
    remaining: Iterator[Clip], encode: Callable[[Clip], Result], workers: int, max_in_flight: int
) -> Generator[Result, None, _Crash | None]:
    """Yields results until a worker dies or no clip remains; returns the crash, if it was one."""
    in_flight: collections.deque = collections.deque()
    with _pool(workers) as pool:
        while True:
            for clip in itertools.islice(remaining, max_in_flight - len(in_flight)):
                in_flight.append((clip, time.monotonic(), _submit(pool, encode, clip)))
            if not in_flight:
                return None
            _, started, future = in_flight[0]
            if isinstance(future.exception(), BrokenProcessPool):
                seconds = time.monotonic() - started
                return _Crash([clip for clip, _, _ in in_flight], seconds)
            in_flight.popleft()
            yield future.result()


@contextlib.contextmanager
def _pool(workers: int) -> Iterator[concurrent.futures.ProcessPoolExecutor]:
    """A pool of spawned workers; on the way out they end at once, whatever they are doing."""
    # A fork of a process that has loaded TensorFlow or OpenCV is not safe, so workers are spawned.
    context = multiprocessing.get_context("spawn")
    # Nothing is ever sent. Workers end when the writing end closes: at the end of this block, and
    # also when this process is killed and can close nothing itself.
    alive, parent_end = context.Pipe(duplex=False)
    pool = concurrent.futures.ProcessPoolExecutor(
        workers, mp_context=context, initializer=_initialize, initargs=(alive,)
    )
    try:
        with _interrupt_later():
            started = pool.submit(os.getpid)
        try:
            started.result()
        except BrokenProcessPool as error:
            raise RuntimeError(
                "The worker processes end while they start. A script that converts videos must do "
                'so below `if __name__ == "__main__":`, because every worker imports the script.'
            ) from error
        yield pool
    finally:
        parent_end.close()
        pool.shutdown(wait=True, cancel_futures=True)
        alive.close()


def _initialize(alive: multiprocessing.connection.Connection) -> None:
    # Ctrl-C reaches every process of the terminal; the parent alone decides what then happens.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGALRM"):  # for `_exit_after`; what this process inherited may differ
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])
    video.use_one_thread()
    _outside_encoding.acquire()
    threading.Thread(target=_exit_at_end_of, args=(alive,), daemon=True).start()


def _exit_at_end_of(alive: multiprocessing.connection.Connection) -> None:
    multiprocessing.connection.wait([alive])
    # Idle workers are told to end by the pool, unless the parent was killed.
    _outside_encoding.acquire(timeout=_SECONDS_TO_SEND)
    os._exit(1)


@contextlib.contextmanager
def _interrupt_later() -> Iterator[None]:
    """Puts Ctrl-C off to the end of the block.

    A pool that is interrupted while it starts its first process cannot be shut down any more.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python interrupts the main thread only
        return
    received = []
    handler = signal.signal(signal.SIGINT, lambda *arguments: received.append(arguments))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
    if received and callable(handler):
        handler(*received[0])


def _submit(
    pool: concurrent.futures.ProcessPoolExecutor, encode: Callable[[Clip], Result], clip: Clip
) -> concurrent.futures.Future:
    try:
        with _interrupt_later():  # this may start a process, too
            return pool.submit(encode, clip)
    except BrokenProcessPool as error:
        future: concurrent.futures.Future = concurrent.futures.Future()
        future.set_exception(error)
        return future


def _encode(clip: Clip, encoding: EncodingConfig, timeout: float) -> Result:
    """Runs in the worker. Whatever is wrong with one video must not end the conversion."""
    _outside_encoding.release()
    started = time.monotonic()
    try:
        with _exit_after(timeout):
            outcome = video.encode_clip(clip.path, encoding, clip.start, clip.end)
    except video.UnusableVideo as reason:
        outcome = str(reason)
    except Exception as error:
        outcome = f"{type(error).__name__}: {' '.join(str(error).split())}"
    finally:
        _outside_encoding.acquire()
    seconds = time.monotonic() - started
    # Where the alarm came late, or not at all, the clip is refused all the same.
    return Result(clip, _took_long(timeout) if seconds > timeout else outcome, seconds)


def _took_long(timeout: float) -> str:
    return f"took more than {timeout:g} s, which `clip_timeout` allows"


@contextlib.contextmanager
def _exit_after(seconds: float) -> Iterator[None]:
    """Ends this process if the block takes longer, also where it never comes back to Python."""
    # SIGALRM has no handler here, so that the kernel itself ends the process. Without such a signal
    # (Windows), a clip that took too long is refused when it is done.
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
