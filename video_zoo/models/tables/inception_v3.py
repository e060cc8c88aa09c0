"""The table of S3D-v3: Inception-v3 with a time axis (Gupta et al., Table 1 and Figures 5 to 7).

Widths are those of Inception-v3 (Szegedy et al. 2015); the two reductions are VALID in all three
axes and everything else SAME, which yields the sizes that Table 1 lists.
"""

from .spec import Conv, Factorized, Mixed, Parallel, Pool

_K1X7, _K7X1 = (7, 1, 7), (7, 7, 1)
_K1X3, _K3X1 = (3, 1, 3), (3, 3, 1)
_HALVE = {"strides": (2, 2, 2), "padding": "valid"}


def _type_1(pooled: int) -> Mixed:
    """Figure 5: 1x1, 5x5, two 3x3, and an average pool."""
    return Mixed(
        (
            (Conv(64),),
            (Conv(48), Conv(64, (5, 5, 5))),
            (Conv(64), Conv(96, (3, 3, 3)), Conv(96, (3, 3, 3))),
            (Pool("avg", (3, 3, 3)), Conv(pooled)),
        )
    )


def _type_2(width: int) -> Mixed:
    """Figure 6: the 7x7 convolutions, factorized into 1x7 and 7x1."""
    return Mixed(
        (
            (Conv(192),),
            (Conv(width), Factorized((Conv(width, _K1X7), Conv(192, _K7X1)))),
            (
                Conv(width),
                Factorized((Conv(width, _K7X1), Conv(width, _K1X7))),
                Factorized((Conv(width, _K7X1), Conv(192, _K1X7))),
            ),
            (Pool("avg", (3, 3, 3)), Conv(192)),
        )
    )


def _type_3() -> Mixed:
    """Figure 7: 3x3 convolutions, split into 1x3 beside 3x1."""
    beside = Parallel((Conv(384, _K1X3), Conv(384, _K3X1)))
    return Mixed(
        (
            (Conv(320),),
            (Conv(384), beside),
            (Conv(448), Conv(384, (3, 3, 3)), beside),
            (Pool("avg", (3, 3, 3)), Conv(192)),
        )
    )


INCEPTION_V3 = (
    ("Conv3d_1a_3x3", Conv(32, (3, 3, 3), (2, 2, 2))),
    ("Conv3d_2a_3x3", Conv(32, (3, 3, 3))),
    ("Conv3d_2b_3x3", Conv(64, (3, 3, 3))),
    ("MaxPool3d_3a_3x3", Pool("max", (3, 3, 3), (2, 2, 2))),
    ("Conv3d_3b_1x1", Conv(80)),
    ("Conv3d_4a_3x3", Conv(192, (3, 3, 3))),
    ("MaxPool3d_5a_3x3", Pool("max", (3, 3, 3), (2, 2, 2))),
    ("Mixed_5b", _type_1(pooled=32)),
    ("Mixed_5c", _type_1(pooled=64)),
    ("Mixed_5d", _type_1(pooled=64)),
    (
        "Mixed_6a",
        Mixed(
            (
                (Conv(384, (3, 3, 3), **_HALVE),),
                (Conv(64), Conv(96, (3, 3, 3)), Conv(96, (3, 3, 3), **_HALVE)),
                (Pool("max", (3, 3, 3), **_HALVE),),
            )
        ),
    ),
    ("Mixed_6b", _type_2(128)),
    ("Mixed_6c", _type_2(160)),
    ("Mixed_6d", _type_2(160)),
    ("Mixed_6e", _type_2(192)),
    (
        "Mixed_7a",
        Mixed(
            (
                (Conv(192), Conv(320, (3, 3, 3), **_HALVE)),
                (
                    Conv(192),
                    Factorized((Conv(192, _K1X7), Conv(192, _K7X1))),
                    Conv(192, (3, 3, 3), **_HALVE),
                ),
                (Pool("max", (3, 3, 3), **_HALVE),),
            )
        ),
    ),
    ("Mixed_7b", _type_3()),
    ("Mixed_7c", _type_3()),
)

AUXILIARY_ENDPOINT = "Mixed_6e"
