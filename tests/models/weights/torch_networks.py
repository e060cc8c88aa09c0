"""I3D and S3D-G as PyTorch modules, in the names of four published files. Needs PyTorch.

Written from the papers and from what is known of the files: names, padding, epsilon, gates.
"""

import references
import torch
from torch.nn import functional


def same(x, kernel, strides):
    """``x`` padded as TensorFlow's SAME pads it, with zeros."""
    sides = []
    for size, k, s in reversed(list(zip(x.shape[2:], kernel, strides, strict=True))):
        missing = max((-(-size // s) - 1) * s + k - size, 0)
        sides += [missing // 2, missing - missing // 2]
    return functional.pad(x, sides)


def half(x, kernel, _):
    """``x`` padded by half the window on each side."""
    return functional.pad(x, [k // 2 for k in reversed(kernel) for _ in range(2)])


def pooled(x, size, strides, padded=same):
    return functional.max_pool3d(padded(x, size, strides), size, strides)


class Unit(torch.nn.Module):
    """Convolutions, each with normalisation and ReLU: ``parts`` are names, kernel, strides."""

    def __init__(self, into, out, *parts, padded=same, epsilon=1e-3):
        super().__init__()
        self.padded, self.parts = padded, [names for names, _, _ in parts]
        for (conv, norm), kernel, strides in parts:
            setattr(self, conv, torch.nn.Conv3d(into, out, kernel, strides, bias=False))
            setattr(self, norm, torch.nn.BatchNorm3d(out, eps=epsilon))
            into = out

    def forward(self, x):
        for names in self.parts:
            conv, norm = (getattr(self, name) for name in names)
            x = torch.relu(norm(conv(self.padded(x, conv.kernel_size, conv.stride))))
        return x


class Gate(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc = torch.nn.Linear(width, width)

    def forward(self, x):
        return x * torch.sigmoid(self.fc(x.mean((2, 3, 4))))[:, :, None, None, None]


class Block(torch.nn.Module):
    """An Inception block. ``branches`` are rows of (name, module); a gate stands after each."""

    def __init__(self, branches, gates=(), padded=same):
        super().__init__()
        self.padded, self.gates = padded, gates
        self.branches = [[name for name, _ in branch] for branch in branches]
        for name, module in [part for branch in branches for part in branch]:
            self.place(name, module)
        for gate, width in gates:
            setattr(self, gate, Gate(width))

    def place(self, name, module):
        """``module`` as ``name``, whose parts between dots are modules of their own."""
        parent = self
        *parts, last = name.split(".")
        for part in parts:
            if part not in dict(parent.named_children()):
                parent.add_module(part, torch.nn.Module())
            parent = parent.get_submodule(part)
        parent.add_module(last, module)

    def forward(self, x):
        outputs = []
        for index, branch in enumerate(self.branches):
            y = pooled(x, (3, 3, 3), (1, 1, 1), self.padded) if index == 3 else x
            for name in branch:
                y = self.get_submodule(name)(y)
            outputs.append(getattr(self, self.gates[index][0])(y) if self.gates else y)
        return torch.cat(outputs, 1)


def run_blocks(network, x, named, padded=same, last=same):
    """The nine blocks and the pools between them."""
    for block in references.BLOCKS:
        if block == "4b":
            x = pooled(x, (3, 3, 3), (2, 2, 2), padded)
        if block == "5b":
            x = pooled(x, (2, 2, 2), (2, 2, 2), last)
        x = getattr(network, named.format(block))(x)
    return x


class I3D(torch.nn.Module):
    """In the names of piergiaj/pytorch-i3d, or of hassony2/kinetics_i3d_pytorch."""

    def __init__(self, style, classes):
        super().__init__()
        piergiaj = style == "piergiaj"
        norm = "bn" if piergiaj else "batch3d"

        def unit(into, out, k, stride=1):
            return Unit(into, out, (("conv3d", norm), (k,) * 3, (stride,) * 3))

        self.stem = ["Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3"]
        self.head = "logits" if piergiaj else "conv3d_0c_1x1"
        self.blocks = "Mixed_{}" if piergiaj else "mixed_{}"
        if not piergiaj:
            self.stem = [name.lower() for name in self.stem]
        sizes = ((3, 64, 7, 2), (64, 64, 1), (64, 192, 3))
        for name, size in zip(self.stem, sizes, strict=True):
            setattr(self, name, unit(*size))
        parts = [["b0"], ["b1a", "b1b"], ["b2a", "b2b"], ["b3b"]]
        if not piergiaj:
            pairs = [[f"branch_{n}.0", f"branch_{n}.1"] for n in (1, 2)]
            parts = [["branch_0"], *pairs, ["branch_3.1"]]
        for block, (b0, b1a, b1b, b2a, b2b, b3) in references.BLOCKS.items():
            into = references.widths_in(block)
            units = [
                [unit(into, b0, 1)],
                [unit(into, b1a, 1), unit(b1a, b1b, 3)],
                [unit(into, b2a, 1), unit(b2a, b2b, 3)],
                [unit(into, b3, 1)],
            ]
            rows = [list(zip(n, u, strict=True)) for n, u in zip(parts, units, strict=True)]
            setattr(self, self.blocks.format(block), Block(rows))
        head = torch.nn.Module()
        head.conv3d = torch.nn.Conv3d(1024, classes, 1)
        setattr(self, self.head, head)

    def forward(self, x):
        first, second, third = (getattr(self, name) for name in self.stem)
        x = pooled(first(x), (1, 3, 3), (1, 2, 2))
        x = pooled(third(second(x)), (1, 3, 3), (1, 2, 2))
        x = run_blocks(self, x, self.blocks)
        x = functional.avg_pool3d(x, (2, *x.shape[3:]), 1)
        return getattr(self, self.head).conv3d(x).mean((2, 3, 4))


def separable(into, out, k, stride=1, padded=same):
    parts = (
        (("conv1", "bn1"), (1, k, k), (1, stride, stride)),
        (("conv2", "bn2"), (k, 1, 1), (stride, 1, 1)),
    )
    return Unit(into, out, *parts, padded=padded, epsilon=1e-5)


def plain(names, into, out):
    return Unit(into, out, (names, (1, 1, 1), (1, 1, 1)), epsilon=1e-5)


class MilNce(torch.nn.Module):
    """S3D-G of MIL-NCE's file, with what it holds of texts."""

    def __init__(self):
        super().__init__()
        names = ("conv1", "bn1")
        self.conv1 = Unit(24, 64, (names, (2, 4, 4), (1, 1, 1)), padded=lambda x, *_: x)
        self.conv1.bn1.eps = 1e-5
        self.conv_2b = plain(names, 64, 64)
        self.conv_2c = separable(64, 192, 3)
        self.gating = Gate(192)
        for block, (b0, b1a, b1b, b2a, b2b, b3) in references.BLOCKS.items():
            into = references.widths_in(block)
            rows = [
                [("conv_b0", plain(names, into, b0))],
                [("conv_b1_a", plain(names, into, b1a)), ("conv_b1_b", separable(b1a, b1b, 3))],
                [("conv_b2_a", plain(names, into, b2a)), ("conv_b2_b", separable(b2a, b2b, 3))],
                [("conv_b3_b", plain(names, into, b3))],
            ]
            gates = [(f"gating_b{i}", n) for i, n in enumerate((b0, b1b, b2b, b3))]
            setattr(self, f"mixed_{block}", Block(rows, gates))
        self.fc = torch.nn.Linear(1024, 512)
        self.text_module = torch.nn.ModuleDict({"fc1": torch.nn.Linear(300, 20)})

    def forward(self, x):
        """Clips in [0, 1] of even sizes."""
        sizes = [n for size in x.shape[2:] for n in (size // 2, 2)]
        x = x.reshape(x.shape[0], 3, *sizes).permute(0, 3, 5, 7, 1, 2, 4, 6)
        x = x.reshape(x.shape[0], 24, *x.shape[5:])
        x = self.conv1(functional.pad(x, (2, 2, 2, 2, 1, 1)))[:, :, 1:, 1:, 1:]
        x = self.conv_2c(self.conv_2b(pooled(x, (1, 3, 3), (1, 2, 2))))
        x = pooled(self.gating(x), (1, 3, 3), (1, 2, 2))
        return self.fc(run_blocks(self, x, "mixed_{}").mean((2, 3, 4)))


class CoClr(torch.nn.Module):
    """S3D, or S3D-G, of CoCLR's files. Its stages name all layers a second time."""

    def __init__(self, gated):
        super().__init__()
        names = ("conv", "bn")
        self.Conv_1a = separable(3, 64, 7, 2, padded=half)
        self.block1 = torch.nn.Sequential(self.Conv_1a)
        self.Conv_2b = plain(names, 64, 64)
        self.Conv_2c = separable(64, 192, 3, padded=half)
        self.block2 = torch.nn.Sequential(torch.nn.Identity(), self.Conv_2b, self.Conv_2c)
        for block, (b0, b1a, b1b, b2a, b2b, b3) in references.BLOCKS.items():
            into = references.widths_in(block)
            second = separable(b1a, b1b, 3, padded=half)
            third = separable(b2a, b2b, 3, padded=half)
            rows = [
                [("branch0.0", plain(names, into, b0))],
                [("branch1.0", plain(names, into, b1a)), ("branch1.1", second)],
                [("branch2.0", plain(names, into, b2a)), ("branch2.1", third)],
                [("branch3.1", plain(names, into, b3))],
            ]
            gates = [(f"gating_b{i}", n) for i, n in enumerate((b0, b1b, b2b, b3))]
            setattr(self, f"Mixed_{block}", Block(rows, gates if gated else (), padded=half))

    def forward(self, x):
        x = pooled(self.Conv_1a(x), (1, 3, 3), (1, 2, 2), half)
        x = pooled(self.Conv_2c(self.Conv_2b(x)), (1, 3, 3), (1, 2, 2), half)
        return run_blocks(self, x, "Mixed_{}", padded=half, last=lambda x, *_: x)
