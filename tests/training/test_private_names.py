"""Names of Keras that are not public, and that the package relies on all the same.

Any version of Keras may drop one. Most would go without an error: what is set or overridden under
a name that Keras does not use any more has no effect.
"""

import ast
from pathlib import Path

import keras
import pytest

import video_zoo

PACKAGE = Path(video_zoo.__file__).parent


def averaging_optimizer() -> keras.optimizers.Optimizer:
    optimizer = keras.optimizers.SGD(use_ema=True)
    optimizer.build([keras.Variable([0.0])])
    return optimizer


def clips() -> keras.KerasTensor:
    return keras.Input((8, 32, 32, 3))


def called_layer() -> keras.Layer:
    layer = keras.layers.Flatten()
    layer(clips())
    return layer


# File -> names that it uses, each with what has it in Keras.
NAMES = {
    "training/checkpoint.py": {"_flatten_layers": keras.Model},
    "training/batch_norm.py": {"_flatten_layers": keras.Model},
    "training/trainer.py": {
        "_all_reduce_sum_gradients": keras.optimizers.SGD,
        "_maybe_symbolic_build": keras.Model,
        "_model_variables_moving_average": averaging_optimizer,
        "_symbolic_build": keras.Model,
    },
    "training/optimizer.py": {
        "_apply_weight_decay": keras.optimizers.SGD,
        "_get_variable_index": keras.optimizers.SGD,
        "_use_weight_decay": keras.optimizers.SGD,
    },
    "models/transfer.py": {"_inbound_nodes": called_layer, "_keras_history": clips},
}


@pytest.mark.parametrize(
    ("file", "name"), [(file, name) for file, names in NAMES.items() for name in names]
)
def test_keras_has_the_private_names_that_are_used(file, name):
    holder = NAMES[file][name]
    found = holder if isinstance(holder, type) else holder()
    assert hasattr(found, name), (
        f"Keras {keras.__version__} has no `{name}` any more, on which video_zoo/{file} relies. "
        "Look up in Keras's source what does the same now, write it there and here, and keep an "
        "older Keras out in setup.cfg if it lacks the new name."
    )


@pytest.mark.parametrize("file", NAMES)
def test_no_other_private_name_of_keras_is_used(file):
    """A private name that the file does not define itself is Keras's."""
    tree = ast.parse((PACKAGE / file).read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))
    attributes = [node for node in nodes if isinstance(node, ast.Attribute)]
    own = {node.attr for node in attributes if isinstance(node.ctx, ast.Store)}
    own |= {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    used = {node.attr for node in attributes if node.attr.startswith("_") and node.attr[1] != "_"}
    assert used - own <= NAMES[file].keys()
