"""Who may import whom, what an import costs, and what a built wheel holds."""

import ast
import configparser
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import video_zoo

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "video_zoo"
TOOLS = sorted((ROOT / "tools").glob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


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
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return found


MODULES = {module_name(path): imports(path) for path in sorted(PACKAGE.rglob("*.py"))}


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
    assert {"keras", "video_zoo.models.builder", "video_zoo.models.spec.top_heavy"} <= found


def test_models_and_data_never_import_each_other():
    assert part("models")
    assert part("data")
    assert not part("models") & importers("video_zoo.data")
    assert not part("data") & importers("video_zoo.models")


@pytest.mark.parametrize("upper", ["training", "evaluation"])
def test_models_and_data_do_not_look_up(upper):
    assert not (part("models") | part("data")) & importers(f"video_zoo.{upper}")


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("models.spec", set()),
        ("models.registry", {"video_zoo.known_names"}),
        ("models.inception_v1", {"video_zoo.models.spec"}),
        ("models.inception_v3", {"video_zoo.models.spec"}),
        ("data.sampling", set()),
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
        assert "keras" not in MODULES[f"video_zoo.models.{table}"]


def test_nobody_imports_the_tools():
    tools = {module_name(path): imports(path) for path in TOOLS}
    names = {"tools", *(path.stem for path in TOOLS)} - set(sys.stdlib_module_names)
    assert not any(importers(name, {**MODULES, **tools}) for name in names)


def test_networks_are_of_no_backend():
    """Two formats of published weights need a backend's own reader, once they are read."""
    readers = {
        "tensorflow": {"video_zoo.models.checkpoints.deepmind"},
        "jax": set(),
        "torch": {"video_zoo.models.checkpoints.torch_files"},
    }
    at_once = {module_name(p): imports(p, loaded=True) for p in PACKAGE.rglob("*.py")}
    for backend, allowed in readers.items():
        assert part("models") & importers(backend) == allowed
        assert not part("models") & importers(backend, at_once)


@pytest.mark.parametrize(
    ("library", "owners"),
    [
        ("cv2", {"video_zoo.data.readers"}),
        ("av", {"video_zoo.data.readers"}),
        (
            "matplotlib",
            {
                "video_zoo.evaluation.plots",
                "video_zoo.data.contact_sheet",
                "video_zoo.data.lettering",
            },
        ),
    ],
)
def test_few_modules_import(library, owners):
    tools = {module_name(path): imports(path) for path in TOOLS}
    assert importers(library, {**MODULES, **tools}) <= owners


def run(code: str, cwd: Path, isolated: bool = False, **variables: str) -> str:
    unset = ("PYTHONPATH", "KERAS_BACKEND", "TF_ENABLE_ONEDNN_OPTS")
    environment = {k: v for k, v in os.environ.items() if k not in unset}
    if not isolated:
        environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )
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


def test_every_public_name_resolves():
    for name in video_zoo.__all__:
        assert importlib.util.find_spec(f"video_zoo.{name}") or hasattr(video_zoo, name), name


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
    data = {f"video_zoo/models/class_names/kinetics{count}.txt" for count in (400, 600)}
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
    assert run(code, tmp_path, isolated=True) == f"{file} (None, 5) abseiling"
