"""Would the tests notice? Plausible bugs in layers, losses and optimizers: see ``tests/mutants.py``."""

import numpy as np
from mutants import Suite

from cnn import (
    ACTIVATIONS,
    LOSSES,
    OPTIMIZERS,
    ConvolutionLayer,
    HiddenLayer,
    Network,
    PoolingLayer,
    RasterizationLayer,
    augmentation,
    dropout,
    functional,
)
from cnn.models import dropping
from cnn.training import recipe
from cnn.training.losses import Loss

SUITE = Suite(__file__)
mutant = SUITE.mutant


def kernels_of(layer):
    p, q = np.broadcast_to(layer.kernel_size, 2)
    return layer.gradient[: -layer.n_maps].reshape(-1, p, q)


SIZES = "layers/test_convolution.py::test_every_size_stride_and_padding_equals_the_formulas"
BATCHES = "layers/test_convolution.py::test_every_batch_size_equals_the_formulas"
MAPS = "layers/test_convolution.py::test_every_number_of_maps_equals_the_formulas"
TABLES = "layers/test_convolution.py::test_every_activation_and_table_equals_the_formulas"


@mutant(SIZES, ConvolutionLayer, "output")
def kernels_are_not_turned_on_the_way_forward(original, layer, x):
    layer.weights[...] = layer.weights[:, ::-1, ::-1].copy()
    output = original(layer, x)
    layer.weights[...] = layer.weights[:, ::-1, ::-1].copy()
    return output


@mutant(SIZES, ConvolutionLayer, "residual")
def the_gradient_of_kernels_is_not_turned(original, layer, gradient):
    delta = original(layer, gradient)
    kernels_of(layer)[...] = kernels_of(layer)[:, ::-1, ::-1].copy()
    return delta


@mutant(SIZES, ConvolutionLayer, "residual")
def the_last_row_of_taps_has_no_gradient(original, layer, gradient):
    delta = original(layer, gradient)
    kernels_of(layer)[:, -1] = 0
    return delta


@mutant(SIZES, ConvolutionLayer, "configure")
def strides_are_transposed(original, layer, shape):
    kept, layer.stride = layer.stride, tuple(np.broadcast_to(layer.stride, 2)[::-1].tolist())
    original(layer, shape)
    layer.stride = kept


@mutant(SIZES, ConvolutionLayer, "output")
def padding_is_off_by_one_row(original, layer, x):
    return original(layer, np.roll(x, 1, axis=1) if np.any(layer.padding) else x)


@mutant(SIZES, ConvolutionLayer, "input_gradient")
def the_last_column_gets_no_gradient(original, layer, delta):
    by_x = original(layer, delta)
    by_x[:, :, -1] = 0
    return by_x


@mutant(BATCHES, ConvolutionLayer, "output")
def the_tail_of_a_batch_is_forgotten(original, layer, x):
    output, batch = original(layer, x), x.shape[-1]
    if batch > 16:
        output[..., batch - batch % 16 :] = 0
    return output


@mutant(BATCHES, ConvolutionLayer, "residual")
def the_tail_of_a_batch_has_no_part_in_the_gradient(original, layer, gradient):
    batch = gradient.shape[-1]
    if batch < 64 or batch % 64 == 0:
        return original(layer, gradient)
    whole = gradient.copy()
    whole[..., batch - batch % 64 :] = 0
    original(layer, whole)
    kept = layer.gradient.copy()
    delta = original(layer, gradient)
    layer.gradient[...] = kept
    return delta


@mutant(MAPS, ConvolutionLayer, "residual")
def the_last_of_seven_maps_has_no_bias_gradient(original, layer, gradient):
    delta = original(layer, gradient)
    if layer.n_maps % 6 == 1:
        layer.gradient[-1] = 0
    return delta


@mutant(MAPS, ConvolutionLayer, "output")
def the_ninth_map_is_the_eighth(original, layer, x):
    output = original(layer, x)
    output[8::9] = output[7:-1:9]
    return output


@mutant(TABLES, ConvolutionLayer, "configure")
def a_table_is_read_backwards(original, layer, shape):
    kept = layer.connections
    layer.connections = kept and [[shape[0] - 1 - c for c in seen] for seen in kept]
    original(layer, shape)
    layer.connections = kept


@mutant(TABLES, ConvolutionLayer, "residual")
def a_shared_kernel_gets_the_mean_over_its_inputs(original, layer, gradient):
    delta = original(layer, gradient)
    if layer.kernels == "shared":
        kernels_of(layer)[...] /= layer.input_shape[0]
    return delta


@mutant(TABLES, ConvolutionLayer, "residual")
def gradients_add_up_from_call_to_call(original, layer, gradient):
    before = layer.gradient.copy()
    delta = original(layer, gradient)
    layer.gradient += before
    return delta


@mutant("layers/test_layers.py::test_backpropagation_gives", HiddenLayer, "residual")
def a_hidden_layer_forgets_its_slope(original, layer, gradient):
    layer._fill_gradient(gradient)
    return gradient


@mutant(
    "layers/test_layers.py::test_rasterization_goes_pixel_by_pixel", RasterizationLayer, "output"
)
def maps_are_laid_out_column_by_column(original, layer, x):
    return original(layer, np.ascontiguousarray(x.swapaxes(1, 2)).reshape(x.shape))


POOLING = "layers/test_pooling.py::test_every_shape_obeys_the_rules"


@mutant(POOLING, PoolingLayer, "input_gradient")
def the_padded_border_gets_no_gradient(original, layer, delta):
    by_x = original(layer, delta)
    if layer.border == "pad" and by_x.shape[1] % 2:
        by_x[:, -1] = 0
    return by_x


@mutant(POOLING, PoolingLayer, "input_gradient")
def the_dropped_border_keeps_a_gradient(original, layer, delta):
    by_x = original(layer, delta)
    if layer.border == "drop" and by_x.shape[2] % 2:
        by_x[:, :, -1] = by_x[:, :, -2]
    return by_x


@mutant(POOLING, PoolingLayer, "input_gradient")
def the_documents_rule_spreads_instead_of_copying(original, layer, delta):
    by_x = original(layer, delta)
    if layer.max_gradient == "copy" and layer.method == "max":
        by_x *= 0.25
    return by_x


@mutant(POOLING, PoolingLayer, "residual")
def a_trainable_pooling_forgets_the_bias_of_its_last_map(original, layer, gradient):
    delta = original(layer, gradient)
    layer.gradient[-1:] = 0
    return delta


@mutant(POOLING, PoolingLayer, "output")
def a_gaussian_is_off_by_one_pixel(original, layer, x):
    return original(layer, np.roll(x, 1, axis=2) if layer.method == "gaussian" else x)


@mutant("layers/test_pooling.py::test_among_equals_the_first_wins", PoolingLayer, "output")
def the_last_of_equals_wins(original, layer, x):
    output = original(layer, x).copy()
    rising = 1e-3 * np.arange(x.shape[2], dtype=x.dtype)[:, None]
    original(layer, x + rising)
    return output


NETWORKS = "models/test_network_gradients.py::test_the_gradient_is_the_slope_of_the_loss"


@mutant(
    "models/test_network_gradients.py::test_a_batch_has_the_mean", Network, "loss_and_gradients"
)
def gradients_are_sums_over_the_batch(original, network, inputs, targets):
    value, gradient = original(network, inputs, targets)
    gradient *= len(inputs)
    return value, gradient


@mutant("training/test_weights.py::test_the_weighted_loss", Network, "loss_and_gradients")
def weights_are_left_out(original, network, inputs, targets, weights=None):
    return original(network, inputs, targets)


@mutant(NETWORKS, Network, "loss_and_gradients")
def the_first_layer_does_not_learn(original, network, inputs, targets):
    value, gradient = original(network, inputs, targets)
    gradient[: network.layers[0].parameter_count] = 0
    return value, gradient


@mutant("training/test_memory.py", HiddenLayer, "output")
def a_layer_makes_an_array_at_every_step(original, layer, x):
    return original(layer, x).copy()


@mutant("training/test_memory.py", ConvolutionLayer, "output")
def a_layer_keeps_what_it_gave(original, layer, x):
    layer.kept = [*getattr(layer, "kept", []), np.ones(x.shape[-1])]
    return original(layer, x)


AVERAGES = "training/test_average.py::test_shares_give_the_mean"


@mutant(AVERAGES, recipe, "average_shares")
def an_average_counts_the_steps_of_the_run(original, settings, first, n, total, updates_before):
    return original(settings, first, n, total, first)


@mutant(AVERAGES, recipe, "average_shares")
def a_tail_begins_a_step_late(original, settings, first, n, total, updates_before):
    return original(settings, max(first - 1, 0), n, total, updates_before)


@mutant("training/test_losses.py::test_smoothed_cross_entropy", Loss, "smoothed")
def labels_are_smoothed_half_as_much(original, loss, smoothing):
    return original(loss, smoothing / 2)


@mutant("augmentation/test_augmentation.py::test_images_are_shifted", augmentation, "augmented")
def every_epoch_has_the_same_images(original, images, settings, chosen, epochs, order_seed):
    return original(images, settings, chosen, np.ones_like(epochs), order_seed)


DROPPED = "dropout/test_dropout.py::test_hidden_neurons_are_dropped"


@mutant("dropout/test_dropout.py::test_the_key_of_a_sample", dropout, "sample_keys")
def every_epoch_drops_the_same(original, chosen, epochs, order_seed):
    return original(chosen, np.zeros_like(epochs), order_seed)


@mutant(DROPPED, dropout.Dropout, "scale")
def outputs_that_are_kept_stay_as_they_are(original, one):
    return 1.0


@mutant(DROPPED, dropping, "with_dropping")
def inputs_have_no_numbers(original, layers, input_shape):
    return original(layers, (0,))


@mutant(
    "dropout/test_dropout.py::test_the_gradient_is_the_slope",
    dropping.DroppingLayer,
    "input_gradient",
)
def dropped_outputs_have_a_gradient(original, layer, delta):
    return delta


FUNCTIONS = "test_functional.py"


@mutant(f"{FUNCTIONS}::test_conv2d_is_the_convolution_of_scipy", functional, "conv2d")
def conv2d_is_a_correlation(original, x, kernel, mode="valid"):
    return original(x, kernel[::-1, ::-1], mode)


@mutant(f"{FUNCTIONS}::test_rot180_turns_twice_to_the_same_map", functional, "rot180")
def rot180_turns_rows_alone(original, x):
    return x[::-1]


@mutant(f"{FUNCTIONS}::test_downsample_takes_one_number", functional, "pooled_size")
def dropping_is_padding(original, size, border):
    return original(size, "pad")


@mutant(f"{FUNCTIONS}::test_upsampling_is_the_gradient", functional, "upsample")
def upsampling_does_not_divide(original, x, shape, method="mean"):
    return original(x, shape, "copy")


@mutant(
    "layers/test_activation_kernels.py::test_activations_and_their_chain",
    ACTIVATIONS["relu"],
    "chain",
)
def a_rectifier_leaks(original, gradient, o, out):
    original(gradient, o, out)
    out += 1e-3 * gradient


@mutant(NETWORKS, ACTIVATIONS["tanh"], "chain")
def the_slope_of_tanh_is_not_squared(original, gradient, o, out):
    out[...] = gradient * (1 - np.abs(o))


@mutant(
    "training/test_losses.py::test_the_gradient_is_the_slope",
    LOSSES["cross_entropy"],
    "value_and_delta",
)
def cross_entropy_is_a_sum(original, scores, targets, delta):
    value = original(scores, targets, delta)
    delta *= len(targets)
    return value


@mutant("training/test_losses.py", LOSSES["softmax_squared_error"], "value_and_delta")
def the_jacobian_is_its_diagonal(original, scores, targets, delta):
    value = original(scores, targets, delta)
    o = functional.softmax(scores)
    delta[...] = (o - (np.arange(len(o))[:, None] == targets)) * o * (1 - o) / len(targets)
    return value


STEPS = "training/test_optimizers.py::test_steps_follow_the_published_formula"


@mutant(STEPS, OPTIMIZERS["adam"], "update")
def adam_counts_its_steps_from_one(original, parameters, gradient, moments, rate, step, *rest):
    original(parameters, gradient, moments, rate, step + 1, *rest)


@mutant(STEPS, OPTIMIZERS["momentum"], "update")
def decay_enters_the_momentum(original, theta, g, moments, rate, step, momentum, decay):
    original(theta, g + (decay * theta).astype(g.dtype), moments, rate, step, momentum, 0.0)


@mutant(STEPS, OPTIMIZERS["nesterov"], "update")
def nesterov_does_not_look_ahead(original, *arguments):
    OPTIMIZERS["momentum"].update(*arguments)


(
    run_tests,
    test_a_mutant_is_noticed,
    test_without_a_mutant_the_same_tests_pass,
    test_the_tests_that_mutants_name_exist,
) = SUITE.tests()
