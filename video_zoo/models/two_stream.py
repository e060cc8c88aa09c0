"""Two networks as one: the sum of the logits for appearance and for motion."""

import keras


def two_stream(rgb: keras.Model, flow: keras.Model, *, name: str = "two_stream") -> keras.Model:
    """Adds the logits of a network for RGB clips and of one for optical flow.

    Quo Vadis, Action Recognition? A New Model and the Kinetics Dataset, Carreira & Zisserman 2017
    (https://arxiv.org/abs/1705.07750), Figure 2e; that the streams are trained apart and their
    logits added with equal weights is in the notes to the released code. Two-stream I3D has
    25,358,016 trainable parameters at 400 classes, and 74.2 % top-1 on the Kinetics test set, where
    RGB alone has 71.1 % and flow 63.4 %.

    Args:
        rgb: a functional classifier that gives logits. Of several outputs, the first is taken.
        flow: another, with as many classes, for clips of 2 channels.
        name: name of the model. Defaults to "two_stream".

    Returns:
        A functional ``keras.Model`` from ``{"rgb": clips, "flow": clips}``, each [batch, frames,
        height, width, channels] as its network takes them, to float32 logits [batch, num_classes].
        It shares the layers and weights of both networks, which are its layers ``rgb_stream`` and
        ``flow_stream``: training it trains them.

    Raises:
        ValueError: a network has several inputs or does not end in logits, ``flow`` takes clips of
            other than 2 channels, or the numbers of classes differ.

    Example:
        >>> rgb = video_zoo.i3d(5, input_shape=(16, 112, 112, 3))
        >>> flow = video_zoo.i3d(5, input_shape=(16, 112, 112, 2))
        >>> model = video_zoo.two_stream(rgb, flow)
        >>> clips = {"rgb": np.zeros((1, 16, 112, 112, 3)), "flow": np.zeros((1, 16, 112, 112, 2))}
        >>> model(clips).shape
        TensorShape([1, 5])
    """
    networks = {"rgb": rgb, "flow": flow}
    for argument, network in networks.items():
        _check_network(argument, network)
    if flow.inputs[0].shape[-1] != 2:
        raise ValueError(
            "`flow` must take clips of 2 channels. Received: flow with input shape "
            f"{flow.inputs[0].shape[1:]}. Build it with `input_shape=(..., 2)`."
        )
    classes = {argument: network.outputs[0].shape[-1] for argument, network in networks.items()}
    if classes["rgb"] != classes["flow"]:
        raise ValueError(
            "`rgb` and `flow` must have the same classes. Received: rgb with "
            f"{classes['rgb']} classes, flow with {classes['flow']}"
        )
    inputs, logits = {}, []
    for argument, network in networks.items():
        clips = network.inputs[0]
        inputs[argument] = keras.Input(clips.shape[1:], dtype=clips.dtype, name=argument)
        # A model of its own name, since both networks may have the same.
        stream = keras.Model(clips, network.outputs[0], name=f"{argument}_stream")
        logits.append(stream(inputs[argument]))
    return keras.Model(inputs, keras.layers.Add(dtype="float32", name="Logits")(logits), name=name)


def _check_network(argument: str, network: keras.Model) -> None:
    if len(network.inputs) != 1 or len(network.outputs[0].shape) != 2:
        shapes = [tensor.shape for tensor in (*network.inputs, network.outputs[0])]
        raise ValueError(
            f"`{argument}` must be a network from one input to logits [batch, num_classes]. "
            f"Received: {argument} with shapes {shapes}. Build it with `include_top=True`."
        )
    last = network.get_layer(network.output_names[0])
    activation = getattr(last, "activation", keras.activations.linear)
    if isinstance(last, keras.layers.Softmax) or activation is not keras.activations.linear:
        raise ValueError(
            f"`{argument}` must give logits. Received: {argument}, which ends in the layer "
            f"{last.name!r} of {type(last).__name__}. Build it with `classifier_activation=None`."
        )
