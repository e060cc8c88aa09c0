"""What training clips are put through, as settings. Loads no framework, for the tools' flags."""

import dataclasses

from video_zoo import errors

# The first Keras that has the layers of an option, and one of them to look for.
_NEEDED = {
    "color_jitter": ("3.8", "RandomHue"),
    "rand_augment": ("3.8", "Equalization"),
    "mixup_alpha": ("3.8", "MixUp"),
    "cutmix_alpha": ("3.9", "CutMix"),
}


@dataclasses.dataclass(frozen=True)
class AugmentationConfig:
    """What training clips are put through; nothing by default. One draw for all frames of a clip.

    Args:
        random_resized_crop: crop a random share of the picture's area, in a random shape.
        min_area: smallest share of the area that `random_resized_crop` takes.
        max_area: largest share of the area that `random_resized_crop` takes.
        min_aspect: smallest width / height that `random_resized_crop` takes.
        max_aspect: largest width / height that `random_resized_crop` takes.
        scale_jitter: enlarge by a random factor from 1 to this before the crop; 1 is off.
        color_jitter: strength, 0 to 1, of changes to brightness, contrast, saturation and hue.
        rand_augment: number of RandAugment operations on a clip; 0 is off.
        rand_augment_magnitude: strength of the RandAugment operations, 0 to 10.
        mixup_alpha: blend clips, with shares from Beta(alpha, alpha); 0 is off.
        cutmix_alpha: paste boxes between clips, of shares from Beta(alpha, alpha); 0 is off.
        max_frame_stride: draw the frame stride of a clip from the usual one to this.
    """

    random_resized_crop: bool = False
    min_area: float = 0.08
    max_area: float = 1.0
    min_aspect: float = 3 / 4
    max_aspect: float = 4 / 3
    scale_jitter: float = 1.0
    color_jitter: float = 0.0
    rand_augment: int = 0
    rand_augment_magnitude: float = 7.0
    mixup_alpha: float = 0.0
    cutmix_alpha: float = 0.0
    max_frame_stride: int | None = None

    def __post_init__(self) -> None:
        errors.check_settings(self)
        for least, most in (("min_area", "max_area"), ("min_aspect", "max_aspect")):
            if getattr(self, least) > getattr(self, most):
                raise errors.refusal(
                    least, f"at most `{most}`, {getattr(self, most)}", getattr(self, least)
                )
        if self.random_resized_crop and self.scale_jitter > 1:
            allowed = "1 with `random_resized_crop`, which draws a scale itself"
            remedy = "Choose one of the two."
            raise errors.refusal("scale_jitter", allowed, self.scale_jitter, remedy)

    @property
    def mixes(self) -> bool:
        """Whether clips of a batch are mixed, so that labels are shares of classes."""
        return self.mixup_alpha > 0 or self.cutmix_alpha > 0

    def check(self, channels: int, frame_stride: int = 1) -> None:
        """Raises unless this can be done to clips of ``channels`` channels with this Keras.

        Args:
            channels: 3 for RGB, 2 for optical flow, which has no colours to change.
            frame_stride: the usual step between frames; ``max_frame_stride`` cannot be smaller.

        Raises:
            ValueError: the options do not fit the clips.
            ImportError: the installed Keras lacks the layers of an option.
        """
        for argument in ("color_jitter", "rand_augment"):
            value = getattr(self, argument)
            if channels != 3 and value:
                allowed = "0 for optical flow, which has no colours"
                place = f" and clips of {channels} channels"
                raise errors.refusal(argument, allowed, value, place=place)
        if self.max_frame_stride is not None and self.max_frame_stride < frame_stride:
            allowed = f"at least `frame_stride`, {frame_stride}"
            raise errors.refusal("max_frame_stride", allowed, self.max_frame_stride)
        import keras

        backend = keras.backend.backend()
        for argument, (version, layer) in _NEEDED.items():
            value = getattr(self, argument)
            if not value:
                continue
            received = f"Received: {argument}={value}"
            if backend != "tensorflow":  # within `tf.data` no other runs
                raise ValueError(
                    f"`{argument}` needs the TensorFlow backend of Keras. {received} with "
                    f"KERAS_BACKEND={backend}. Unset it, or set it to tensorflow."
                )
            if not hasattr(keras.layers, layer):
                raise ImportError(
                    f"`{argument}` needs Keras {version} or later. {received} with Keras "
                    f"{keras.__version__}. Install it: `pip install 'keras>={version}'`."
                )
