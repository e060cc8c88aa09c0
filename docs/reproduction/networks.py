"""Networks of the reproduction that are no name of the zoo: the paper's future work.

video-zoo train --model networks:inflated_pair ..., with this file's folder on PYTHONPATH.
"""

import keras

import video_zoo


def inflated_pair(num_classes: int, input_shape: tuple[int, ...]) -> keras.Model:
    """S3D-v3 at half width whose convolutions are inflated in pairs, 7x1x7 and 7x7x1, say."""
    return video_zoo.s3d_v3(
        num_classes, input_shape=input_shape, temporal="inflated_pair", width_multiplier=0.5
    )


def dilated_resnet(num_classes: int, input_shape: tuple[int, ...]) -> keras.Model:
    """ResNet50V2, inflated; its last stage has stride 1 and dilation 2 (Yu et al. 2017)."""
    image_model = keras.applications.ResNet50V2(weights=None, input_shape=input_shape[1:])
    pools = [each for each in image_model.layers if isinstance(each, keras.layers.MaxPooling2D)]

    def dilated(layer: keras.Layer) -> keras.Layer:
        config = layer.get_config()
        if layer is pools[-1] or layer.name == "conv4_block6_2_conv":
            config["strides"] = 1
        elif layer.name.startswith("conv5") and layer.name.endswith("_2_pad"):
            config["padding"] = 2
        elif layer.name.startswith("conv5") and layer.name.endswith("_2_conv"):
            config["dilation_rate"] = 2
        return type(layer).from_config(config)

    image_model = keras.models.clone_model(image_model, clone_function=dilated)
    return video_zoo.inflate(image_model, input_shape[0], num_classes=num_classes)
