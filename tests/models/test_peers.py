"""torchvision's own networks, whose outputs are also written for the tests that have no PyTorch.

Run by `tools/dev.py test_peers`.
"""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import references
import resnet_reference

pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(
        importlib.util.find_spec("torchvision") is None, reason="torchvision is not installed"
    ),
]

EXPECTED = Path(__file__).with_name("torchvision_resnets.json")
DRAWN = {"num_classes": 7, "seed": 0}
# In a process of its own: PyTorch's CUDA build crashes if torchvision comes after TensorFlow.
SCRIPT = """
import sys
import numpy as np
import torch
import torchvision

network, folder = sys.argv[1:]
state = dict(np.load(f"{folder}/state.npz"))
model = getattr(torchvision.models.video, network)(num_classes=len(state["fc.bias"])).eval()
model.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
found = {}
for name, module in model.named_children():
    module.register_forward_hook(lambda _m, _i, out, name=name: found.update({name: out}))
with torch.no_grad():
    model(torch.from_numpy(np.load(f"{folder}/clips.npy")))
del found["avgpool"]
np.savez(f"{folder}/found.npz", **{name: value.numpy() for name, value in found.items()})
print(torchvision.__version__)
"""


@pytest.mark.parametrize("network", ["r3d_18", "mc3_18", "r2plus1d_18"])
def test_the_second_implementation_is_torchvisions_and_so_is_what_is_written(network, tmp_path):
    state = resnet_reference.random_state(network, **DRAWN)
    clips = references.for_torchvision(references.clips()[:, :9, :33, :32])
    np.savez(tmp_path / "state.npz", **state)
    np.save(tmp_path / "clips.npy", clips.transpose(0, 4, 1, 2, 3))
    subprocess.run([sys.executable, "-c", SCRIPT, network, str(tmp_path)], check=True)
    theirs = dict(np.load(tmp_path / "found.npz"))
    own = resnet_reference.stages(network, state, clips)
    assert own.keys() == theirs.keys()
    for stage, value in theirs.items():
        if value.ndim == 5:
            theirs[stage] = value = value.transpose(0, 2, 3, 4, 1)
        size = np.abs(value).max()
        np.testing.assert_allclose(own[stage], value, rtol=0, atol=1e-5 * size, err_msg=stage)
    write({network: {stage: references.facts(value) for stage, value in theirs.items()}})


def write(found: dict) -> None:
    """Adds to the file of expected values what has changed by more than rounding."""
    known = json.loads(EXPECTED.read_text()) if EXPECTED.exists() else {}
    new = {**known, "drawn": DRAWN, **found}
    if flat(known) != pytest.approx(flat(new), rel=1e-5):
        EXPECTED.write_text(json.dumps(new, indent=1) + "\n")


def flat(content: dict) -> dict:
    """Path -> number, of all in a nested mapping."""
    numbers = {}
    for name, value in content.items():
        items = enumerate(value) if isinstance(value, list) else None
        if isinstance(value, dict):
            items = flat(value).items()
        numbers |= {name: value} if items is None else {f"{name}/{k}": v for k, v in items}
    return numbers
