"""The README's commands refuse what they cannot work with, before anything is installed."""

import configparser
import re
import runpy

import pytest
import yaml
from processes import run_tool


@pytest.mark.parametrize("command", ["test", "test_io", "mutants"])
def test_a_folder_that_it_did_not_make_is_left_alone(command, tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    done = run_tool("dev", command, "--venv", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: `--venv` must be a new folder or one that this file made")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_unknown_commands_list_the_known_ones():
    done = run_tool("dev", "tests")
    assert done.returncode == 2
    assert "quickstart" in done.stderr and "test" in done.stderr


def test_python_must_have_the_wheels_that_a_command_needs(repository):
    dev_module = runpy.run_path(str(repository / "tools" / "dev.py"))
    check, commands = dev_module["check_python"], dev_module["COMMANDS"]
    for name in commands:
        check(commands[name], (3, 10))
        check(commands[name], (3, 12))
        with pytest.raises(dev_module["SetupError"], match=r"Python 3\.10 to .* Python 3\.9\."):
            check(commands[name], (3, 9))
    check(commands["test"], (3, 13))
    with pytest.raises(dev_module["SetupError"]) as caught:
        check(commands["test_io"], (3, 13))
    assert str(caught.value) == (
        "Python 3.10 to 3.12 is needed, as tensorflow-io has no other. Received: Python 3.13. "
        "Run this file with one of those."
    )


def test_the_extras_of_a_command_are_found_by_any_pip(repository):
    """An older pip passes over an extra whose name the package's metadata write in another form."""
    config = configparser.ConfigParser()
    config.read(repository / "setup.cfg")
    extras = set(config["options.extras_require"])
    for command in runpy.run_path(str(repository / "tools" / "dev.py"))["COMMANDS"].values():
        assert set(filter(None, command.extra.split(","))) <= extras
    assert all(re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", extra) for extra in extras)


def test_the_table_of_modules_and_their_tests_names_what_is_there(repository):
    table = yaml.safe_load((repository / "tools" / "mutants.yaml").read_text())
    assert len(table) > 20
    for module, tests in table.items():
        for path in ("video_zoo/" + module, *("tests/" + name for name in tests)):
            assert (repository / path).is_file(), path
