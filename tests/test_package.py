"""Who may import whom, what an import costs, and what a built wheel holds."""

import ast
import configparser
import importlib.metadata
import importlib.util
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import processes
import pytest

import video_zoo

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "video_zoo"
TOOLS = sorted((ROOT / "tools").glob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {module_name(path) for path in PACKAGE.rglob("*.py")}


def imports(path: Path, loaded: bool = False) -> set[str]:
    """Full names of all that a file imports; inside functions too, unless ``loaded`` with it."""
    module = module_name(path).split(".")
    package = module if path.name == "__init__.py" else module[:-1]
    found = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if loaded else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*base, *([node.module] if node.module else [])])
            names = {f"{base}.{alias.name}" for alias in node.names}
            found |= names if names <= NAMES else names | {base}
    return found


MODULES = {module_name(path): imports(path) for path in sorted(PACKAGE.rglob("*.py"))}

# The ground of the house, in no order, and the floors above it. Who stands on a floor imports from
# lower ones alone: neighbours never meet.
GROUND = {
    *("errors", "limits", "files", "backend", "lettering", "settings"),
    *("published", "known_names", "convert_config", "quickstart_config", "inflation_config"),
}
FLOORS = (
    ("models", "data"),
    ("run",),
    ("training", "evaluation"),
    ("quickstart", "benchmarks", "comparison"),
    ("commands",),
    ("__main__",),
)
FLOOR_OF = {name: number for number, floor in enumerate(FLOORS) for name in floor}
FLOOR_OF |= dict.fromkeys(GROUND, -1)
# The rooms of a floor: room -> those of its neighbours that it may import from.
ROOMS = {
    "data": {
        "format": set(),
        "annotations": {"format"},
        "videos": {"format"},
        "conversion": {"format", "annotations", "videos"},
        "input": {"format"},
        "inspect": {"format", "input"},
    },
    "models": {"tables": set(), "inflation": {"tables"}, "weights": {"tables", "inflation"}},
    "training": {"distribution": set()},
}
# What stands beside rooms, and is open to them all the same.
BESIDE = {
    "video_zoo.models.registry",
    "video_zoo.models.transfer",
    "video_zoo.training.config",
    "video_zoo.training.trainer",
}


def arrows(module: str) -> set[str]:
    """The modules of the package that a module imports."""
    found = set()
    for name in MODULES[module]:
        while name and name not in MODULES:
            name = name.rpartition(".")[0]
        found |= {name} - {"", "video_zoo", module}
    return found


def importers(package: str, among: dict[str, set[str]] = MODULES) -> set[str]:
    return {
        name
        for name, found in among.items()
        if any(item == package or item.startswith(f"{package}.") for item in found)
    }


def part(name: str) -> set[str]:
    return {module for module in MODULES if module.startswith(f"video_zoo.{name}")}


def test_the_reader_of_imports_reads_relative_ones():
    found = MODULES["video_zoo.models.s3d"]
    assert {"keras", "video_zoo.models.builder", "video_zoo.models.tables.spec.top_heavy"} <= found


def test_who_imports_whom_by_floors():
    broken = []
    for module in set(MODULES) - {"video_zoo"}:
        mine = module.split(".")[1]
        for other in arrows(module):
            theirs = other.split(".")[1]
            near = mine == theirs or {mine, theirs} <= GROUND
            if not near and FLOOR_OF[theirs] >= FLOOR_OF[mine]:
                broken.append(f"{module} -> {other}")
    assert not broken, sorted(broken)


def test_files_need_errors_alone():
    found = {other for module in part("files.") for other in arrows(module)} - part("files.")
    assert found <= {"video_zoo.errors"}


@pytest.mark.parametrize("floor", sorted({path.parent.name for path in PACKAGE.glob("*/*.py")}))
def test_who_imports_whom_inside_of_a_floor(floor):
    """Every folder has its rule. Rooms import nothing of what stands beside them on the floor."""
    rooms = ROOMS.get(floor, {})
    folders = {path.parent for path in (PACKAGE / floor).rglob("*.py")}
    assert {path.name for path in folders} - {floor} == set(rooms)
    broken = []
    for room, below in rooms.items():
        for module in part(f"{floor}.{room}"):
            for other in (arrows(module) & part(floor)) - BESIDE:
                if other.split(".")[2:3] not in [[name] for name in (room, *below)]:
                    broken.append(f"{module} -> {other}")
    assert not broken, sorted(broken)


def test_conversion_and_input_never_meet():
    conversion, reading = part("data.conversion"), part("data.input") | part("data.inspect")
    assert len(conversion) > 5
    assert len(reading) > 5
    assert not any(arrows(module) & reading for module in conversion)
    assert not any(arrows(module) & conversion for module in reading)


def test_no_two_modules_need_each_other():
    """All modules can be put in an order in which each imports from those before it alone."""
    left = {module: arrows(module) for module in MODULES}
    while free := {module for module, others in left.items() if not others & set(left)}:
        left = {module: others for module, others in left.items() if module not in free}
    assert not left, sorted(left)


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("models.tables.spec", {"video_zoo.errors"}),
        ("models.registry", {"video_zoo.known_names", "video_zoo.models.architecture"}),
        ("models.architecture", {"video_zoo.models.tables.spec"}),
        ("models.tables.inception_v1", {"video_zoo.models.tables.spec"}),
        ("models.tables.inception_v3", {"video_zoo.models.tables.spec"}),
        ("data.input.sampling", set()),
        ("limits", set()),
        ("published", {"video_zoo.limits"}),
        ("errors", {"video_zoo.limits"}),
        ("known_names", {"video_zoo.errors", "video_zoo.published"}),
    ],
)
def test_leaves_import_nothing_of_the_package(module, allowed):
    own = {name for name in MODULES[f"video_zoo.{module}"] if name.startswith("video_zoo.")}
    assert all(any(name.startswith(leaf) for leaf in allowed) for name in own), own


def test_tables_are_data():
    for table in ("inception_v1", "inception_v3"):
        assert "keras" not in MODULES[f"video_zoo.models.tables.{table}"]


def test_nobody_imports_the_tools():
    tools = {module_name(path): imports(path) for path in TOOLS}
    names = {"tools", *(path.stem for path in TOOLS)} - set(sys.stdlib_module_names)
    assert not any(importers(name, {**MODULES, **tools}) for name in names)


def test_networks_are_of_no_backend():
    """Two formats of published weights need a backend's own reader, once they are read."""
    readers = {
        "tensorflow": {"video_zoo.models.weights.deepmind"},
        "jax": set(),
        "torch": {"video_zoo.models.weights.torch_files"},
    }
    at_once = {module_name(p): imports(p, loaded=True) for p in PACKAGE.rglob("*.py")}
    for backend, allowed in readers.items():
        assert part("models") & importers(backend) == allowed
        assert not part("models") & importers(backend, at_once)


@pytest.mark.parametrize(
    ("library", "owners"),
    [
        ("cv2", {"video_zoo.data.videos.readers"}),
        ("av", {"video_zoo.data.videos.readers"}),
        ("gradio", {"video_zoo.evaluation.demo"}),
        ("optuna", {"video_zoo.comparison.spaces"}),
        (
            "matplotlib",
            {
                "video_zoo.run.plots",
                "video_zoo.comparison.figures",
                "video_zoo.data.inspect.contact_sheet",
                "video_zoo.lettering",
            },
        ),
    ],
)
def test_few_modules_import(library, owners):
    tools = {module_name(path): imports(path) for path in TOOLS}
    assert importers(library, {**MODULES, **tools}) <= owners


def run(code: str, cwd: Path, **variables: str | None) -> str:
    unset = {"KERAS_BACKEND": None, "TF_ENABLE_ONEDNN_OPTS": None}
    done = processes.run("-c", code, cwd=cwd, **unset | variables)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()


def test_the_import_is_light(tmp_path):
    code = (
        "import sys, video_zoo; dir(video_zoo);"
        "heavy = {'cv2', 'matplotlib', 'tensorflow', 'keras', 'numpy', 'sklearn'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert run(code, tmp_path) == "[]"


@pytest.mark.parametrize(
    ("before", "user", "expected"),
    [("", None, "1"), ("", "0", "0"), ("import tensorflow; ", None, "None")],
)
def test_fast_kernels_are_asked_for_before_tensorflow_looks(before, user, expected, tmp_path):
    code = f"import os; {before}import video_zoo; print(os.environ.get('TF_ENABLE_ONEDNN_OPTS'))"
    variables = {} if user is None else {"TF_ENABLE_ONEDNN_OPTS": user}
    assert run(code, tmp_path, **variables) == expected


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="oneDNN is x86's")
def test_tensorflow_switches_its_fast_kernels_on(tmp_path):
    code = "import video_zoo; from tensorflow.python.util import _pywrap_util_port as port;"
    code += "print(port.IsMklEnabled())"
    assert run(code, tmp_path) == "True"


@pytest.mark.parametrize("package", ["", ".data", ".evaluation", ".models", ".training"])
def test_every_public_name_resolves(package):
    module = importlib.import_module(f"video_zoo{package}")
    assert len(module.__all__) > 4
    for name in module.__all__:
        assert hasattr(module, name), name


def test_networks_need_no_tensorflow(tmp_path):
    if importlib.util.find_spec("jax") is None:
        pytest.skip("the backend jax is not installed")
    code = (
        "import sys, video_zoo; print(video_zoo.s3d_v3.__name__, video_zoo.list_models()[0],"
        "'tensorflow' in sys.modules)"
    )
    assert run(code, tmp_path, KERAS_BACKEND="jax") == "s3d_v3 i3d False"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy, so that nothing is left behind in the checkout."""
    if importlib.util.find_spec("build") is None:
        pytest.skip("the package `build` is not installed")
    if int(importlib.metadata.version("setuptools").split(".")[0]) < 68:
        pytest.skip("setuptools is older than pyproject.toml asks for")
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("video_zoo", "tests", "tools"):
        shutil.copytree(ROOT / name, source / name, ignore=ignore)
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, source / path.name)
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", target, source],
        check=True,
        cwd=target,
        capture_output=True,
    )
    (found,) = target.glob("*.whl")
    return found


def test_the_wheel_holds_the_package_alone(wheel):
    assert wheel.name == f"video_zoo-{video_zoo.__version__}-py3-none-any.whl"
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {
        "video_zoo",
        f"video_zoo-{video_zoo.__version__}.dist-info",
    }
    lists = ("kinetics400", "kinetics600", "charades")
    data = {f"video_zoo/models/class_names/{name}.txt" for name in lists}
    data |= {"video_zoo/comparison/page.html"}
    assert data <= set(names)
    packed = {name for name in names if name.startswith("video_zoo/")} - data
    assert {f"{name.replace('.', '/')}" for name in MODULES} == {
        name.removesuffix("/__init__.py").removesuffix(".py") for name in packed
    }
    assert any(name.endswith("/LICENSE") for name in names)


def test_the_wheel_asks_for_what_is_imported(wheel):
    metadata = zipfile.ZipFile(wheel).read(f"video_zoo-{video_zoo.__version__}.dist-info/METADATA")
    text = metadata.decode()
    assert "Requires-Python: >=3.10" in text
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    for requirement in config["options"]["install_requires"].split():
        assert f"Requires-Dist: {requirement}" in text


def test_the_wheel_works_outside_of_the_checkout(wheel, tmp_path):
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", site]
    subprocess.run([*pip, wheel], check=True, capture_output=True)
    code = (
        f"import sys; sys.path.insert(0, {str(site)!r}); import video_zoo;"
        "model = video_zoo.i3d(5, input_shape=(8, 32, 32, 3), width_multiplier=0.05);"
        "print(video_zoo.__file__, model.output_shape, video_zoo.class_names('kinetics600')[0])"
    )
    file = site / "video_zoo" / "__init__.py"
    assert run(code, tmp_path, PYTHONPATH=None) == f"{file} (None, 5) abseiling"
