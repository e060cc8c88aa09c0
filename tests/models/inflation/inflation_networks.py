"""What the tests of inflation share: small image networks, and what must hold of video networks."""

import keras
import numpy as np

import video_zoo
from video_zoo.benchmarks import inflation as benchmark

MODES = ("2d", "separable", "full")
FRAMES = 3


def everything(dilation: int = 2) -> keras.Model:
    """Every kind of layer that has a rule, in 12x12 pixels; its weights are random."""
    keras.utils.set_random_seed(3)
    layers = keras.layers
    inner = keras.Sequential(
        [
            keras.Input((12, 12, 8)),
            layers.Conv2D(8, 3, padding="same"),
            layers.LayerNormalization(),
        ],
        name="nested",
    )
    image = keras.Input((12, 12, 3), name="image")
    x = layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 5.0, 6.0])(image)
    x = layers.Rescaling([0.5, 1.0, 2.0], offset=0.1)(x)
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="fused_relu")(x)
    x = layers.Conv2D(8, 3, padding="same", activation="gelu", name="fused_gelu")(x)
    x = layers.Conv2D(8, 3, padding="same", dilation_rate=dilation, name="dilated")(x)
    x = layers.BatchNormalization(axis=3, name="dilated_bn")(x)
    x = layers.ReLU(6.0, name="dilated_relu")(x)
    x = layers.Conv2D(8, 3, padding="same", groups=2, name="grouped")(x)
    x = layers.GroupNormalization(4)(x)
    x = inner(x)
    shared = layers.Conv2D(8, 3, padding="same", name="shared")
    act = layers.Activation("relu", name="shared_relu")
    x = layers.Add()([act(shared(x)), act(shared(layers.LeakyReLU()(x)))])
    x = layers.DepthwiseConv2D(3, padding="valid", depth_multiplier=2, name="depthwise")(x)
    x = layers.Activation("swish")(x)
    x = layers.SeparableConv2D(8, 3, padding="same", depth_multiplier=2, name="separable")(x)
    x = layers.ZeroPadding2D(((0, 1), (1, 0)))(x)
    x = layers.Conv2D(8, 3, strides=2, name="strided")(x)
    x = layers.UpSampling2D(2)(x)
    x = layers.Cropping2D(((0, 1), (1, 1)))(x)
    gate = layers.Reshape((1, 1, 8))(layers.GlobalAveragePooling2D()(x))
    gate = layers.Conv2D(8, 1, activation="sigmoid")(gate)
    x = layers.Multiply()([x, gate])
    x = x * (layers.ReLU(6.0)(x + 3.0) * (1.0 / 6.0))
    y = layers.MaxPooling2D(2, padding="same")(x)
    z = layers.AveragePooling2D(2, padding="same")(x)
    x = layers.Concatenate(axis=3)([y, z])
    x = layers.Softmax(axis=-1)(layers.Dense(8)(x))
    x = layers.Dropout(0.1, noise_shape=(None, 1, 1, 1))(layers.SpatialDropout2D(0.1)(x))
    x = layers.Flatten()(x)
    x = layers.Dense(7, name="classifier")(layers.LayerNormalization()(x))
    model = keras.Model(image, layers.Activation("linear", name="logits")(x), name="everything")
    random = np.random.default_rng(0)
    norm = model.get_layer("dilated_bn")
    norm.set_weights([random.uniform(0.5, 1.5, w.shape) for w in norm.weights])
    return model


def small_network(activation=None, norm=True) -> keras.Model:
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", use_bias=not norm, name="conv")(image)
    x = keras.layers.BatchNormalization(name="bn")(x) if norm else x
    x = keras.layers.Activation(activation, name="act")(x)
    x = keras.layers.Conv2D(6, 1, name="pointwise")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(5, name="dense")(x), name="small")


def outputs(model, clips) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(clips, training=False))


def check_still_video(image_model, **options):
    video_model = video_zoo.inflate(image_model, FRAMES, preprocessing="none", **options)
    assert video_model.output_shape == image_model.output_shape
    assert benchmark.still_video_difference(image_model, video_model) < 1e-4
    return video_model


def sees_the_image(image_model) -> bool:
    """Whether the logits of two images differ: otherwise no test of them would mean anything."""
    shape = image_model.input_shape[1:]
    first, second = outputs(image_model, benchmark.random_images(2, shape, seed=5))
    return np.abs(first - second).max() > 0.01 * np.abs(first).max()


def layer_names(model) -> list[str]:
    return [layer.name for layer in model.layers]


def temporal_layers(model) -> set[str]:
    return {x.name for x in model.layers if x.name.endswith("_temporal")}


def check_gradients(model):
    """One step of fit; with momentum 0 and rate 1 the step is the gradient."""
    classes = model.output_shape[-1]
    clips = benchmark.random_images(2 * FRAMES, model.input_shape[2:])
    clips = clips.reshape(2, FRAMES, *model.input_shape[2:])
    before = [weight.numpy() for weight in model.trainable_weights]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(1.0), loss=loss, run_eagerly=True)
    model.fit(clips, np.array([0, classes - 1]), batch_size=2, verbose=0)
    after = [weight.numpy() for weight in model.trainable_weights]
    paths = [weight.path for weight in model.trainable_weights]
    assert [p for p, w in zip(paths, after, strict=True) if not np.isfinite(w).all()] == []
    same = [p for p, a, b in zip(paths, before, after, strict=True) if np.array_equal(a, b)]
    # A bias in front of a normalisation over its channel has the gradient 0.
    assert len(same) < 0.1 * len(paths), same


def check_saved(model, folder):
    model.save(folder / "video.keras")
    loaded = keras.saving.load_model(folder / "video.keras")
    clip = benchmark.random_images(FRAMES, model.input_shape[2:])[np.newaxis]
    np.testing.assert_array_equal(outputs(loaded, clip), outputs(model, clip))
