"""The loop of a search without storage, for tests that look at its generations."""

from evo.executors import SerialExecutor, evaluate_all


def generations_after(evolution, state, shuffle=None):
    """Return the generations that follow a state; a generator given shuffles the order in which offspring arrive."""
    rounds = []
    with SerialExecutor() as executor:
        while not evolution.done(state):
            offspring = list(evaluate_all(executor, evolution.task, evolution.ask(state)))
            if shuffle is not None:
                offspring = [offspring[k] for k in shuffle.permutation(len(offspring))]
            state, generation = evolution.tell(state, offspring)
            rounds.append(generation)
    return rounds
