"""Which operators the children have that are good."""

from evo.errors import ResultsError
from evo.operators import OPERATORS
from experiments.analysis.results import Results
from experiments.figures.style.colours import PALETTE
from experiments.figures.style.facts import where
from experiments.report.blocks.html import figure, table
from experiments.report.blocks.meanings import EFFECTS
from experiments.report.blocks.plots import numbers, plot, plot_text


def operators(results: Results) -> str:
    """Return the figure of the mean difference that children of each operator make, and the table of effects."""
    effects = results.operator_effects()
    if effects.empty:
        raise ResultsError("no policy has chosen an operator yet")
    effects = effects.sort_values("difference", ascending=False, ignore_index=True)
    known = [OPERATORS[code].name if code in OPERATORS else "" for code in effects["operator"]]
    effects.insert(1, "name", known)
    labels = [plot_text(f"{row['operator']} {row['name']}") for _, row in effects.iterrows()]
    bars = {
        "type": "scatter",
        "mode": "markers",
        "x": numbers(effects["difference"]),
        "y": labels,
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": numbers(effects["difference_high"] - effects["difference"]),
            "arrayminus": numbers(effects["difference"] - effects["difference_low"]),
            "color": PALETTE[0],
        },
        "marker": {"color": PALETTE[0], "size": 10},
        "text": [f"{row['n_children']:,} children" for _, row in effects.iterrows()],
        "hovertemplate": "%{y}: %{x:.4~g}<br>%{text}<extra></extra>",
    }
    drawn = plot(
        [bars],
        "fitness of the child minus that of its parent at equal training",
        "",
        yaxis={"type": "category", "autorange": "reversed"},
        height=80 + 28 * len(effects),
    )
    of_validation = where(results, "validation part")
    return figure(
        f"Children of each operator: {of_validation}",
        drawn,
        "Mean and 95 % interval over seeds; with one seed there is no interval. A child that several operators made "
        "counts for each of them, so this shows which operators good children have, not what an operator does alone.",
    ) + table(effects, f"Operator effects: {of_validation}", EFFECTS)
