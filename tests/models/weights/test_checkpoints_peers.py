"""Published formats against PyTorch's own forward pass, in its own files. Skipped without it."""

import numpy as np
import pytest
import references
import s3dg_reference

import video_zoo

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytestmark = pytest.mark.peers

CLASSES = 7


@pytest.fixture(scope="module")
def networks():
    import torch_networks

    return torch_networks


def randomised(network):
    """Values of its own for every tensor, spread so that no statistic could be another."""
    generator = torch.Generator().manual_seed(6)
    for name, value in network.state_dict().items():
        if value.ndim > 1:
            fan_in = value[0].numel()
            value.normal_(0, (0.6 / fan_in) ** 0.5, generator=generator)
        elif name.endswith("running_var"):
            value.uniform_(0.002, 1.5, generator=generator)
        elif value.ndim == 1:
            of_norm = name.endswith("weight")
            low, high = (0.5, 1.5) if of_norm else (-0.3, 0.3)
            value.uniform_(low, high, generator=generator)
    return network.eval()


def outputs(network, clips):
    with torch.no_grad():
        found = network(torch.from_numpy(clips.transpose(0, 4, 1, 2, 3).copy())).numpy()
    return found if found.ndim == 2 else found.transpose(0, 2, 3, 4, 1)


def assert_agree(model, clips, expected):
    found = model.predict(clips, verbose=0)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("style", ["piergiaj", "hassony2"])
def test_i3d(style, networks, tmp_path):
    network, clips = randomised(networks.I3D(style, CLASSES)), references.clips()
    assert len(network.state_dict()) == 344
    torch.save(network.state_dict(), tmp_path / "i3d.pt")
    model = video_zoo.i3d(CLASSES, input_shape=clips.shape[1:], weights=tmp_path / "i3d.pt")
    assert_agree(model, clips, outputs(network, clips))


@pytest.mark.parametrize(
    ("name", "classes", "entry"),
    [("bsl1k.pth.tar", 1064, "bsl1k"), ("rgb_charades.pt", 157, "charades")],
)
def test_i3d_of_other_data_is_known_by_its_published_name(name, classes, entry, networks, tmp_path):
    network, clips = randomised(networks.I3D("piergiaj", classes)), references.clips()
    torch.save({"state_dict": network.state_dict()}, tmp_path / name)
    info = video_zoo.weights_info("i3d", tmp_path / name)
    assert (info.name, info.num_classes) == (entry, classes)
    assert info.convention == video_zoo.weights_info("i3d", entry).convention
    model = video_zoo.i3d(classes, input_shape=clips.shape[1:], weights=tmp_path / name)
    half = 0.5 if entry == "bsl1k" else 1  # its values are in [-0.5, 0.5]
    assert_agree(model, clips, outputs(network, half * clips))


def test_milnce(networks, tmp_path):
    network, clips = randomised(networks.MilNce()), s3dg_reference.clips()
    torch.save(network.state_dict(), tmp_path / "a.pth")
    model = video_zoo.s3d_milnce(input_shape=clips.shape[1:], weights=tmp_path / "a.pth")
    assert_agree(model, clips, outputs(network, (clips + 1) / 2))


@pytest.mark.parametrize("gated", [True, False])
def test_coclr(gated, networks, tmp_path):
    network, clips = randomised(networks.CoClr(gated)), s3dg_reference.clips()
    other = networks.CoClr(gated)
    state = {
        **{f"module.encoder_q.0.{name}": value for name, value in network.state_dict().items()},
        **{f"module.encoder_k.0.{name}": value for name, value in other.state_dict().items()},
        **{f"module.sampler.0.{name}": value for name, value in other.state_dict().items()},
        "module.encoder_q.2.weight": torch.ones(3),
        "module.queue_label": torch.ones(3, dtype=torch.long),
    }
    torch.save({"epoch": 3, "state_dict": state, "best_acc": 0.5}, tmp_path / "a.pth.tar")
    torch.save({f"backbone.{k}": v for k, v in network.state_dict().items()}, tmp_path / "b.pth")
    fed = s3dg_reference.normalised(clips, *s3dg_reference.IMAGENET)
    for name in ("a.pth.tar", "b.pth"):
        model = video_zoo.s3d_v1(
            include_top=False, input_shape=clips.shape[1:], weights=tmp_path / name
        )
        assert_agree(model, clips, outputs(network, fed))
