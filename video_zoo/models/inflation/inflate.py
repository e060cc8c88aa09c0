"""inflate: any functional Keras image network as a video network, with its weights."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras

from video_zoo import errors

from ..transfer import is_functional, replace_head
from . import convolutions
from .graph import Call, Graph, Ref
from .preprocessing import MODES, find_preprocessing, preprocess
from .rules import Setting, VideoLayer, assign, find_rule


def inflate(
    image_model: keras.Model,
    num_frames: int | None,
    *,
    convolution: str = "separable",
    temporal_kernel: int = 3,
    temporal_from: str | None = None,
    temporal_strides: Mapping[str, int] | None = None,
    num_classes: int | None = None,
    include_top: bool = True,
    weights: bool = True,
    initialization: str = "center",
    preprocessing: str = "auto",
    name: str | None = None,
) -> keras.Model:
    """Turns an image classifier into a video classifier.

    Walks the graph of ``image_model`` and gives a time axis to every layer. Convolutions over more
    than one pixel get an extent in time; pools, 1x1 convolutions and all else treat each frame
    alike. Global pools, those of squeeze-and-excitation blocks included, take the mean (or maximum)
    over time too. Clips are in [-1, 1]; what the image network wants instead is done by the first
    layers of the video network. With ``weights=True`` and ``initialization="center"``, a still
    video gives the image network's outputs, whatever ``convolution`` is. ``docs/inflation.md``
    tells how.

    Args:
        image_model: a built functional (or sequential) ``keras.Model`` from one batch of images,
            channels last, such as those of ``keras.applications``. It is not changed.
        num_frames: frames of a clip, or None for any number.
        convolution: "separable", a spatial and a temporal convolution (S3D, Xie et al. 2017);
            "full", one convolution over time and space (I3D, Carreira & Zisserman 2017); or "2d",
            frames see each other in pools only. Defaults to "separable".
        temporal_kernel: odd int. Extent in time of what gets one. Defaults to 3.
        temporal_from: name of a layer or nested model of ``image_model``: it and what is computed
            from it are temporal, all else is 2D (top-heavy). Defaults to None: everything is.
        temporal_strides: layer -> stride in time, for convolutions and pools; where branches meet
            again, each needs the same. Defaults to none.
        num_classes: a new classifier for so many classes, which gives logits, takes the place of
            the image network's, or is added to a network without one. Defaults to None: the
            classifier as it is, a softmax included.
        include_top: False ends at the last feature map. Defaults to True.
        weights: whether to carry the weights over. Defaults to True; False leaves all random.
        initialization: "center" or "average", of kernels in time: the 2D kernel (or identity) at
            the centre, or repeated in time and divided by its duration, as in I3D. With "average",
            frames at both ends of a still video see the padding. Defaults to "center".
        preprocessing: what ``image_model`` takes: "tf", values in [-1, 1]; "caffe", BGR in [0, 255]
            minus the mean of ImageNet; "torch", RGB in [0, 1] minus the mean, by the deviation;
            "pixels", RGB in [0, 255]; "none", anything else, which clips must then have. Defaults
            to "auto": by the layer that it begins with, or its name in ``keras.applications``;
            "none" for a network that neither tells of.
        name: of the model. Defaults to ``inflated_`` and the image network's.

    Returns:
        A functional ``keras.Model`` from [batch, frames, height, width, channels], RGB in [-1, 1],
        to what ``image_model`` gives for an image. Layers keep their names; the temporal half of
        layer ``x`` is ``x_temporal``.

    Raises:
        ValueError: an argument is out of range, ``image_model`` is not functional, or has a layer
            without a rule (see :func:`video_zoo.register_inflation`).

    Example:
        >>> image_model = keras.applications.ResNet50(weights=None)
        >>> model = video_zoo.inflate(image_model, 16, num_classes=5)
        >>> model(np.zeros((1, 16, 224, 224, 3))).shape
        TensorShape([1, 5])
    """
    errors.check_choice("convolution", convolution, ("separable", "full", "2d"))
    errors.check_choice("initialization", initialization, ("center", "average"))
    errors.check_choice("preprocessing", preprocessing, MODES)
    _check_integers(num_frames, temporal_kernel, num_classes)
    _check_image_model(image_model)
    if num_classes is not None and not include_top:
        raise errors.refusal("num_classes", "None when `include_top=False`", num_classes)
    graph = Graph(image_model)
    _check_channels_last(graph)
    base = Setting("", convolution, temporal_kernel, initialization=initialization)
    plan = _Plan(graph, base, temporal_from, dict(temporal_strides or {}))
    inputs = keras.Input(
        (num_frames, *image_model.input_shape[1:]), dtype=image_model.inputs[0].dtype, name="video"
    )
    if preprocessing == "auto":
        preprocessing = find_preprocessing(image_model, graph)
    elif preprocessing in ("caffe", "torch") and inputs.shape[-1] != 3:
        raise errors.refusal(
            "preprocessing", "'auto', 'pixels' or 'none' without 3 channels", preprocessing
        )
    outputs, made = _replay(plan, preprocess(inputs, preprocessing), include_top)
    name = name or f"inflated_{image_model.name}"
    classifier = graph.has_classifier()
    if num_classes is not None and not classifier:
        outputs = _new_classifier(outputs, num_classes)
    model = keras.Model(inputs, outputs, name=name)
    if weights:
        assign(made)
    if num_classes is not None and classifier:
        model = replace_head(model, num_classes, classifier_activation=None)
    return model


def _new_classifier(x, num_classes: int):
    if len(x.shape) == 5:
        x = keras.layers.GlobalAveragePooling3D(data_format="channels_last", name="Logits_AvgPool")(
            x
        )
    return keras.layers.Dense(num_classes, dtype="float32", name="Logits")(x)


def _check_integers(num_frames, temporal_kernel, num_classes) -> None:
    def positive(value) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and value > 0

    if num_frames is not None and not positive(num_frames):
        raise errors.refusal("num_frames", "a positive integer or None", num_frames)
    if not positive(temporal_kernel) or temporal_kernel % 2 == 0 or temporal_kernel == 1:
        raise errors.refusal("temporal_kernel", "an odd integer of at least 3", temporal_kernel)
    if num_classes is not None and not positive(num_classes):
        raise errors.refusal("num_classes", "a positive integer or None", num_classes)


def _check_image_model(image_model: Any) -> None:
    if not is_functional(image_model):
        allowed = (
            "a built functional or sequential keras.Model, such as those of keras.applications"
        )
        raise errors.refusal("image_model", allowed, image_model)
    shapes = [tuple(tensor.shape) for tensor in image_model.inputs]
    if len(shapes) != 1 or len(shapes[0]) != 4:
        raise ValueError(
            "`image_model` must have one input, [batch, height, width, channels]. Received: a "
            f"model with inputs of shape {', '.join(map(str, shapes))}"
        )


def _check_channels_last(graph: Graph) -> None:
    for call in graph.calls:
        if getattr(call.operation, "data_format", "channels_last") == "channels_first":
            raise ValueError(
                "`image_model` must be channels last. Received: a model whose layer "
                f"{call.operation.name!r} is channels first. Build it with "
                "`keras.config.set_image_data_format('channels_last')`."
            )


class _Plan:
    """Which setting each call of the graph has, and where temporal halves go."""

    def __init__(
        self, graph: Graph, base: Setting, temporal_from: str | None, strides: dict[str, int]
    ) -> None:
        self.graph = graph
        self._base = base
        self._strides = self._checked(strides)
        temporal = range(len(graph.calls))
        if temporal_from is not None:
            temporal = graph.after(self._find("temporal_from", temporal_from))
        self._temporal = set(temporal)
        # Activation -> the convolution, and batch normalisation, whose unit it ends.
        self.units: dict[int, tuple[int, int | None]] = {}
        if base.convolution == "separable":
            self._find_units()
        self._in_units = {convolution for convolution, _ in self.units.values()}

    def _find(self, argument: str, name: str) -> list[int]:
        found = self.graph.find(name)
        if not found:
            known = ", ".join(dict.fromkeys(n for call in self.graph.calls for n in call.path))
            raise errors.refusal(argument, f"the name of a layer of `image_model`: {known}", name)
        return found

    def _checked(self, strides: dict[str, int]) -> dict[str, int]:
        for name, stride in strides.items():
            operation = self.graph.calls[self._find("temporal_strides", name)[0]].operation
            if operation.name != name or not convolutions.can_stride(operation):
                allowed = f"of convolutions and pools; {name!r} is a {type(operation).__name__}"
                raise errors.refusal("temporal_strides", allowed, strides)
            if not isinstance(stride, int) or isinstance(stride, bool) or stride < 1:
                raise errors.refusal("temporal_strides", "layer -> positive integer", strides)
        return strides

    def _find_units(self) -> None:
        graph = self.graph
        for index, call in enumerate(graph.calls):
            if index not in self._temporal or not convolutions.starts_unit(call.operation):
                continue
            if graph.is_shared(index):
                continue
            after, normalisation = graph.follower(index), None
            if after is not None and isinstance(
                graph.calls[after].operation, keras.layers.BatchNormalization
            ):
                after, normalisation = graph.follower(after), after
            if after is not None and convolutions.ends_unit(graph.calls[after].operation):
                self.units[after] = (index, normalisation)

    def setting(self, index: int, input_shape: tuple[int | None, ...]) -> Setting:
        return dataclasses.replace(
            self._base,
            name=self.graph.names[index],
            convolution=self._base.convolution if index in self._temporal else "2d",
            stride=self._strides.get(self.graph.calls[index].path[-1], 1),
            unit=index in self._in_units,
            input_shape=input_shape,
        )

    def chain(self, index: int, input_shape: tuple[int | None, ...]) -> list[VideoLayer]:
        """The layers that call ``index`` becomes, one after the other."""
        operation, setting = self.graph.calls[index].operation, self.setting(index, input_shape)
        rule = find_rule(operation)
        if index not in self.units:
            chain = rule(operation, setting)
            return chain if isinstance(chain, list) else [chain]
        convolution, normalisation = self.units[index]
        calls = self.graph.calls
        return [
            rule(operation, dataclasses.replace(setting, name=f"{setting.name}_spatial")),
            *convolutions.temporal_unit(
                calls[convolution].operation,
                None if normalisation is None else calls[normalisation].operation,
                operation,
                self.setting(convolution, ()),
                setting.name,
            ),
        ]


def _replay(plan: _Plan, inputs, include_top: bool) -> tuple[Any, list[VideoLayer]]:
    """Makes every call of the graph again, on videos; returns outputs and all new layers."""
    graph = plan.graph
    tensors, chains, made = {Ref(-1): inputs}, {}, []
    stop = None if include_top else graph.top()
    for index, call in enumerate(graph.calls):
        if index == stop:
            return tensors[call.inputs[0]], made
        x = [tensors[ref] for ref in call.inputs]
        _check_times(call, x)
        if id(call.operation) not in chains:  # a layer called twice is one layer here, too
            chains[id(call.operation)] = plan.chain(index, tuple(x[0].shape))
            made += chains[id(call.operation)]
        chain = [video_layer.layer for video_layer in chains[id(call.operation)]]
        graph.repeat(index, chain, tensors)
    outputs = [tensors[ref] for ref in graph.outputs]
    return outputs[0] if len(outputs) == 1 else outputs, made


def _check_times(call: Call, inputs: list) -> None:
    """Refuses branches of different duration, which would fail, or be broadcast, inside Keras."""
    times = {x.shape[1] for x in inputs if len(x.shape) == 5} - {None, 1}
    if len(times) > 1:
        raise ValueError(
            f"`temporal_strides` must be the same on all branches that meet in "
            f"{call.operation.name!r}. Received: inputs of {' and '.join(map(str, sorted(times)))} "
            "frames there. Stride a layer of each branch."
        )
