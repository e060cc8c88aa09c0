"""The tables of I3D and S3D: GoogLeNet with a time axis (Carreira & Zisserman 2017, Figure 3)."""

from .spec import Conv, Mixed, Pool


def _mixed(b0: int, b1: tuple[int, int], b2: tuple[int, int], b3: int) -> Mixed:
    return Mixed(
        (
            (Conv(b0),),
            (Conv(b1[0]), Conv(b1[1], (3, 3, 3))),
            (Conv(b2[0]), Conv(b2[1], (3, 3, 3))),
            (Pool("max", (3, 3, 3)), Conv(b3)),
        )
    )


INCEPTION_V1 = (
    ("Conv3d_1a_7x7", Conv(64, (7, 7, 7), (2, 2, 2))),
    ("MaxPool3d_2a_3x3", Pool("max", (1, 3, 3), (1, 2, 2))),
    ("Conv3d_2b_1x1", Conv(64)),
    ("Conv3d_2c_3x3", Conv(192, (3, 3, 3))),
    ("MaxPool3d_3a_3x3", Pool("max", (1, 3, 3), (1, 2, 2))),
    ("Mixed_3b", _mixed(64, (96, 128), (16, 32), 32)),
    ("Mixed_3c", _mixed(128, (128, 192), (32, 96), 64)),
    ("MaxPool3d_4a_3x3", Pool("max", (3, 3, 3), (2, 2, 2))),
    ("Mixed_4b", _mixed(192, (96, 208), (16, 48), 64)),
    ("Mixed_4c", _mixed(160, (112, 224), (24, 64), 64)),
    ("Mixed_4d", _mixed(128, (128, 256), (24, 64), 64)),
    ("Mixed_4e", _mixed(112, (144, 288), (32, 64), 64)),
    ("Mixed_4f", _mixed(256, (160, 320), (32, 128), 128)),
    ("MaxPool3d_5a_2x2", Pool("max", (2, 2, 2), (2, 2, 2))),
    ("Mixed_5b", _mixed(256, (160, 320), (32, 128), 128)),
    ("Mixed_5c", _mixed(384, (192, 384), (48, 128), 128)),
)

# From here on the released S3D-G networks gate the end of each branch.
GATED_FROM = "Conv3d_2c_3x3"

# MIL-NCE's stem takes blocks of 2x2x2 positions as channels, and has a kernel of 2x4x4 blocks. That
# is this kernel of 4x8x8 positions. On blocks it is padded as SAME does: none before and one after
# in time, one before and two after in space.
SPACE_TO_DEPTH = (
    (
        "Conv3d_1a_8x8",
        Conv(64, (4, 8, 8), (2, 2, 2), ((0, 2), (2, 4), (2, 4)), separable=False),
    ),
    *INCEPTION_V1[1:],
)
