"""A page about a comparison: HTML that needs nothing else, and the same as Markdown and CSV."""

import base64
import dataclasses
import html
import io
import pathlib
import tempfile
from collections.abc import Iterable, Mapping, Sequence

import jinja2

from video_zoo.evaluation import metrics
from video_zoo.evaluation.results import CALLED, protocol_of
from video_zoo.files import whole_files
from video_zoo.run import history, plots

from . import figures
from .contestants import Contestant, measure_of
from .frames import Disagreement
from .pairs import Pair, in_words

# What stands beside numbers of the best of several trials.
CHOSEN = (
    "The best trial of each network was chosen by its number on these very videos. So the numbers "
    "of the best are likely higher than on other videos, the more so the more trials there were; "
    "intervals and tests do not hold this. Evaluate the chosen runs on a split that neither "
    "training nor search has seen."
)
HTML, MARKDOWN, TABLE = "comparison.html", "comparison.md", "comparison.csv"
PAIRS, CLASSES = "pairs.csv", "classes.csv"


def rows_of(contestants: Sequence[Contestant]) -> list[dict[str, object]]:
    """A row of numbers for each network; None for what its runs do not tell.

    Accuracies are means over seeds, each with its spread (standard deviation over seeds) and its
    95 % interval from drawing the videos anew. The main one's has no name before it.
    """
    measure = measure_of(contestants)
    number = len(contestants[0].runs[0].result.filenames)
    rows = []
    for each in contestants:
        row: dict[str, object] = {"network": each.name, "runs": len(each.runs)}
        row["million_parameters"] = each.mean(figures.parameters)
        row["gmacs"] = each.mean(figures.gmacs)
        intervals = metrics.bootstrap(each.statistics, number)
        for name in filter(each.runs[0].numbers.__contains__, CALLED):
            row[name] = each.mean(lambda run, name=name: run.numbers[name])
            row[f"{name}_spread"] = each.spread(name)
            of = "" if name == measure else f"{name}_"
            low, high = _exact_if_alike(each, name, intervals[name])
            row |= {f"{of}interval_low": low, f"{of}interval_high": high}
        row["training_seconds"] = each.mean(lambda run: _last(run.history, "seconds"))
        row["clips_per_second"] = each.mean(lambda run: _last(run.history, "clips_per_second"))
        row["peak_memory"] = each.mean(lambda run: run.report and run.report.peak_memory)
        rows.append(row)
    return rows


def _exact_if_alike(
    contestant: Contestant, name: str, found: Sequence[float]
) -> Sequence[float | None]:
    """The interval of a number; of a single run the exact one where all videos are alike."""
    if found[0] < found[1]:
        return found
    told = contestant.runs[0].numbers["intervals"][name]
    return told if told is not None and len(contestant.runs) == 1 else (None, None)


def _last(epochs: Sequence[Mapping], name: str) -> float | None:
    return epochs[-1].get(name) if epochs else None


def write_page(
    folder: pathlib.Path,
    contestants: Sequence[Contestant],
    pairs: Sequence[Pair],
    videos: Sequence[Disagreement],
    failed: Mapping[str, str],
    trials: Sequence[Mapping[str, object]] = (),
) -> list[dict[str, object]]:
    """Writes ``comparison.html``, ``comparison.md`` and the CSV files.

    Args:
        folder: where they go.
        contestants: the networks.
        pairs: all pairs of them.
        videos: on which they disagree.
        failed: name of a run that has no result -> why.
        trials: of a search, a dict of settings and numbers for each.

    Returns:
        The rows of :func:`rows_of`.
    """
    rows = rows_of(contestants)
    about = {
        "rows": rows,
        "columns": _columns(rows),
        "pairs": [(pair, in_words(pair, len(pairs))) for pair in pairs],
        "videos": videos,
        "failed": failed,
        "trials": [_trial(row) for row in trials],
        "chosen": CHOSEN if trials else "",
        "protocol": _protocol(contestants),
        "curves": figures.curves(contestants),
        "cost": figures.cost(contestants),
        "matrices": _matrices(contestants),
    }
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("video_zoo.comparison", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    whole_files.write_text(folder / HTML, environment.get_template("page.html").render(about))
    whole_files.write_text(folder / MARKDOWN, _markdown(about))
    for name, table in (
        (TABLE, rows),
        (PAIRS, _pair_rows(pairs)),
        (CLASSES, _class_rows(contestants)),
    ):
        headings = list(table[0]) if table else []
        whole_files.write_rows(folder / name, headings, (list(row.values()) for row in table))
    return rows


def _pair_rows(pairs: Sequence[Pair]) -> list[dict[str, object]]:
    """The numbers of each pair, without its classes."""
    rows = []
    for pair in pairs:
        row = dataclasses.asdict(pair)
        del row["classes"]
        low, high = row.pop("interval")
        rows.append({**row, "interval_low": low, "interval_high": high})
    return rows


def _class_rows(contestants: Sequence[Contestant]) -> list[dict[str, object]]:
    """The number of each class of each network, the mean over seeds."""
    return [
        {"class": name}
        | {
            each.name: each.mean(lambda run, name=name: run.numbers["per_class"][name])
            for each in contestants
        }
        for name in contestants[0].runs[0].numbers["per_class"]
    ]


def _columns(rows: Sequence[Mapping]) -> list[tuple[str, list[str]]]:
    """The table as people read it: heading, and a cell for each network."""
    main = history.measure_of(rows[0])
    columns = [("network", [str(row["network"]) for row in rows])]
    for name, called in CALLED.items():
        if name in rows[0]:
            columns.append((called, [_accuracy(row, name) for row in rows]))
            of = "" if name == main else f"{name}_"
            ends = [(row[f"{of}interval_low"], row[f"{of}interval_high"]) for row in rows]
            columns.append((f"95 % interval of {called}", [_range(*pair) for pair in ends]))
    forms = {
        "million_parameters": ("parameters", "{:.2f} M", 1),
        "gmacs": ("GMACs", "{:.2f}", 1),
        "training_seconds": ("training", "{:.1f} min", 1 / 60),
        "clips_per_second": ("clips/s", "{:.1f}", 1),
        "peak_memory": ("peak memory", "{:,.0f} MiB", 1 / 2**20),
        "runs": ("runs", "{:.0f}", 1),
    }
    for name, (called, form, factor) in forms.items():
        cells = ["–" if row[name] is None else form.format(row[name] * factor) for row in rows]
        if set(cells) != {"–"}:
            columns.append((called, cells))
    return columns


def _trial(row: Mapping) -> dict[str, str]:
    """A row of the table of trials, as people read it: heading -> cell."""
    measure = history.measure_of(row)
    state = f"failed: {row['error']}" if row["state"] == "failed" else str(row["state"])
    value = "–" if row[measure] is None else f"{row[measure]:.1%}"
    shown = {"network": str(row["network"]), "trial": str(row["trial"]), "state": state}
    settings = {name: text.partition("=")[2] for name, text in tried(row).items()}
    return {**shown, history.MEASURES[measure]: value, **settings}


def tried(row: Mapping) -> dict[str, str]:
    """Setting of a trial -> the setting with its value, as in "momentum=0.9"."""
    others = {"network", "trial", "state", "error", *history.MEASURES}
    settings = {name: value for name, value in row.items() if name not in others}
    return {
        name: f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in settings.items()
    }


def _accuracy(row: Mapping, name: str) -> str:
    spread = row[f"{name}_spread"]
    return f"{row[name]:.1%}" + ("" if spread is None else f" ± {100 * spread:.1f}")


def _range(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{low:.1%} to {high:.1%}"


def _protocol(contestants: Sequence[Contestant]) -> str:
    """What the numbers are of, where all runs have it alike."""
    number = {"num_videos": len(contestants[0].runs[0].result.filenames)}
    found = [
        protocol_of(number | run.numbers | run.protocol)
        for each in contestants
        for run in each.runs
    ]
    told = []
    for name in {name: None for protocol in found for name in protocol}:
        words = {protocol.get(name) for protocol in found}
        told.append(f"not all with the same {name}" if len(words) > 1 else words.pop())
    return ", ".join(told)


def _matrices(contestants: Sequence[Contestant]) -> list[tuple[str, str]]:
    """(network, address of its confusion matrix), of its mean scores; none for several classes."""
    run = contestants[0].runs[0]
    if run.result.labels.ndim == 2:
        return []
    found = []
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "matrix.png")
        for each in contestants:
            matrix = metrics.confusion_matrix(each.scores, run.result.labels)
            plots.save_confusion_matrix(matrix, run.class_names, path)
            code = base64.b64encode(path.read_bytes()).decode()
            found.append((each.name, f"data:image/png;base64,{code}"))
    return found


def _markdown(about: Mapping) -> str:
    headings = [heading for heading, _ in about["columns"]]
    lines = io.StringIO()

    def line(*cells: str) -> None:
        print("|", " | ".join(_cell(each) for each in cells), "|", file=lines)

    def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        line(*headings)
        line(*("---" for _ in headings))
        for cells in rows:
            line(*cells)

    print(f"# Comparison\n\nOver {about['protocol']}.\n", file=lines)
    table(headings, zip(*(cells for _, cells in about["columns"]), strict=True))
    if about["pairs"]:
        print("\n## Differences\n", file=lines)
    for pair, numbers in about["pairs"]:
        print(f"- {html.escape(pair.sentence)}", file=lines)
        for number in numbers:
            print(f"  - {html.escape(number)}", file=lines)
    if about["videos"]:
        print("\n## Videos on which they disagree\n", file=lines)
        names = [name for name, _, _ in about["videos"][0].answers]
        table(
            ["video", "class", *names],
            (
                [video.filename, video.label, *(answer for _, answer, _ in video.answers)]
                for video in about["videos"]
            ),
        )
    if about["trials"]:
        print(f"\n## Trials of the search\n\n{about['chosen']}\n", file=lines)
        table(list(about["trials"][0]), (list(trial.values()) for trial in about["trials"]))
    if about["failed"]:
        print("\n## Runs without a result\n", file=lines)
        for name, reason in about["failed"].items():
            print(f"- {html.escape(name)}: {html.escape(reason)}", file=lines)
    return lines.getvalue()


def _cell(text: str) -> str:
    return html.escape(text).replace("|", "\\|")
