"""Temporal plans: which endpoint gets which kernels, and what a frame can reach."""

import keras
import numpy as np
import pytest

import video_zoo
from video_zoo.models.tables.inception_v1 import INCEPTION_V1, SPACE_TO_DEPTH
from video_zoo.models.tables.inception_v3 import INCEPTION_V3
from video_zoo.models.tables.spec import Conv, Mixed, Pool, TemporalPlan, smallest_input, symmetric


def kernels(model) -> dict[str, tuple[int, int, int]]:
    """Layer -> kernel, for the convolutions below the classifier."""
    return {
        layer.name: layer.kernel_size
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv3D) and not layer.name.startswith("Logits")
    }


def endpoint_of(layer: str) -> str:
    return layer.split("_Branch")[0].removesuffix("_conv").removesuffix("_gate")


@pytest.mark.parametrize(
    ("table", "expected"), [(INCEPTION_V1, 1), (SPACE_TO_DEPTH, 2), (INCEPTION_V3, 49)]
)
def test_smallest_input(table, expected):
    assert [smallest_input(table, axis) for axis in range(3)] == [expected] * 3


def test_symmetric_padding_changes_rows_with_a_stride_only():
    table = symmetric(INCEPTION_V1)
    changed = {
        name: row.padding
        for (name, row), (_, before) in zip(table, INCEPTION_V1, strict=True)
        if row != before
    }
    assert changed == {
        "Conv3d_1a_7x7": "symmetric",
        "MaxPool3d_2a_3x3": "symmetric",
        "MaxPool3d_3a_3x3": "symmetric",
        "MaxPool3d_4a_3x3": "symmetric",
        "MaxPool3d_5a_2x2": "valid",  # an even window has no middle
    }
    assert [smallest_input(table, axis) for axis in range(3)] == [5, 17, 17]


def test_symmetric_padding_reaches_into_blocks_and_leaves_valid_rows():
    strided, valid = Conv(4, (3, 3, 3), (1, 1, 2)), Pool("max", (3, 3, 3), (2, 2, 2), "valid")
    even = Pool("max", (1, 4, 3), (1, 2, 2))  # in height, which is enough
    table = (("Mixed", Mixed(((Conv(4), strided), (valid,), (even,)))),)
    odd = Conv(4, (3, 3, 3), (1, 1, 2), "symmetric")
    even = Pool("max", (1, 4, 3), (1, 2, 2), "valid")
    assert symmetric(table) == (("Mixed", Mixed(((Conv(4), odd), (valid,), (even,)))),)


@pytest.mark.parametrize("plan", [video_zoo.top_heavy, video_zoo.bottom_heavy])
def test_an_unknown_endpoint_lists_the_known_ones(plan):
    with pytest.raises(ValueError) as error:
        video_zoo.s3d_v1(temporal=plan("Mixed_6b"))
    assert "`start` must be an endpoint of the network: Conv3d_1a_7x7, " in str(error.value)
    assert "Mixed_5c. Received: start='Mixed_6b'" in str(error.value)


@pytest.mark.parametrize("argument", ["above", "below"])
def test_an_unknown_mode_is_refused(argument):
    modes = "'full', 'separable', 'inflated_pair', '2d'"
    with pytest.raises(ValueError, match=f"`{argument}` must be one of {modes}"):
        TemporalPlan(**{"above": "2d", argument: "3d"})


def test_full_kernels_stand_as_in_the_table():
    found = kernels(video_zoo.i3d(5, width_multiplier=0.05))
    assert found["Conv3d_1a_7x7_conv"] == (7, 7, 7)
    assert set(found.values()) == {(7, 7, 7), (3, 3, 3), (1, 1, 1)}
    # Future work of Gupta et al.: the pair inflated to 7x1x7 and 7x7x1.
    found = kernels(video_zoo.s3d_v3(5, width_multiplier=0.05, temporal="full"))
    assert {(7, 1, 7), (7, 7, 1), (3, 1, 3), (3, 3, 1), (5, 5, 5)} < set(found.values())


@pytest.mark.parametrize("name", ["s3d_v1", "s3d_v3"])
def test_separable_kernels_look_at_space_or_at_time(name, small):
    found = kernels(small(name))
    for layer, (time, height, width) in found.items():
        assert time == 1 or height == width == 1, layer
        assert (time > 1) == layer.endswith("_temporal_conv"), layer


def test_a_factorized_pair_shares_one_temporal_convolution(small):
    branch = "Mixed_6b_Branch_2_Conv3d_0"
    found = {k: v for k, v in kernels(small("s3d_v3")).items() if k.startswith(branch)}
    assert list(found.values()) == [
        (1, 1, 1),
        *[(1, 7, 1), (1, 1, 7), (7, 1, 1)],
        *[(1, 7, 1), (1, 1, 7), (7, 1, 1)],
    ]


@pytest.mark.parametrize("name", ["i3d", "s3d_v3"])
def test_2d_networks_have_no_temporal_kernel(name, small):
    assert all(kernel[0] == 1 for kernel in kernels(small(name, temporal="2d")).values())


@pytest.mark.parametrize("name", ["s3d_v1", "s3d_v3"])
@pytest.mark.parametrize(
    ("plan", "above"), [(video_zoo.top_heavy, True), (video_zoo.bottom_heavy, False)]
)
def test_plans_are_temporal_on_one_side_only(name, plan, above, small):
    model = small(name, temporal=plan("Mixed_5c"))
    order = [layer.name for layer in model.layers]
    first = min(i for i, layer in enumerate(order) if layer.startswith("Mixed_5c_"))
    temporal = {layer for layer, kernel in kernels(model).items() if kernel[0] > 1}
    assert temporal
    assert all((order.index(layer) >= first) == above for layer in temporal)


@pytest.mark.parametrize("temporal", ["full", "separable", "2d", video_zoo.top_heavy("Mixed_4b")])
def test_gates_stand_after_temporal_convolutions_only(temporal, small):
    model = small("s3d_v1", gating=True, temporal=temporal)
    gates = [layer.name for layer in model.layers if layer.name.endswith("_gate")]
    temporal_layers = [layer for layer, kernel in kernels(model).items() if kernel[0] > 1]
    assert len(gates) == len(temporal_layers)
    assert {endpoint_of(gate) for gate in gates} == {
        endpoint_of(layer).removesuffix("_temporal") for layer in temporal_layers
    }


BRANCH_ENDS = ("0_Conv3d_0a_1x1", "1_Conv3d_0b_3x3", "2_Conv3d_0b_3x3", "3_Conv3d_0b_1x1")


@pytest.mark.parametrize("temporal", ["full", "separable", "2d"])
@pytest.mark.parametrize(("gating", "count"), [("released", 37), ("blocks", 36)])
def test_released_gates_stand_at_the_end_of_each_branch(gating, count, temporal, small):
    for name in ("s3d_v1", "s3d_milnce"):
        model = small(name, gating=gating, temporal=temporal)
        gates = [layer.name for layer in model.layers if layer.name.endswith("_gate")]
        assert len(gates) == count
        assert ("Conv3d_2c_3x3_gate" in gates) == (gating == "released")
        ends = [f"Mixed_4c_Branch_{end}" for end in BRANCH_ENDS]
        assert {gate for gate in gates if gate.startswith("Mixed_4c")} == {
            f"{e}_gate" for e in ends
        }
        for end in ends:
            assert isinstance(model.get_layer(end), keras.layers.Multiply)


def test_true_is_the_gating_of_the_paper_and_released_gates_need_a_released_network(small):
    ours, named = (small("s3d_v1", gating=gating) for gating in (True, "paper"))
    assert [w.path for w in ours.weights] == [w.path for w in named.weights]
    for name in ("s3d_v3", "r3d_18"):
        with pytest.raises(
            ValueError, match=f"`gating` must be None, False or 'paper' for '{name}'"
        ):
            small(name, gating="released")


def test_the_stem_of_blocks_is_never_split_and_sees_the_steps_of_its_blocks(small, clips):
    assert kernels(small("s3d_milnce"))["Conv3d_1a_8x8_conv"] == (4, 8, 8)
    flat = kernels(small("s3d_milnce", temporal="2d"))
    assert flat["Conv3d_1a_8x8_conv"] == (1, 8, 8)
    # Step t looks at the blocks t and t + 1, of two frames each.
    model = small("s3d_milnce")
    assert changed_steps(model, "Conv3d_1a_8x8", 0, clips) == [0]
    assert changed_steps(model, "Conv3d_1a_8x8", 7, clips) == [2, 3]


def changed_steps(model, endpoint: str, frame: int, clips) -> list[int]:
    """Steps of the endpoint's map that another picture in ``frame`` changes."""
    features = keras.Model(model.input, model.get_layer(endpoint).output)
    clip = clips(model.input_shape[1:], batch=1)
    other = clip.copy()
    other[:, frame] = -other[:, frame]
    difference = np.abs(np.asarray(features(clip)) - np.asarray(features(other)))
    return np.flatnonzero(difference.max(axis=(0, 2, 3, 4)) > 0).tolist()


@pytest.mark.parametrize(
    ("name", "endpoint"), [("s3d_v1", "Mixed_3c"), ("i3d", "Mixed_3c"), ("s3d_v3", "Conv3d_2b_3x3")]
)
def test_2d_endpoints_do_not_mix_frames(name, endpoint, small, clips):
    """Up to the second stride in time, step t of a 2D network sees frame 2t and no other."""
    model = small(name, temporal="2d")
    assert changed_steps(model, endpoint, 4, clips) == [2]
    assert changed_steps(model, endpoint, 5, clips) == []


@pytest.mark.parametrize("name", ["s3d_v1", "s3d_v3"])
def test_2d_networks_see_every_other_frame_only(name, small, clips):
    last = {"s3d_v1": "Mixed_5c", "s3d_v3": "Mixed_7c"}[name]
    assert changed_steps(small(name, temporal="2d"), last, 5, clips) == []
    assert changed_steps(small(name), last, 5, clips) != []


def test_temporal_kernels_reach_as_far_as_they_are_long(small, clips):
    # A kernel of 7 with stride 2 pads 2 steps before the first frame, so step t sees 2t - 2 to
    # 2t + 4.
    model = small("s3d_v1")
    assert changed_steps(model, "Conv3d_1a_7x7", 6, clips) == [1, 2, 3, 4]
    assert changed_steps(model, "Conv3d_1a_7x7", 7, clips) == [2, 3, 4]
