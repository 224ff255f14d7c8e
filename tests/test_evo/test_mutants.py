"""Would the tests notice? Plausible bugs in genomes, operators and the loop of evolution: see ``tests/mutants.py``."""

from dataclasses import replace

import numpy as np
from mutants import Suite

import evo
from cnn import readings
from cnn.dropout import node_words
from evo import (
    OPERATORS,
    SELECTIONS,
    Evolution,
    Genome,
    GenomeEditor,
    Phenotype,
    Role,
    Task,
    operators,
    phenotype,
    seeding,
    storage,
)
from evo import selection as selections
from evo.evolution import AsynchronousEvolution, credit, duplicates, individual
from evo.genome.activations import activation_code
from evo.initial import given
from evo.phenotype import sequences
from evo.phenotype.kernels import dropout_kernels
from evo.preparation import Normalization
from evo.rewards.strategies import RankedAscent
from evo.selection import novelty, nsga2
from evo.storage import RunStore

SUITE = Suite(__file__)
mutant = SUITE.mutant


def without_bias(genome):
    return genome.with_values(genome.values, np.zeros_like(genome.bias))


# -- the genome --------------------------------------------------------------------------------------------------------

GENOME = "genome/test_genome.py"


@mutant("genome/test_genome.py::test_an_entry_that_equals_the_threshold", Genome, "active_mask")
def the_threshold_lets_through_what_equals_it(original, genome):
    if genome.threshold is None or genome.threshold_mode == "signed":
        return original(genome)
    threshold = np.broadcast_to(genome.threshold, genome.n_nodes)
    return np.abs(genome.values) >= threshold[genome.targets]


@mutant(f"{GENOME}::test_the_threshold", Genome, "active_mask")
def a_signed_threshold_looks_at_magnitudes(original, genome):
    return original(replace(genome, threshold_mode="magnitude"))


@mutant(f"{GENOME}::test_an_edge_is_effective_only", Genome, "effective_mask")
def every_active_entry_is_effective(original, genome):
    return genome.active_mask()


@mutant(f"{GENOME}::test_the_fingerprint_changes", Genome, "fingerprint")
def the_fingerprint_forgets_biases(original, genome):
    return original(without_bias(genome))


@mutant(f"{GENOME}::test_inputs_and_outputs_follow_ids", Genome, "inputs")
def inputs_follow_positions(original, genome):
    return np.flatnonzero(genome.roles == Role.INPUT)


@mutant(f"{GENOME}::test_inputs_and_outputs_follow_ids", Genome, "outputs")
def outputs_follow_positions(original, genome):
    return np.flatnonzero(genome.roles == Role.OUTPUT)


@mutant(f"{GENOME}::test_stored_zeros_of_a_sparse_matrix", Genome, "from_matrix")
def stored_zeros_are_dropped(original, matrix, **parts):
    return original(matrix.toarray() if hasattr(matrix, "toarray") else matrix, **parts)


# -- the same network --------------------------------------------------------------------------------------------------

CANONICAL = "canonical/test_canonical.py"


@mutant(f"{CANONICAL}::test_everything_in_the_formula_counts", evo, "canonical_hash")
def the_hash_ignores_biases(original, genome):
    return original(without_bias(genome))


@mutant(f"{CANONICAL}::test_names_and_free_places_do_not_count", evo, "canonical_hash")
def the_hash_knows_the_order_of_nodes(original, genome):
    return original(genome) + str(np.argsort(genome.ids))


@mutant(f"{CANONICAL}::test_strongly_regular_graphs_share_a_hash", evo, "same_network")
def one_hash_is_one_network(original, a, b):
    return evo.canonical_hash(a) == evo.canonical_hash(b)


@mutant(f"{CANONICAL}::test_two_triangles_are_no_hexagon", evo, "same_network")
def degrees_decide_on_the_same_network(original, a, b):
    return sorted(np.diff(a.indptr)) == sorted(np.diff(b.indptr))


# -- the editor --------------------------------------------------------------------------------------------------------

SESSION = "editing/test_editor.py::test_a_session_equals_pure_functions_bit_for_bit"
BIASES = "operators/test_operators.py::test_columns_carry_the_bias_along_and_rows_do_not"
MOMENTUM = "operators/test_operators.py::test_momentum_follows_an_edge"
NODES = "editing/test_editor.py::test_nodes_come_and_go"


@mutant(BIASES, GenomeEditor, "swap_columns")
def a_swap_of_columns_forgets_the_biases(original, editor, a, b):
    bias = editor.bias[[a, b]].copy()
    original(editor, a, b)
    editor.set_bias([a, b], bias)


@mutant(BIASES, GenomeEditor, "swap_rows")
def a_swap_of_rows_takes_biases_along(original, editor, a, b):
    original(editor, a, b)
    editor.set_bias([b, a], editor.bias[[a, b]].copy())


@mutant(BIASES, GenomeEditor, "add_column")
def an_addition_of_columns_forgets_the_bias(original, editor, source, target, *factors):
    bias = editor.bias[[target]].copy()
    original(editor, source, target, *factors)
    editor.set_bias([target], bias)


@mutant(BIASES, GenomeEditor, "add_row")
def an_addition_of_rows_adds_the_bias(original, editor, source, target, factor, *scale):
    bias = editor.bias[target] + factor * editor.bias[source]
    original(editor, source, target, factor, *scale)
    editor.set_bias([target], [bias])


@mutant(SESSION, GenomeEditor, "add_row")
def the_sign_of_a_factor_is_lost(original, editor, source, target, factor, *scale):
    original(editor, source, target, abs(factor), *scale)


@mutant(SESSION, GenomeEditor, "add_column")
def the_scale_of_an_addition_is_lost(original, editor, source, target, factor, scale=1.0):
    original(editor, source, target, factor)


@mutant(SESSION, GenomeEditor, "reorder")
def an_order_is_read_as_its_inverse(original, editor, order):
    original(editor, np.argsort(order))


@mutant(SESSION, GenomeEditor, "move")
def a_move_exchanges_two_nodes(original, editor, node, destination):
    order = np.arange(editor.n_nodes)
    order[[node, destination]] = destination, node
    editor.reorder(order)


@mutant(SESSION, GenomeEditor, "assign")
def assigning_adds_to_what_is_stored(original, editor, rows, targets, values):
    if editor.rows_per_node == 1:
        values = np.asarray(values) + editor.weights.toarray()[rows, targets]
    original(editor, rows, targets, values)


@mutant(SESSION, GenomeEditor, "drop_dormant")
def dormant_entries_are_not_dropped(original, editor):
    pass


@mutant("genome/test_thresholds.py::test_the_threshold_of_a_target_moves", GenomeEditor, "reorder")
def thresholds_stay_where_nodes_were(original, editor, order):
    threshold = editor.threshold
    original(editor, order)
    editor.set_threshold(threshold)


@mutant(NODES, GenomeEditor, "add_node")
def a_new_node_has_no_bias(original, editor, position, *, bias=0.0, **parts):
    original(editor, position, **parts)


@mutant(NODES, GenomeEditor, "add_node")
def a_new_node_has_no_threshold(original, editor, position, *, threshold=0.0, **parts):
    original(editor, position, **parts)


@mutant(NODES, GenomeEditor, "remove_node")
def removal_leaves_the_row(original, editor, position):
    targets, weights = editor.row(position)
    original(editor, position)
    targets, weights = targets[targets != position], weights[targets != position]
    targets = targets - (targets > position)
    editor.assign(np.full(len(targets), position), targets, weights)


@mutant(
    "editing/test_editor_of_maps.py::test_a_kernel_stays_about_its_centre",
    GenomeEditor,
    "change_map_size",
)
def a_kernel_is_forgotten_when_a_map_changes(original, editor, position, map_size):
    original(editor, position, map_size)
    rows, weights = editor.column(position)
    editor.assign(rows, np.full(len(rows), position), 0 * weights)


@mutant(MOMENTUM, GenomeEditor, "carry")
def momentum_is_carried_to_changed_entries(original, editor, moments):
    carried = original(editor, moments)
    return np.where(carried == 0, moments.mean(axis=1, keepdims=True), carried)


@mutant("editing/test_editor.py::test_momentum_follows_an_entry", GenomeEditor, "carry")
def the_momentum_of_biases_is_lost(original, editor, moments):
    carried = original(editor, moments)
    carried[:, editor.n_stored :] = 0
    return carried


# -- operators ---------------------------------------------------------------------------------------------------------

CONTRACT = "operators/test_operators.py::test_an_operator_keeps_its_contract"
PRESERVING = "operators/test_operators.py::test_what_preserves_the_function_does_so"
DETERMINANT = "operators/test_operators.py::test_the_determinant_changes_as_the_algebra_says"
DENSE = "gradient_free/test_neuroevolution_operators.py::test_replaying_the_record"
DENSELY = "operators/test_operators.py::test_nodes_come_and_go_with_their_rows"
LIMITED = "genome/test_taps.py::test_nothing_is_proposed_beyond_the_budget"
MAP_SPLIT = "operators/test_operators_of_maps.py::test_a_map_put_into_a_kernel_passes_on"


@mutant("genome/test_taps.py::test_a_threshold_keeps_as_many_as_it_says", OPERATORS["A"], "apply")
def the_threshold_never_drops(original, editor, parameters):
    original(editor, parameters | {"drop": False})


@mutant("operators/test_operators.py::test_a_threshold_puts_at_most", OPERATORS["A"], "propose")
def the_threshold_takes_the_largest_share(original, editor, proposing):
    settings = proposing.settings.model_copy(update={"max_quantile": 0.99})
    return original(editor, replace(proposing, settings=settings))


@mutant(f"{CONTRACT} and B-1", OPERATORS["B"], "propose")
def an_input_may_get_in_edges(original, editor, proposing):
    parameters = original(editor, proposing)
    return parameters and parameters | {"a": 0}


@mutant(DENSE, OPERATORS["B"], "apply")
def a_swap_of_columns_swaps_rows(original, editor, parameters):
    editor.swap_rows(**parameters)


@mutant(DENSE, OPERATORS["D"], "apply")
def a_swap_of_rows_swaps_columns(original, editor, parameters):
    editor.swap_columns(**parameters)


@mutant(DENSE, OPERATORS["C"], "apply")
def the_factor_of_columns_is_positive(original, editor, parameters):
    original(editor, parameters | {"factor": abs(parameters["factor"])})


@mutant(DETERMINANT, OPERATORS["C"], "apply")
def a_sum_of_columns_is_not_scaled(original, editor, parameters):
    original(editor, parameters | {"scale": 1.0})


@mutant("operators/test_operators.py::test_a_line_that_gets_a_sum", OPERATORS["C"], "propose")
def a_sum_of_columns_grows(original, editor, proposing):
    parameters = original(editor, proposing)
    return parameters and parameters | {"scale": 1.0}


@mutant(
    "operators/test_operators_contract.py::test_it_stays_within_its_bounds and [F-",
    OPERATORS["F"],
    "propose",
)
def a_factor_exceeds_its_bound(original, editor, proposing):
    parameters = original(editor, proposing)
    return parameters and parameters | {"factor": 2 * parameters["factor"]}


@mutant(DENSE, OPERATORS["F"], "apply")
def the_source_of_rows_gets_the_sum(original, editor, parameters):
    ends = {"source": parameters["target"], "target": parameters["source"]}
    original(editor, parameters | ends)


@mutant(DENSE, OPERATORS["H"], "apply")
def a_node_moves_one_place_too_far(original, editor, parameters):
    destination = (parameters["destination"] + 1) % editor.n_nodes
    if destination != parameters["node"]:
        original(editor, parameters | {"destination": destination})


@mutant("genome/test_thresholds.py::test_random_new_edges", operators, "random_edges")
def new_edges_are_dormant(original, editor, n_new, proposing):
    parameters = original(editor, n_new, proposing)
    return parameters | {"values": (1e-3 * np.array(parameters["values"])).tolist()}


@mutant(
    "operators/test_operators.py::test_growth_by_gradient_takes_the_largest",
    operators,
    "gradient_edges",
)
def growth_goes_uphill(original, editor, n_new, proposing):
    parameters = original(editor, n_new, proposing)
    return parameters | {"values": (-np.array(parameters["values"])).tolist()}


@mutant("editing/test_editor.py::test_assigning_from_the_constant", OPERATORS["N"], "apply")
def biases_go_to_the_node_before(original, editor, parameters):
    ends = zip(parameters["sources"], parameters["targets"], strict=True)
    moved = [j - (i == editor.n_nodes and j > 0) for i, j in ends]
    original(editor, parameters | {"targets": moved})


@mutant(f"{LIMITED} and [N-", OPERATORS["N"], "propose")
def new_edges_know_no_size_limit(original, editor, proposing):
    unlimited = {"max_parameters": None, "max_macs": None}
    settings = proposing.settings.model_copy(update=unlimited)
    return original(editor, replace(proposing, settings=settings))


@mutant(f"{LIMITED} and [I-", OPERATORS["I"], "propose")
def new_nodes_know_no_limit_of_macs(original, editor, proposing):
    settings = proposing.settings.model_copy(update={"max_macs": None})
    return original(editor, replace(proposing, settings=settings))


@mutant(f"{CONTRACT} and I-1", OPERATORS["I"], "apply")
def an_inserted_node_has_no_successor(original, editor, parameters):
    original(editor, parameters)
    targets, weights = editor.row(parameters["position"])
    editor.assign(np.full(len(targets), parameters["position"]), targets, 0 * weights)


@mutant(DENSELY, OPERATORS["R"], "apply")
def the_last_hidden_node_is_removed(original, editor, parameters):
    original(editor, {"node": int(editor.positions(Role.HIDDEN)[-1])})


@mutant(MAP_SPLIT, OPERATORS["S"], "apply")
def a_split_edge_stays(original, editor, parameters):
    OPERATORS["I"].apply(editor, parameters)


@mutant(MAP_SPLIT, OPERATORS["S"], "apply")
def the_weights_of_a_split_are_exchanged(original, editor, parameters):
    first, second = (np.array(part) for part in parameters["weights"])
    weights = [np.resize(second, first.shape), np.resize(first, second.shape)]
    original(editor, parameters | {"weights": weights})


@mutant(PRESERVING, OPERATORS["U"], "apply")
def a_duplicated_node_keeps_its_whole_weights(original, editor, parameters):
    node = parameters["node"]
    targets, weights = editor.row(node)
    original(editor, parameters)
    others = targets != node
    targets, weights = targets[others], weights[others]
    editor.assign(np.full(len(targets), node), targets + (targets > node), weights)


@mutant(
    "operators/test_preserving.py::test_genome_draft_and_matrix_grow_the_same_twin",
    OPERATORS["U"],
    "apply",
)
def a_copy_has_no_bias(original, editor, parameters):
    original(editor, parameters)
    editor.set_bias([parameters["node"] + 1], [0.0])


@mutant(PRESERVING, OPERATORS["E"], "propose")
def any_node_may_be_erased(original, editor, proposing):
    hidden = editor.positions(Role.HIDDEN)
    return {"node": int(proposing.rng.choice(hidden))}


@mutant(PRESERVING, OPERATORS["O"], "propose")
def a_free_move_passes_partners(original, editor, proposing):
    node, destination = proposing.rng.choice(editor.positions(Role.HIDDEN), 2, replace=False)
    return {"node": int(node), "destination": int(destination)}


@mutant(
    "operators/test_operators_of_maps.py::test_nothing_is_proposed_in_vain", OPERATORS["M"], "apply"
)
def a_map_keeps_its_size(original, editor, parameters):
    pass


LEVELS = "operators/test_changes_of_levels.py"


@mutant(f"{LEVELS}::test_a_new_level_passes_on", OPERATORS["L"], "apply")
def a_new_level_leaves_the_out_edges(original, editor, parameters):
    original(editor, parameters)
    editor.swap_rows(parameters["nodes"][0], parameters["nodes"][0] + 1)


@mutant(f"{LEVELS}::test_a_new_level_is_rectified", OPERATORS["L"], "apply")
def a_new_level_is_always_rectified(original, editor, parameters):
    rectified = [activation_code("relu")] * len(parameters["activations"])
    original(editor, parameters | {"activations": rectified})


@mutant(f"{LEVELS}::test_a_wider_level_computes_the_same", OPERATORS["W"], "apply")
def nodes_of_a_level_are_duplicated_from_the_first_on(original, editor, parameters):
    for node, share in zip(parameters["nodes"], parameters["shares"], strict=True):
        OPERATORS["U"].apply(editor, {"node": node, "share": share})


@mutant(f"{LEVELS}::test_activations_change", OPERATORS["T"], "apply")
def an_activation_changes_at_one_node_only(original, editor, parameters):
    original(editor, parameters | {"nodes": parameters["nodes"][:1]})


@mutant(f"{LEVELS}::test_a_skip_joins_levels", OPERATORS["J"], "propose")
def a_skip_begins_at_random(original, editor, context):
    found = original(editor, context)
    return found and found | {"values": [0.5] * len(found["values"])}


@mutant(f"{LEVELS}::test_kernels_grow_by_a_ring", OPERATORS["G"], "apply")
def a_kernel_does_not_grow(original, editor, parameters):
    pass


@mutant(f"{LEVELS}::test_a_cropped_kernel", OPERATORS["K"], "apply")
def a_kernel_loses_all_but_its_outer_ring(original, editor, parameters):
    before = [editor.column(target)[0] for target in parameters["targets"]]
    original(editor, parameters)
    for rows, target in zip(before, parameters["targets"], strict=True):
        inner = np.intersect1d(rows, editor.column(target)[0])
        editor.remove_entries(inner[1:], np.full(len(inner) - 1, target))


@mutant(f"{LEVELS}::test_the_downsampling_moves", OPERATORS["P"], "apply")
def one_map_of_a_level_changes_its_size(original, editor, parameters):
    original(editor, parameters | {"nodes": parameters["nodes"][:1]})


@mutant("operators/test_operators.py::test_an_operation_replays_as_it_is", evo, "replay")
def the_last_operation_is_not_replayed(original, record, parent):
    return original(record[:-1], parent)


@mutant("operators/test_operators_contract.py::test_a_long_record_of_all_operators", evo, "replay")
def a_record_is_replayed_backwards(original, record, parent):
    return original(record[::-1], parent)


LOOP = "evolution/test_evolution.py"

# -- the phenotype -----------------------------------------------------------------------------------------------------

FORMULA = "phenotype/test_formula.py::test_any_matrix_computes_what_the_formula_says"
GRADIENTS = "phenotype/test_phenotype.py::test_gradients_equal_central_differences"
CHARGED = "phenotype/test_formula.py::test_only_effective_edges_and_biases"


def with_genome(network, genome):
    return Phenotype(genome, network.loss_name)


def is_self_loop(network):
    genome = network.genome
    return (genome.indices == genome.targets)[network.plan.entries]


@mutant(FORMULA, Phenotype, "output")
def the_last_tick_is_missing(original, network, inputs):
    genome = network.to_genome()
    return original(with_genome(network, replace(genome, ticks=max(genome.ticks - 1, 1))), inputs)


@mutant(FORMULA, Phenotype, "output")
def delayed_edges_act_at_once_and_others_later(original, network, inputs):
    editor = GenomeEditor(network.to_genome(), origins=False)
    editor.reorder(np.arange(editor.n_nodes)[::-1])
    return original(with_genome(network, editor.freeze()), inputs)


@mutant(FORMULA, Phenotype, "output")
def self_loops_are_left_out(original, network, inputs):
    kept = network.parameters.copy()
    network.parameters[: network.n_edges][is_self_loop(network)] = 0
    output = original(network, inputs)
    network.parameters[...] = kept
    return output


@mutant(FORMULA, phenotype, "compile_plan")
def dormant_entries_are_computed(original, genome):
    return original(replace(genome, threshold=None))


@mutant(CHARGED, Phenotype, "parameter_count")
def dormant_entries_are_counted_as_parameters(original, network):
    return network.genome.n_stored + len(network.plan.positions)


@mutant(CHARGED, Phenotype, "macs")
def macs_are_those_of_one_tick(original, network):
    return original(network) // network.genome.ticks


@mutant(
    "phenotype/test_formula.py::test_the_gradient_of_the_batch_is_the_mean",
    Phenotype,
    "loss_and_gradients",
)
def gradients_are_sums_over_the_batch(original, network, inputs, targets):
    loss, gradient = original(network, inputs, targets)
    gradient *= len(inputs)
    return loss, gradient


@mutant(GRADIENTS, Phenotype, "loss_and_gradients")
def self_loops_do_not_learn(original, network, inputs, targets):
    loss, gradient = original(network, inputs, targets)
    gradient[: network.n_edges][is_self_loop(network)] = 0
    return loss, gradient


@mutant(GRADIENTS, Phenotype, "loss_and_gradients")
def the_last_bias_does_not_learn(original, network, inputs, targets):
    loss, gradient = original(network, inputs, targets)
    gradient[-1] = 0
    return loss, gradient


@mutant(
    "phenotype/test_gradients_at.py::test_an_input_that_nobody_hears", Phenotype, "gradients_at"
)
def idle_inputs_have_no_gradient(original, network, sources, *arguments):
    gradients = original(network, sources, *arguments)
    gradients[network.plan.rows[sources] < 0] = 0
    return gradients


@mutant("phenotype/test_gradients_at.py::test_the_gradient_is_exact", Phenotype, "gradients_at")
def delayed_places_have_no_gradient(original, network, sources, targets, *arguments):
    gradients = original(network, sources, targets, *arguments)
    gradients[(sources >= targets) & (network.genome.roles[sources] != Role.INPUT)] = 0
    return gradients


@mutant(
    "phenotype/test_phenotype.py::test_trained_parameters_return_into_the_genome",
    Phenotype,
    "to_genome",
)
def trained_biases_do_not_return(original, network):
    return original(network).with_values(original(network).values, network.genome.bias)


@mutant(
    "phenotype/test_descend.py::test_it_makes_the_steps_of_the_general_trainer",
    Phenotype,
    "descend",
)
def the_compiled_loop_repeats_its_first_batch(original, network, segment):
    order = np.repeat(segment.order[:1], len(segment.order), axis=0)
    return original(network, replace(segment, order=order))


@mutant("phenotype/test_weights.py::test_the_compiled_loop_makes_the_steps", Phenotype, "descend")
def the_compiled_loop_forgets_the_weights(original, network, segment):
    samples = replace(segment.samples, weights=None)
    return original(network, replace(segment, samples=samples))


BY_IDS = "phenotype/test_dropout.py::test_hidden_neurons_are_dropped_by_their_ids"


UNEQUAL = "phenotype/test_unequal_sequences.py::"


@mutant(f"{UNEQUAL}test_an_output_is_that_of_the_sequence_alone", sequences, "forward")
def all_sequences_are_read_after_the_longest(original, plan, runtime, weights, bias, places):
    last = np.full_like(places[1], places[1].max())
    return original(plan, runtime, weights, bias, np.stack([places[0], last]))


@mutant(f"{UNEQUAL}test_the_gradient_is_the_sum", sequences, "backward")
def gradients_enter_at_the_first_reading(
    original, plan, runtime, weights, places, deltas, gradients
):
    deltas[:, 1:] = 0
    return original(plan, runtime, weights, places, deltas, gradients)


@mutant(f"{UNEQUAL}test_the_loss_of_a_sequence_is_the_mean", readings, "weights_of_readings")
def long_sequences_count_more(original, places, weights, n_samples):
    return None if weights is None else weights[places[0]]


@mutant(BY_IDS, Phenotype, "_with_dropout")
def no_output_is_dropped(original, network, *arguments):
    layout = original(network, *arguments)
    layout.dropout.rows[:] = -1
    return layout


@mutant(BY_IDS, Phenotype, "_with_dropout")
def nodes_are_dropped_by_their_place(original, network, *arguments):
    layout = original(network, *arguments)
    words = node_words(np.arange(len(layout.dropout.words)))
    return layout._replace(dropout=layout.dropout._replace(words=words))


@mutant(BY_IDS, dropout_kernels, "draw_masks")
def samples_are_dropped_by_the_keys_of_others(original, dropout, keys):
    original(dropout, keys[::-1].copy())


@mutant(f"{LOOP}::test_a_continued_parent_trains", Phenotype, "spread")
def optimizer_state_is_laid_out_backwards(original, network, of_parameters):
    return original(network, of_parameters[:, ::-1])


@mutant(f"{LOOP}::test_a_continued_parent_trains", Phenotype, "pick")
def optimizer_state_of_biases_is_not_picked(original, network, of_places):
    picked = original(network, of_places)
    picked[:, network.n_edges :] = 0
    return picked


@mutant("phenotype/test_engine_of_maps.py::test_dormant_taps", Phenotype, "without_dormant")
def dormant_entries_that_learn_are_described(original, network):
    return network


# -- selection and credit ----------------------------------------------------------------------------------------------

SELECTION = "selection/test_selection.py"
CREDIT = "evolution/test_credit.py"


@mutant(f"{SELECTION}::test_the_fittest_come_first", selections, "ranked")
def equals_come_last_first(original, individuals):
    return original(individuals)[:1] + original(individuals[::-1])[1:][::-1]


@mutant(f"{SELECTION}::test_the_better_of_parent_and_child", selections, "best_of_each_slot")
def a_fitter_holder_is_not_replaced(original, population, offspring):
    chosen = original(population, offspring)
    pairs = zip(population, chosen, strict=True)
    return [max(pair, key=lambda one: one.fitness or 0.0) for pair in pairs]


@mutant(f"{SELECTION}::test_elites_are_trained_on", SELECTIONS["tournament"], "propose")
def elites_are_modified(original, population, settings, rng):
    return [replace(one, modified=True) for one in original(population, settings, rng)]


@mutant(f"{SELECTION}::test_larger_tournaments", SELECTIONS["tournament"], "propose")
def the_first_contestant_wins(original, population, settings, rng):
    return original(population, settings.model_copy(update={"tournament_size": 1}), rng)


@mutant(f"{SELECTION}::test_now_and_then_the_better", SELECTIONS["local_search"], "select")
def nobody_is_replaced(original, population, offspring, settings, generation):
    return selections.best_of_each_slot(population, offspring)


@mutant(f"{SELECTION}::test_local_search_trains_everyone", SELECTIONS["local_search"], "propose")
def parents_are_not_trained_on(original, population, settings, rng):
    return [one for one in original(population, settings, rng) if one.modified]


@mutant(f"{SELECTION}::test_of_mu_parents", SELECTIONS["mu_plus_lambda"], "select")
def children_replace_their_parents(original, population, offspring, settings, generation):
    return original(population, offspring[-len(population) :], settings, generation)


@mutant(f"{SELECTION}::test_every_topology_is_replaced", SELECTIONS["ageing"], "propose")
def the_same_slots_are_always_replaced(original, population, settings, rng):
    for one in population:
        one.job.generation = 0
    return original(population, settings, rng)


@mutant(f"{SELECTION}::test_of_equal_rank_the_one", nsga2, "crowding_distances")
def neighbours_do_not_count(original, points):
    return np.zeros(len(points))


@mutant(f"{SELECTION}::test_the_better_half_goes_on", SELECTIONS["successive_halving"], "select")
def everybody_goes_on(original, population, offspring, settings, generation):
    return [*offspring, *population][: len(population)]


MAP_ELITES = "selection/test_map_elites.py"
NOVELTY = "selection/test_novelty.py"
SPECIATION = "selection/test_speciation.py"


@mutant(f"{MAP_ELITES}::test_the_best_of_each_cell", SELECTIONS["map_elites"], "select")
def the_fittest_survive_whatever_their_cell(original, population, offspring, settings, generation):
    return [*selections.ranked(offspring), *population][: len(population)]


@mutant(f"{MAP_ELITES}::test_elites_are_trained_on", SELECTIONS["map_elites"], "propose")
def only_the_first_elite_has_children(original, population, settings, rng):
    requests = original(population, settings, rng)
    return [replace(one, parent=requests[0].parent) if one.modified else one for one in requests]


@mutant(f"{NOVELTY}::test_the_most_novel_survive", novelty, "mean_distances")
def everyone_is_as_novel(original, points, neighbors):
    return np.zeros(len(points))


@mutant(f"{NOVELTY}::test_the_archive_has_no_children", novelty, "archive_size")
def there_is_no_archive(original, population, settings):
    return 0


@mutant(f"{SPECIATION}::test_species_are_families", SELECTIONS["speciation"], "propose")
def everyone_may_be_a_mate(original, population, settings, rng):
    return [replace(one, mates=None) for one in original(population, settings, rng)]


@mutant(f"{CREDIT}::test_shares_follow_the_formula", evo, "operator_probabilities")
def credits_do_not_decay(original, settings, history):
    return original(settings.model_copy(update={"credit_decay": 1.0}), history)


@mutant(f"{CREDIT}::test_before_any_credit_shares", evo, "operator_probabilities")
def probabilities_have_no_floor(original, settings, history):
    return original(settings.model_copy(update={"min_probability": 0.0}), history)


@mutant(f"{CREDIT}::test_a_failed_child_gained_nothing", credit, "credit_operators")
def a_failed_child_earns_credit(original, offspring, parents, shares):
    told = original(offspring, parents, shares)
    failed = {o.operator for one in offspring if one.fitness is None for o in one.operations}
    return tuple(replace(one, credit=1.0) if one.operator in failed else one for one in told)


@mutant(f"{CREDIT}::test_every_letter_used_on_a_child", credit, "credit_operators")
def every_use_is_credited(original, offspring, parents, shares):
    used = [o.operator for one in offspring for o in one.operations]
    told = original(offspring, parents, shares)
    return tuple(replace(one, credit=one.credit * used.count(one.operator)) for one in told)


@mutant(f"{CREDIT}::test_a_child_is_compared", credit, "credit_operators")
def a_child_is_compared_with_its_parent_before_training(original, offspring, parents, shares):
    children = [one for one in offspring if one.job.origin == "child"]
    return original(children, parents, shares)


# -- the loop ----------------------------------------------------------------------------------------------------------

DUPLICATES = "evolution/test_duplicates.py"


@mutant(f"{LOOP}::test_everyone_in_the_last_population", Evolution, "ask")
def the_schedule_begins_anew(original, evolution, *state):
    return [replace(job, first_step=0) for job in original(evolution, *state)]


@mutant(f"{LOOP}::test_a_continued_parent_trains", Evolution, "ask")
def optimizer_state_is_not_inherited(original, evolution, *state):
    return [replace(job, optimizer_state=None) for job in original(evolution, *state)]


GENES = "evolution/test_recipe_genes.py"


@mutant(f"{GENES}::test_founders_differ_children_explore", Task, "genes_of")
def a_continued_individual_explores(original, task, individual, generation, origin, inherited):
    explores = "child" if origin == "continued" else origin
    return original(task, individual, generation, explores, inherited)


@mutant(f"{GENES}::test_founders_differ_children_explore", Task, "genes_of")
def a_child_forgets_what_it_inherits(original, task, individual, generation, origin, inherited):
    return original(task, individual, generation, "founder", {})


@mutant(f"{GENES}::test_an_individual_trains_by_its_genes", Task, "recipe_of")
def genes_have_no_effect(original, task, job):
    return task.recipe


@mutant(
    f"{LOOP}::test_local_search_keeps_the_better_of_parent_and_child",
    SELECTIONS["local_search"],
    "select",
)
def the_first_offspring_keeps_the_slot(original, population, offspring, *arguments):
    first = {one.job.slot: one for one in offspring[::-1]}
    return original(population, [*first.values()], *arguments)


@mutant(f"{LOOP}::test_an_individual_that_fails", evo, "evaluate_individual")
def the_steps_of_a_failed_individual_count(original, task, job):
    one = original(task, job)
    return one if one.status == "ok" else replace(one, job=replace(job, first_step=1), status="ok")


@mutant(f"{LOOP}::test_a_pinned_run", evo, "evaluate_individual")
def the_loss_is_maximised(original, task, job):
    one = original(task, job)
    return one if one.fitness is None else replace(one, fitness=-one.fitness)


@mutant(f"{DUPLICATES}::test_where_nothing_is_modified", individual, "reuse_result")
def a_reused_result_is_charged(original, repeated, trained):
    return replace(original(repeated, trained), steps=trained.steps)


@mutant(f"{DUPLICATES}::is_what_training_would_have_given", individual, "reuse_result")
def a_reused_result_brings_its_own_order_of_nodes(original, repeated, trained):
    one = original(repeated, trained)
    return one if trained.status != "ok" else replace(one, genome=trained.genome)


@mutant(f"{DUPLICATES}::test_any_difference", duplicates, "duplicates_training")
def optimizer_state_makes_no_difference(original, network, moments, parent, parent_moments):
    return original(network, None, parent, None)


# -- rewards -----------------------------------------------------------------------------------------------------------


@mutant("phenotype/test_actor.py::test_the_first_action", evo.Actor, "reset")
def an_actor_remembers_the_last_episode(original, actor):
    return None


@mutant("phenotype/test_actor.py::test_a_state_lasts", evo.Actor, "act")
def an_actor_forgets_each_observation(original, actor, observation):
    actor.reset()
    return original(actor, observation)


@mutant("rewards/test_strategies.py::test_the_estimated", RankedAscent, "loss_and_gradients")
def the_estimated_gradient_points_uphill(original, ascent, *arguments):
    loss, gradient = original(ascent, *arguments)
    return loss, -gradient


@mutant("rewards/test_strategies.py::test_the_estimated", RankedAscent, "mean_return")
def weights_stay_as_they_were_tried(original, ascent, parameters):
    found = original(ascent, parameters)
    ascent.parameters[...] = parameters
    return found


# -- the loop without a barrier ----------------------------------------------------------------------------------------

ASYNCHRONOUS = "evolution/test_asynchronous.py"


@mutant(f"{ASYNCHRONOUS}::test_whatever_the_order", AsynchronousEvolution, "ask")
def one_more_is_in_flight(original, evolution, state):
    settings = evolution.task.evolution
    more = settings.model_copy(update={"in_flight": settings.most_in_flight + 1})
    task = replace(evolution.task, evolution=more)
    return original(replace(evolution, task=task), state)


@mutant(f"{ASYNCHRONOUS}::test_whatever_the_order", AsynchronousEvolution, "tell")
def the_order_of_arrival_begins_anew_with_a_generation(original, evolution, state, individual):
    return original(evolution, replace(state, n_arrived=state.n_arrived % 4), individual)


@mutant(f"{ASYNCHRONOUS}::test_elites_are_trained_on", SELECTIONS["tournament"].single, "propose")
def elites_of_one_at_a_time_are_modified(original, vacancy, settings, rng):
    return replace(original(vacancy, settings, rng), modified=True)


@mutant(f"{ASYNCHRONOUS}::test_a_holder_of_the_worse", SELECTIONS["local_search"].single, "replace")
def nobody_known_replaces_a_holder(original, slot, known, settings, generation):
    return known[slot]


# -- streams of random numbers -----------------------------------------------------------------------------------------


@mutant("test_seeding.py::test_streams_differ", seeding, "generator")
def a_stream_is_the_same_for_all_individuals(original, seed, purpose, generation=0, individual=0):
    return original(seed, purpose, generation)


@mutant("test_seeding.py::test_streams_differ", seeding, "generator")
def a_stream_is_the_same_for_all_purposes(original, seed, purpose, *coordinates):
    return original(seed, seeding.Purpose.MODIFY, *coordinates)


# -- founders and neuroevolution ---------------------------------------------------------------------------------------

NEUROEVOLUTION = "gradient_free/test_neuroevolution.py"


@mutant("test_seeding.py::test_a_founder_does_not_depend", evo, "create_founders")
def founders_depend_on_how_many_there_are(original, *arguments, seed, n_founders, **keywords):
    return original(*arguments, seed=seed + n_founders, n_founders=n_founders, **keywords)


@mutant("initial/test_founders.py::test_the_density_is_a_share", evo, "create_founders")
def founders_have_half_their_edges(original, settings, *arguments, **keywords):
    settings = settings.model_copy(update={"density": settings.density / 2})
    return original(settings, *arguments, **keywords)


@mutant(
    "initial/test_founders.py::test_activation_and_ticks_go_to_the_genome", evo, "create_founders"
)
def founders_have_one_tick(original, settings, *arguments, **keywords):
    settings = settings.model_copy(update={"ticks": 1})
    return original(settings, *arguments, **keywords)


@mutant(f"{NEUROEVOLUTION}::test_the_table_tells_of_every", evo, "neuroevolve")
def elites_are_counted_as_evaluated(original, samples, settings, *, seed):
    run = original(samples, settings, seed=seed)
    each = settings.population * (1 + run.table["generation"])
    return replace(run, table=run.table.assign(evaluations=each), evaluations=int(each.max()))


@mutant(f"{NEUROEVOLUTION}::test_the_winners_lineage_replays", evo, "neuroevolve")
def the_winner_is_the_neighbour_of_the_best(original, samples, settings, *, seed):
    run = original(samples, settings, seed=seed)
    generation, number = run.winner_at
    return replace(run, winner_at=(generation, number + 1))


@mutant(f"{NEUROEVOLUTION}::test_the_same_seed_gives_the_same_run", evo, "neuroevolve")
def the_seed_is_ignored(original, samples, settings, *, seed):
    return original(samples, settings, seed=0)


# -- exchange and storage ----------------------------------------------------------------------------------------------

GRAPHS = "exchange/test_networkx_graphs.py"
STORE = "storage/test_run_store.py"
PREDICTOR = "storage/test_predictor.py"


@mutant(f"{GRAPHS}::test_attributes_say_what_a_genome_holds", evo, "to_networkx")
def edges_point_to_their_source(original, genome):
    graph = original(genome)
    edges = list(graph.edges(data=True))
    graph.remove_edges_from(list(graph.edges))
    graph.add_edges_from((target, source, data) for source, target, data in edges)
    return graph


@mutant(f"{GRAPHS}::test_inputs_and_outputs_are_read_in_the_order", evo, "from_networkx")
def given_outputs_are_sorted(original, graph, *, outputs=None, **keywords):
    return original(graph, outputs=outputs and sorted(outputs, key=str), **keywords)


@mutant(f"{GRAPHS}::test_every_bit_survives", evo, "from_networkx")
def ticks_are_not_read(original, graph, **keywords):
    return replace(original(graph, **keywords), ticks=1)


@mutant(f"{GRAPHS}::test_every_bit_survives and graphml", evo, "to_graphml")
def graphml_rounds_numbers(original, genome):
    rounded = genome.values.astype(np.float32).astype(genome.values.dtype)
    return original(genome.with_values(rounded, genome.bias))


@mutant(
    "exchange/test_layered_networks.py::test_the_matrix_computes_and_learns",
    evo,
    "from_cnn",
)
def a_cnn_loses_its_biases(original, network, *arguments):
    return without_bias(original(network, *arguments))


@mutant(f"{STORE}::test_genomes_survive_the_file", RunStore, "stage_genomes")
def thresholds_are_not_saved(original, store, name, genomes):
    original(store, name, {k: replace(one, threshold=None) for k, one in genomes.items()})


@mutant(f"{STORE}::test_a_run_folder_is_never_overwritten", RunStore, "create")
def a_run_folder_is_overwritten(original, path, **parts):
    return original(path.with_name("other") if path.exists() else path, **parts)


@mutant(f"{STORE}::test_rows_come_back_in_the_order_of_their_keys", storage, "load_tables")
def tables_are_read_backwards(original, runs):
    return {table: frame[::-1] for table, frame in original(runs).items()}


@mutant("initial/test_scaled_outputs.py::test_outputs_are_scaled", given, "with_scaled_outputs")
def outputs_lose_their_offset(original, genome, factor, offset):
    return original(genome, factor, np.zeros_like(offset))


@mutant("evolution/test_metrics.py::test_metrics_of_scaled_samples", Normalization, "restore")
def values_lose_their_offset(original, scaling, output):
    return original(scaling, output) - scaling.offset


@mutant(f"{PREDICTOR}::test_raw_inputs_are_normalised", Normalization, "apply")
def inputs_are_multiplied_by_the_scale(original, normalization, *inputs):
    return original(replace(normalization, scale=1 / normalization.scale), *inputs)


@mutant(f"{PREDICTOR}::test_integer_labels_stay_integers", evo, "load_network")
def a_loaded_network_forgets_its_labels(original, path):
    network = original(path)
    network.classes = None
    return network


@mutant(f"{STORE}::test_a_saved_network_predicts_the_same", evo, "load_network")
def a_loaded_network_does_not_normalise(original, path):
    network = original(path)
    whole = network.preparation.normalization
    shifted = replace(whole, offset=0 * whole.offset)
    network.preparation = replace(network.preparation, normalization=shifted)
    return network


(
    run_tests,
    test_a_mutant_is_noticed,
    test_without_a_mutant_the_same_tests_pass,
    test_the_tests_that_mutants_name_exist,
) = SUITE.tests()
