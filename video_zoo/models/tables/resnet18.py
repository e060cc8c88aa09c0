"""ResNet-18 with three-dimensional kernels (Tran et al. 2018), as torchvision publishes it."""

from .spec import Conv, Residual, Table

_WIDTHS = {"layer1": 64, "layer2": 128, "layer3": 256, "layer4": 512}


def _block(into: int, width: int, step: int, steps_time: bool) -> Residual:
    """Two 3x3x3 convolutions. Split, both have the width that keeps the first one's parameters."""
    strides = (step if steps_time else 1, step, step)
    middle = into * width * 27 // (into * 9 + 3 * width)
    first = Conv(width, (3, 3, 3), strides, "same" if step == 1 else "symmetric", middle)
    second = Conv(width, (3, 3, 3), middle=middle, activation=False)
    shortcut = None if into == width else Conv(width, strides=strides, activation=False)
    return Residual((first, second), shortcut)


def _table(steps_time: bool) -> Table:
    rows = [("stem", Conv(64, (3, 7, 7), (1, 2, 2), "symmetric", middle=45))]
    into = 64
    for stage, width in _WIDTHS.items():
        step = 1 if into == width else 2
        rows.append((f"{stage}_0", _block(into, width, step, steps_time)))
        rows.append((f"{stage}_1", _block(width, width, 1, steps_time)))
        into = width
    return tuple(rows)


RESNET_18 = _table(steps_time=True)
# Mixed convolutions: the stages that are 2D do not step in time.
RESNET_18_MIXED = _table(steps_time=False)
