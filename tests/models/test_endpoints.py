"""Every endpoint by its published name, and the size of its feature map."""

import keras
import pytest

import video_zoo

# (64, 224, 224, 3) in.
INCEPTION_V1 = {
    "Conv3d_1a_7x7": (32, 112, 112, 64),
    "MaxPool3d_2a_3x3": (32, 56, 56, 64),
    "Conv3d_2b_1x1": (32, 56, 56, 64),
    "Conv3d_2c_3x3": (32, 56, 56, 192),
    "MaxPool3d_3a_3x3": (32, 28, 28, 192),
    "Mixed_3b": (32, 28, 28, 256),
    "Mixed_3c": (32, 28, 28, 480),
    "MaxPool3d_4a_3x3": (16, 14, 14, 480),
    "Mixed_4b": (16, 14, 14, 512),
    "Mixed_4c": (16, 14, 14, 512),
    "Mixed_4d": (16, 14, 14, 512),
    "Mixed_4e": (16, 14, 14, 528),
    "Mixed_4f": (16, 14, 14, 832),
    "MaxPool3d_5a_2x2": (8, 7, 7, 832),
    "Mixed_5b": (8, 7, 7, 832),
    "Mixed_5c": (8, 7, 7, 1024),
}
MILNCE = {"Conv3d_1a_8x8": (32, 112, 112, 64), **dict(list(INCEPTION_V1.items())[1:])}
# Table 1 of Gupta et al.
INCEPTION_V3 = {
    "Conv3d_1a_3x3": (32, 112, 112, 32),
    "Conv3d_2a_3x3": (32, 112, 112, 32),
    "Conv3d_2b_3x3": (32, 112, 112, 64),
    "MaxPool3d_3a_3x3": (16, 56, 56, 64),
    "Conv3d_3b_1x1": (16, 56, 56, 80),
    "Conv3d_4a_3x3": (16, 56, 56, 192),
    "MaxPool3d_5a_3x3": (8, 28, 28, 192),
    "Mixed_5b": (8, 28, 28, 256),
    "Mixed_5c": (8, 28, 28, 288),
    "Mixed_5d": (8, 28, 28, 288),
    "Mixed_6a": (3, 13, 13, 768),
    "Mixed_6b": (3, 13, 13, 768),
    "Mixed_6c": (3, 13, 13, 768),
    "Mixed_6d": (3, 13, 13, 768),
    "Mixed_6e": (3, 13, 13, 768),
    "Mixed_7a": (1, 6, 6, 1280),
    "Mixed_7b": (1, 6, 6, 2048),
    "Mixed_7c": (1, 6, 6, 2048),
}


def found(model) -> list[tuple[str, tuple[int, ...]]]:
    """Endpoint -> size, in the order of the layers."""
    names = {*INCEPTION_V1, *MILNCE, *INCEPTION_V3}
    layers = [layer.name for layer in model.layers if layer.name in names]
    return [(name, tuple(model.get_layer(name).output.shape[1:])) for name in layers]


TABLES = {
    "i3d": INCEPTION_V1,
    "s3d_milnce": MILNCE,
    "s3d_v1": INCEPTION_V1,
    "s3d_v3": INCEPTION_V3,
    "s3d_v3_top_heavy": INCEPTION_V3,
}


@pytest.mark.parametrize("name", TABLES)
def test_endpoints_at_full_width_are_those_of_the_table(name):
    model = video_zoo.get_model(name, include_top=False, input_shape=(64, 224, 224, 3))
    assert found(model) == list(TABLES[name].items())


@pytest.mark.parametrize(
    ("name", "temporal"),
    [
        *(("s3d_v1", plan) for plan in ("full", "2d", video_zoo.top_heavy("Mixed_4b"))),
        *(("s3d_milnce", plan) for plan in ("full", "2d", video_zoo.bottom_heavy("Mixed_4b"))),
        *(("s3d_v3", plan) for plan in ("full", "2d")),
        *(("s3d_v3", video_zoo.bottom_heavy(start)) for start in ("Mixed_6b", "Mixed_7a")),
    ],
    ids=str,
)
def test_endpoints_have_these_sizes_under_every_plan(name, temporal):
    options = {"width_multiplier": 0.0625, "input_shape": (64, 224, 224, 3)}
    model = video_zoo.get_model(name, temporal=temporal, **options)
    sizes = [(name, size[:3]) for name, size in found(model)]
    assert sizes == [(name, size[:3]) for name, size in TABLES[name].items()]


@pytest.mark.parametrize(("frames", "pixels"), [(49, 50), (63, 81), (82, 97), (99, 112)])
def test_2d_reductions_cut_what_a_temporal_kernel_would(frames, pixels):
    """Whatever the parity: without its temporal part, a VALID reduction must not gain a step."""
    shape = (frames, pixels, pixels, 3)
    options = {"input_shape": shape, "width_multiplier": 0.03, "include_top": False}
    plain = found(video_zoo.s3d_v3(**options))
    assert found(video_zoo.s3d_v3(temporal="2d", **options)) == plain
    assert found(video_zoo.s3d_v3_top_heavy(**options)) == plain


@pytest.mark.parametrize("name", video_zoo.list_models())
def test_an_endpoint_is_a_feature_extractor(name, small, clips, sizes):
    model = small(name)
    endpoint = model.get_layer("layer3_1" if name.endswith("_18") else "Mixed_5c").output
    output = keras.Model(model.input, endpoint)(clips(sizes[name]))
    assert tuple(output.shape)[1:] == tuple(endpoint.shape)[1:]


@pytest.mark.parametrize("name", video_zoo.list_models())
def test_layer_names_hold_no_slash_and_are_unique(name, small):
    names = [layer.name for layer in small(name, gating=True).layers]
    assert len(set(names)) == len(names)
    assert not any("/" in layer for layer in names)
