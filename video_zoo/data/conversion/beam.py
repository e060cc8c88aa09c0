"""Makes shards as an Apache Beam pipeline: on this machine, or on Flink, Spark or Dataflow."""

import dataclasses
import json
import shlex
from collections.abc import Iterator, Sequence
from types import ModuleType

from video_zoo.files import file_content, filesystems, whole_files

from ..annotations.clip import Clip
from . import shards
from .plan import Shard


def load_beam() -> ModuleType:
    """The module ``apache_beam``.

    Raises:
        ImportError: it is not installed; the one-line message tells the remedy.
    """
    try:
        import apache_beam
        import apache_beam.options.pipeline_options
    except ImportError as error:
        raise ImportError(
            f"`runner` needs Apache Beam, which cannot be loaded ({error}). "
            'Install it: `pip install "video-zoo[beam]"`.'
        ) from error
    return apache_beam


def make_shards(
    job: shards.ShardJob, unfinished: Sequence[Shard], runner: str, options: str
) -> None:
    """Runs a pipeline with one element for each shard, and waits for its end.

    Args:
        job: of the conversion.
        unfinished: the shards to make.
        runner: name of a Beam runner.
        options: its options, as on a command line.

    Raises:
        ImportError: Apache Beam is not installed.
        ValueError: there is no such runner, or an option is wrong.
    """
    beam = load_beam()
    # The graph of a pipeline may have some megabytes only, and the clips of Kinetics have more.
    path = shards.list_path(job.output_dir)
    lines = (json.dumps(dataclasses.asdict(shard)) + "\n" for shard in unfinished)
    whole_files.write_text(path, "".join(lines))
    pipeline_options = beam.options.pipeline_options.PipelineOptions(shlex.split(options))
    with beam.Pipeline(runner=runner, options=pipeline_options) as pipeline:
        _ = (
            pipeline
            | "List" >> beam.Create([path])
            | "Read" >> beam.FlatMap(_read_list)
            | "Spread" >> beam.Reshuffle()
            | "Make" >> beam.Map(job.encode_and_write)
        )


def _read_list(path: str) -> Iterator[Shard]:
    filesystems.check(path, "output_dir")
    for line in file_content.read_text(path).splitlines():
        fields = json.loads(line)
        clips = tuple(Clip(**clip) for clip in fields.pop("clips"))
        yield Shard(**fields, clips=clips)
