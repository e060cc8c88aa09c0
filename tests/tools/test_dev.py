"""The README's commands refuse what they cannot work with, before anything is installed."""

import subprocess
import sys


def dev(repository, *arguments):
    command = [sys.executable, str(repository / "tools" / "dev.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_a_folder_that_it_did_not_make_is_left_alone(repository, tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    done = dev(repository, "test", "--venv", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: `--venv` must be a new folder or one that this file made")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_unknown_commands_list_the_known_ones(repository):
    done = dev(repository, "tests")
    assert done.returncode == 2
    assert "quickstart" in done.stderr and "test" in done.stderr
