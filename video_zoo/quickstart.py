"""The main job on an embedded default: make videos, convert, train, evaluate, predict."""

import dataclasses
import json
import os
import pathlib
import shutil
import time

from video_zoo.data.videos import synthetic
from video_zoo.files import whole_files
from video_zoo.run.files import CONFUSION, CURVES, EVALUATIONS

from . import data, errors, evaluation, training
from .quickstart_config import QuickstartConfig

# What a network that understands motion must reach, and what it may not reach once the order of the
# frames is gone.
LEAST_TOP1, MOST_SHUFFLED_TOP1 = 0.90, 0.55
_FOLDERS = ("videos", "shards", "run")


def quickstart(config: QuickstartConfig) -> bool:
    """Runs the whole line and prints a table. True if the network has learnt motion.

    Called again, it takes up what is there: videos and shards as they are, the run where it
    stopped. Another ``config`` starts anew.
    """
    started = time.monotonic()
    folder = pathlib.Path(config.output_dir)
    videos, shards, workdir = (folder / name for name in _FOLDERS)
    _start_anew_if_changed(folder, config)
    if data.load_manifest(shards) is None:
        _say("1/5 making videos: five classes that differ by motion alone")
        data.write_motion_videos(
            videos,
            train_per_class=config.train_per_class,
            val_per_class=config.val_per_class,
            seed=config.seed,
        )
        _say("2/5 converting them to TFRecord shards")
        encoding = data.EncodingConfig(short_side=64)
        data.convert(
            data.ConversionConfig(
                input_dir=str(videos), output_dir=str(shards), encoding=encoding, overwrite=True
            )
        )
    _say("3/5 training a quarter-width S3D-v1")
    result = training.train(
        training.TrainingConfig(
            model="s3d_v1",
            data_dir=str(shards),
            workdir=str(workdir),
            num_frames=16,
            image_size=64,
            width_multiplier=0.25,
            random_flip=False,  # mirrored, "left" would be "right"
            optimizer="adam",
            learning_rate=2e-3,
            dropout_rate=0.2,
            schedule="cosine",
            batch_size=8,
            epochs=config.epochs,
            virtual_devices=config.virtual_devices,
            seed=config.seed,
        )
    )
    if not result.finished:
        raise KeyboardInterrupt
    _say("4/5 evaluating, with the frames in order and shuffled")
    top1 = {}
    for order in ("sequential", "shuffled"):
        job = evaluation.EvaluationConfig(workdir=str(workdir), num_clips=2, frame_order=order)
        top1[order] = evaluation.evaluate(job)["top1"]
    _say("5/5 predicting")
    files = sorted(videos.glob("val/*/00000.mp4"))
    predictions = list(evaluation.predict(files, workdir=workdir, num_clips=2, top=1))
    learnt = top1["sequential"] >= LEAST_TOP1 and top1["shuffled"] <= MOST_SHUFFLED_TOP1
    _print_results(predictions, top1, learnt, workdir, time.monotonic() - started)
    return learnt


def _say(text: str) -> None:
    print(f"\n== {text}", flush=True)


def _start_anew_if_changed(folder: pathlib.Path, config: QuickstartConfig) -> None:
    """Removes what a quickstart with other settings has left: a folder that this one wrote."""
    settings = json.dumps(dataclasses.asdict(config) | {"output_dir": ""})
    mark = folder / "quickstart.json"
    if mark.exists() and mark.read_text() != settings:
        for name in _FOLDERS:
            shutil.rmtree(folder / name, ignore_errors=True)
    elif not mark.exists() and folder.exists() and os.listdir(folder):
        raise errors.refusal("output_dir", "new, empty, or a quickstart's own folder", folder)
    folder.mkdir(parents=True, exist_ok=True)
    whole_files.write_text(mark, settings)


def _print_results(
    predictions: list["evaluation.Prediction"],
    top1: dict[str, float],
    learnt: bool,
    workdir: pathlib.Path,
    seconds: float,
) -> None:
    print(f"\n{'video':<24}{'predicted':<14}probability")
    for prediction in predictions:
        name = os.path.join(*pathlib.Path(prediction.filename).parts[-2:])
        print(f"{name:<24}{prediction.classes[0]:<14}{prediction.probabilities[0]:.1%}")
    chance = 1 / len(synthetic.CLASSES)
    print(f"\n{'validation top-1':<32}{'measured':>10}{'wanted':>12}")
    print(f"{'frames in order':<32}{top1['sequential']:>10.1%}{f'>= {LEAST_TOP1:.0%}':>12}")
    print(f"{'frames shuffled':<32}{top1['shuffled']:>10.1%}{f'<= {MOST_SHUFFLED_TOP1:.0%}':>12}")
    print(f"{'chance':<32}{chance:>10.1%}")
    verdict = "The network has learnt motion" if learnt else "The network has NOT learnt motion"
    print(f"\n{verdict}; {seconds / 60:.1f} minutes. Pictures:")
    print(f"  {workdir / CURVES}")
    for split in ("val", "val_shuffled"):
        print(f"  {workdir / EVALUATIONS / split / CONFUSION}")
