"""What the frames of a clip are: colours, or optical flow."""

RGB = "rgb"


def channels_of(modality: str) -> int:
    """Channels of a clip: 3 colours, or 2 displacements."""
    return 3 if modality == RGB else 2
