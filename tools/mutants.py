"""Makes small changes of code at random, one at a time: do the module's own tests notice?

    python3 tools/dev.py mutants [--modules data/input/balance.py] [--count 3] [--seed 0]

The changes are cosmic-ray's; which tests belong to a module stands in tools/mutants.yaml. All is
done in a copy of the repository. One line for each change, and a table with its diff in --output.
Exit codes: 0 all were noticed; 1 some were not; 2 an error, tests that fail without a change too.
"""

import collections
import csv
import os
import pathlib
import random
import re
import shlex
import shutil
import sys
import tempfile
import time

import yaml
from absl import app, flags

from video_zoo.commands import cli

ROOT = pathlib.Path(__file__).resolve().parent.parent
TESTS = yaml.safe_load((ROOT / "tools" / "mutants.yaml").read_text(encoding="utf-8"))
NOT_COPIED = (".*", "build", "dist", "runs", "__pycache__", "*.egg-info")
# Without changes that fail wherever they are run, as bits of a float do; those of `|`, which mostly
# stands in annotations, where it does nothing; and those of exceptions, where cosmic-ray may fail.
WITHOUT = re.compile("Operator_BitOr_|_(BitOr|BitAnd|BitXor|RShift|LShift|Pow)$|ExceptionReplacer")

_MODULES = flags.DEFINE_list("modules", sorted(TESTS), "Modules below video_zoo/ to change.")
_COUNT = flags.DEFINE_integer("count", 3, "Changes of each module.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Chooses the changes.")
_OUTPUT = flags.DEFINE_string("output", str(ROOT / "build" / "mutants.csv"), "Table of results.")


def main(argv: list[str]) -> int:
    return cli.run(_mutants, argv)


def _mutants() -> int:
    unknown = sorted(set(_MODULES.value) - set(TESTS))
    if unknown:
        raise ValueError(
            f"`--modules` must be of {', '.join(TESTS)}. Received: {', '.join(unknown)}. Others "
            "need a line in tools/mutants.yaml first."
        )
    output = pathlib.Path(_OUTPUT.value).resolve()
    output.parent.mkdir(parents=True, exist_ok=True)
    # The tests look for real videos beside the repository.
    os.environ.setdefault("VIDEO_ZOO_TEST_DATA", str(ROOT.parent / "shared" / "data"))
    noticed = collections.defaultdict(list)
    with tempfile.TemporaryDirectory() as folder, open(output, "w", newline="") as file:
        copy = pathlib.Path(folder) / "copy"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*NOT_COPIED))
        os.environ["PYTHONPATH"] = str(copy)
        os.chdir(copy)
        table = csv.writer(file)
        table.writerow(("module", "line", "noticed", "change"))
        for module in _MODULES.value:
            for line, change, seen in _changes(module):
                noticed[module].append(seen)
                short = " -> ".join(
                    filter(None, (text[1:].strip() for text in change.splitlines()))
                )
                print(f"{module}:{line}\t{'noticed' if seen else 'SURVIVED'}\t{short}", flush=True)
                table.writerow((module, line, seen, change))
                file.flush()
    for module, seen in noticed.items():
        print(f"{module}: {sum(seen)} of {len(seen)} noticed")
    return 0 if all(map(all, noticed.values())) else 1


def _changes(module: str):
    """Yields (line, lines of the diff, whether a test failed) for changes drawn at random."""
    from cosmic_ray.mutating import mutate_and_test
    from cosmic_ray.testing import run_tests
    from cosmic_ray.work_item import TestOutcome

    tests = [str(pathlib.Path("tests") / name) for name in TESTS[module]]
    options = ["-x", "-q", "-m", "not slow", "-p", "no:cacheprovider"]
    command = shlex.join([sys.executable, "-m", "pytest", *options, *tests])
    begin = time.monotonic()
    outcome, output = run_tests(command, None)
    if outcome is not TestOutcome.SURVIVED:
        print(output)
        raise ValueError(f"The tests of {module} fail without any change; their output is above.")
    needed = time.monotonic() - begin
    print(f"{module}: its tests need {needed:.0f} s", flush=True)
    # A change may make a loop endless.
    limit = 60 + 5 * needed
    for mutation in _drawn(module):
        result = mutate_and_test([mutation], command, limit)
        if result.diff is None:
            raise RuntimeError(f"cosmic-ray cannot make {mutation}:\n{result.output}")
        diff = [text for text in result.diff.splitlines() if text[:3] not in ("---", "+++")]
        change = "\n".join(text for text in diff if text[:1] in ("-", "+"))
        yield mutation.start_pos[0], change, result.test_outcome is not TestOutcome.SURVIVED


def _drawn(module: str) -> list:
    """Places of the module, all equally likely, and one of the possible changes of each."""
    from cosmic_ray.commands import init
    from cosmic_ray.work_db import use_db

    with use_db(":memory:") as database:
        init([pathlib.Path("video_zoo") / module], database, {})
        mutations = [item.mutations[0] for item in database.work_items]
    places = collections.defaultdict(list)
    for mutation in sorted(mutations, key=lambda m: (m.operator_name, m.occurrence)):
        if not WITHOUT.search(mutation.operator_name):
            places[mutation.start_pos, mutation.end_pos].append(mutation)
    chooser = random.Random(f"{_SEED.value} {module}")
    drawn = chooser.sample(sorted(places), min(_COUNT.value, len(places)))
    return [chooser.choice(places[place]) for place in drawn]


if __name__ == "__main__":
    app.run(main)
