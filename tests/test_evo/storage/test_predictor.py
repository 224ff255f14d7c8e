"""A trained network for use: raw data in, labels or values out."""

import re
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_is_fitted

from evo import METRICS, DataError, Genome, Phenotype, Predictor, ResultsError, load_network
from evo.files import read_arrays, write_arrays
from evo.genome.codec import genome_to_arrays
from evo.preparation import Normalization, Origin, Preparation, Schema
from evo.storage.predictor import FORMAT


@pytest.fixture
def two_by_three():
    """Return a network of two inputs and three linear outputs with known weights."""
    matrix = np.zeros((5, 5))
    matrix[:2, 2:] = [[1.0, -1.0, 0.5], [0.0, 2.0, 1.0]]
    return Genome.from_matrix(matrix, n_inputs=2, n_outputs=3)


X = np.array([[3.0, 10.0], [1.0, 14.0], [9.0, 6.0]])
NORMALIZED = (X - [1.0, 10.0]) / [2.0, 4.0]


@pytest.fixture
def classifier(two_by_three):
    return Predictor(
        two_by_three,
        loss="cross_entropy",
        preparation=Preparation.scaling((2,), offset=[1.0, 10.0], scale=[2.0, 4.0]),
        classes=("left", "middle", "right"),
    )


def test_raw_inputs_are_normalised_before_the_network_sees_them(classifier, two_by_three):
    expected = Phenotype(two_by_three).output(NORMALIZED)
    np.testing.assert_allclose(classifier.predict_proba(X), expected, rtol=1e-15)


def test_the_label_is_that_of_the_most_probable_class(classifier):
    scores = NORMALIZED @ [[1.0, -1.0, 0.5], [0.0, 2.0, 1.0]]
    names = np.array(["left", "middle", "right"])
    assert classifier.predict(X).tolist() == names[scores.argmax(axis=1)].tolist()
    assert len(set(classifier.predict(X))) > 1


def test_probabilities_are_the_softmax_of_the_scores(classifier):
    powers = np.exp(NORMALIZED @ [[1.0, -1.0, 0.5], [0.0, 2.0, 1.0]])
    expected = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(classifier.predict_proba(X), expected, rtol=1e-12)


def test_the_score_of_a_classifier_is_its_accuracy(classifier):
    labels = classifier.predict(X)
    assert classifier.score(X, labels) == 1.0
    labels[0] = "none of them"
    assert classifier.score(X, labels) == pytest.approx(2 / 3)


def test_a_network_that_a_reward_judged_acts_and_predicts_nothing(two_by_three, tmp_path):
    network = Predictor(two_by_three, loss="squared_error", acts=True)
    network.save(tmp_path / "net.npz")
    for one in (network, load_network(tmp_path / "net.npz")):
        for ask in (one.predict, one.predict_proba, lambda X, one=one: one.score(X, X)):
            with pytest.raises(
                ValueError, match=r"need a network that samples .* act\(observation\)"
            ):
                ask(X)
        np.testing.assert_allclose(one.act(X[0]), X[0] @ [[1.0, -1.0, 0.5], [0.0, 2.0, 1.0]])


def test_integer_labels_stay_integers(two_by_three, tmp_path):
    network = Predictor(two_by_three, loss="cross_entropy", classes=np.unique([7, 3, 5]))
    network.save(tmp_path / "net.npz")
    for one in (network, load_network(tmp_path / "net.npz")):
        assert one.classes == (3, 5, 7)
        assert np.issubdtype(one.predict(X).dtype, np.integer)


def test_regression_on_several_values_gives_a_row_each(two_by_three):
    network = Predictor(two_by_three, loss="squared_error")
    values = X @ [[1.0, -1.0, 0.5], [0.0, 2.0, 1.0]]
    assert network.predict(X).shape == (3, 3)
    np.testing.assert_allclose(network.predict(X), values, rtol=1e-14)
    assert network.score(X, values) == pytest.approx(1.0)
    noisy = values + np.diag([1.0, 0.0, -1.0])
    assert network.score(X, noisy) == pytest.approx(r2_score(noisy, values), rel=1e-5)


def test_images_are_flattened_and_then_normalised_feature_by_feature(two_by_three):
    images = X.reshape(3, 1, 2)
    for offset, scale in (([1.0, 2.0], [2.0, 3.0]), (0.5, 4.0)):
        preparation = Preparation.scaling((2,), offset=offset, scale=scale)
        network = Predictor(two_by_three, loss="squared_error", preparation=preparation)
        np.testing.assert_array_equal(network.predict(images), network.predict(X))


def test_a_network_of_maps_reads_images_and_is_saved_and_loaded(any_map_genome, tmp_path):
    genome = any_map_genome(np.random.default_rng(0))
    assert genome.n_features == 2 * 6 * 6
    rng = np.random.default_rng(1)
    images = rng.normal(size=(4, 2, 6, 6))
    scale = rng.uniform(1, 2, 72)
    preparation = Preparation.scaling((72,), scale=scale)
    network = Predictor(
        genome, loss="cross_entropy", preparation=preparation, classes=("no", "yes")
    )
    expected = Phenotype(genome).output(images.reshape(4, 72) / scale)
    network.save(tmp_path / "net.npz")
    for one in (network, load_network(tmp_path / "net.npz")):
        assert one.genome.equals(genome)
        assert np.array_equal(one.predict_proba(images), expected)
    with pytest.raises(ValueError, match=r"^X must have 72 features a sample; got 2$"):
        network.predict(np.zeros((2, 2)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"classes": ("a", "b")}, "classes must be one per output (3); got 2"),
        (
            {"preparation": Preparation.scaling((3,))},
            "preparation must be of 2 inputs; got 3",
        ),
        ({"loss": "hinge"}, "loss must be one of"),
    ],
)
def test_settings_that_do_not_fit_are_refused(two_by_three, settings, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        Predictor(two_by_three, **({"loss": "cross_entropy"} | settings))


def test_a_wrong_number_of_features_is_refused(two_by_three):
    network = Predictor(two_by_three, loss="cross_entropy")
    with pytest.raises(ValueError, match=r"must have 2 features a sample.*; got 3"):
        network.predict(np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("number", "rule"),
    [
        (np.nan, "have a value, as in all samples of the training data; got a missing value"),
        (np.inf, "be a finite float32; got inf"),
    ],
)
def test_numbers_that_are_none_are_refused(classifier, number, rule):
    X = np.zeros((3, 2))
    X[1, 0] = number
    for ask in (classifier.predict, classifier.predict_proba, lambda X: classifier.score(X, X)):
        with pytest.raises(DataError, match=rf"^X\[1, 0\] must {rule}$"):
            ask(X)


# -- rows as users hand them over --------------------------------------------------------------------------------------

TRAINED = np.array([[3.0, 10.0], [1.0, 14.0], [9.0, 6.0]])


def of_rows(rows, genome, **options):
    """Return a classifier whose preparation is fitted on rows."""
    schema, raw = Schema.infer(rows, origin=Origin("X"), **options)
    preparation = Preparation.fit(schema, raw, "standard", Origin("X"))
    return Predictor(genome, loss="cross_entropy", preparation=preparation, classes=("a", "b", "c"))


@pytest.fixture
def of_array(two_by_three):
    return of_rows(TRAINED, two_by_three)


@pytest.fixture
def of_frame(two_by_three):
    return of_rows(pd.DataFrame(TRAINED, columns=["left", "right"]), two_by_three)


UNUSABLE = {
    "nan": ([[1, 2], [np.nan, 3]], "[1, 0] must have a value, as in"),
    "None": ([[1, 2], [3, None]], "[1, 1] must have a value, as in"),
    "pandas.NA": ([[1, 2], [3, pd.NA]], "[1, 1] must have a value, as in"),
    "NaT": ([[1, 2], [3, pd.NaT]], "[1, 1] must have a value, as in"),
    "masked": (np.ma.masked_equal([[1, 2], [3, 4]], 4), "[1, 1] must have a value, as in"),
    "nullable": (pd.DataFrame([[1, 2], [3, None]]).convert_dtypes(), "[1, 1] must have a value, as in"),
    "text NA": ([["1", "2"], ["NA", "3"]], "[1, 0] must have a value, as in"),
    "infinity": ([[1, 2], [-np.inf, 3]], "[1, 0] must be a finite float32; got -inf"),
    "text infinity": ([["1", "2"], ["3", "inf"]], "[1, 1] must be a finite float32; got 'inf'"),
    "too large": (np.array([[1e39, 2]]), "[0, 0] must be a finite float32; got 1e+39"),
    "long integer": (np.array([[2**60, 2]]), "[0, 0] must be an integer below 2**53, or a float; got"),
    "unsigned": (np.array([[2**64 - 1, 2]], np.uint64), "[0, 0] must be an integer below 2**53, or a"),
    "Python integer": ([[2**80, 2]], "[0, 0] must be an integer below 2**53, or a float; got 12089"),
    "text": ([["1", "two"]], "[0, 1] must be a finite float32; got 'two'"),
    "Python's digits": ([["1", "1_000"]], "[0, 1] must be a finite float32; got '1_000'"),
    "object": ([[1, object]], "[0, 1] must be a finite float32; got object"),
    "complex": (np.array([[1j, 2]]), " must hold numbers; got complex128"),
    "bytes": (np.array([[b"1", b"2"]]), " must hold numbers; got |S1"),
    "dates": (np.array([["2020-01-01", "2020-01-02"]], "M8[D]"), "[0, 0] must be a finite float32"),
    "ragged": ([[1, 2], [3]], " must have one shape for all samples; got (2,), and (1,) for X[1]"),
    "one sample": ([1, 2], " must have shape (samples, features) or more dimensions; got shape (2,)"),
    "0-d": (np.array(1.0), " must have shape (samples, features) or more dimensions; got shape ()"),
    "generator": ((row for row in [[1, 2]]), " must be rows in an array, list or frame; got gen"),
    "None alone": (None, " must have shape (samples, features) or more dimensions; got shape ()"),
    "a feature too few": ([[1], [2]], " must have 2 features a sample; got 1"),
    "a feature too many": (np.zeros((1, 3)), " must have 2 features a sample; got 3"),
    "a frame too wide": (pd.DataFrame(np.zeros((1, 3))), " must have 2 features a sample; got 3"),
    "empty list": ([], " must have shape (samples, features) or more dimensions; got shape (0,)"),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "message"), UNUSABLE.values(), ids=UNUSABLE)
def test_rows_that_cannot_be_used_are_one_line_that_names_the_place(of_array, rows, message):
    with pytest.raises(DataError) as caught:
        of_array.predict(rows)
    found = str(caught.value)
    assert found.startswith(f"X{message}")
    assert "\n" not in found


USABLE = {
    "list": TRAINED.tolist(),
    "tuples": tuple(map(tuple, TRAINED.tolist())),
    "read-only": np.frombuffer(TRAINED.tobytes()).reshape(3, 2),
    "Fortran order": np.asfortranarray(TRAINED),
    "big-endian": TRAINED.astype(">f8"),
    "long double": TRAINED.astype(np.longdouble),
    "half precision": TRAINED.astype(np.float16),
    "strided": np.repeat(TRAINED, 2, axis=1)[:, ::2],
    "integers": TRAINED.astype(np.int8),
    "unsigned": TRAINED.astype(np.uint64),
    "objects": TRAINED.astype(object),
    "text": TRAINED.astype(str),
    "text with spaces": [[" 3", "10.0 "], ["1e0", "14"], ["+9", "06"]],
    "decimals": [[Decimal(3), Decimal(10)], [Decimal(1), Decimal(14)], [Decimal(9), Decimal(6)]],
    "fractions": [[Fraction(3), Fraction(10)], [Fraction(1), Fraction(14)], [Fraction(9), 6]],
    "series": [pd.Series(row) for row in TRAINED],
    "sparse": scipy.sparse.coo_array(TRAINED),
    "sparse frame": pd.DataFrame(TRAINED).astype(pd.SparseDtype(float, 0)),
    "masked without a mask": np.ma.masked_array(TRAINED),
    "numbered backwards": pd.DataFrame(TRAINED[:, ::-1], columns=[1, 0]),
    "named": pd.DataFrame(TRAINED, columns=["b", "a"], index=[7, 7, 7]),
    "Arrow": pa.table({"b": TRAINED[:, 0], "a": TRAINED[:, 1]}),
    "records": np.array([*map(tuple, TRAINED)], dtype=[("b", "f4"), ("a", "f8")]),
    "images of two pixels": TRAINED.reshape(3, 1, 2),
}


@pytest.mark.parametrize("rows", USABLE.values(), ids=USABLE)
def test_the_same_numbers_in_any_container_have_the_same_answer(of_array, rows):
    expected = of_array.predict_proba(TRAINED)
    np.testing.assert_array_equal(of_array.predict_proba(rows), expected)


def test_no_rows_have_no_answers_and_no_score(of_array):
    assert of_array.predict(np.empty((0, 2))).shape == (0,)
    assert of_array.predict_proba(pd.DataFrame(columns=[0, 1])).shape == (0, 3)
    with pytest.raises(DataError, match=r"^X must have at least one row for a score; got 0$"):
        of_array.score(np.empty((0, 2)), [])


def test_a_frame_is_matched_by_name_and_further_columns_are_left_out(of_frame):
    expected = of_frame.predict_proba(TRAINED)
    frame = pd.DataFrame(TRAINED, columns=["left", "right"])
    for rows in (
        frame,
        frame[["right", "left"]],
        frame.assign(middle="m")[["right", "middle", "left"]],
        frame.to_dict("records"),
        pa.Table.from_pandas(frame[["right", "left"]]),
        frame[["right", "left"]].to_records(index=False),
    ):
        np.testing.assert_array_equal(of_frame.predict_proba(rows), expected)
    row = frame.iloc[1][["right", "left"]]
    np.testing.assert_array_equal(of_frame.predict_proba(row)[0], expected[1])


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        (["left", "Right"], "one column 'right'; got 'left', 'Right'"),
        (["left", "left"], "one column 'left'; got it twice"),
        ([3, 4], "one column 'left'; got '3', '4'"),
        ([("left", 1), ("right", 1)], "one column 'left'; got"),
    ],
)
def test_a_missing_or_double_column_is_named(of_frame, columns, found):
    frame = pd.DataFrame(TRAINED)
    frame.columns = pd.Index(columns, tupleize_cols=False)
    with pytest.raises(DataError, match=f"^X must have {found}"):
        of_frame.predict(frame)


def test_a_cell_of_a_frame_is_named_by_column_and_data_row(of_frame, tmp_path):
    frame = pd.DataFrame({"left": [1.0, 2.0], "right": [1.0, np.nan]})
    for rows, source in ((frame, "X"), (tmp_path / "rows.csv", tmp_path / "rows.csv")):
        frame.to_csv(tmp_path / "rows.csv", index=False)
        with pytest.raises(DataError) as caught:
            of_frame.predict(rows)
        assert str(caught.value) == (
            f"{source}: column 'right', data row 2 must have a value, as in all samples of the training "
            "data; got a missing value"
        )


def test_unseen_categories_are_zeros_and_counted_aloud(two_by_three):
    rows = pd.DataFrame({"colour": ["red", "blue", "red"]})
    network = of_rows(rows, two_by_three)
    network.predict(rows)
    assert network.unseen_categories == {}
    with pytest.warns(
        UserWarning, match=r"^X has categories .* they count as none: 2 of 'colour'$"
    ):
        found = network.predict_proba(pd.DataFrame({"colour": ["red", "pink", "grey"]}))
    assert network.unseen_categories == {"colour": 2}
    np.testing.assert_array_equal(found[1], Phenotype(two_by_three).output(np.zeros((1, 2)))[0])


# -- labels ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["a", "b"], "y must be one per row of X (3); got 2"),
        ([["a", "b", "c"]], "y must be one class label per sample"),
        ("a", "y must be one per sample; got shape ()"),
        ([1, 2, 3], "y must hold text like the classes 'a', 'b', 'c'; got 1"),
        ([0.5, 1, 2], "y must hold text like the classes 'a', 'b', 'c'; got 0.5"),
        (["A", "B ", "?"], "y must have labels among the classes ('a', 'b', 'c'); got 'A' and no such label"),
        (["a", None, "b"], "y[1] must be a label or a number; got a missing value"),
        (["a", 1, "b"], "y must be all text, all integers, all booleans or all floats; got 'a', and 1 in y[1]"),
        (np.ma.masked_array(["a", "b", "c"], [0, 1, 0]), "y[1] must be a label or a number; got a missing"),
    ],
)  # fmt: skip
def test_labels_that_cannot_be_compared_are_one_line(of_array, y, message):
    with pytest.raises(DataError) as caught:
        of_array.score(TRAINED, y)
    assert str(caught.value).startswith(message)


def test_numbers_of_any_type_are_compared_by_value_and_text_is_refused(two_by_three):
    two = Genome.from_matrix(np.triu(np.ones((4, 4)), 1), n_inputs=2, n_outputs=2)
    network = Predictor(two, loss="cross_entropy", classes=(0, 1))
    predicted = network.predict(X)
    for same in (
        predicted,
        predicted.astype(float),
        predicted.astype(bool),
        predicted.astype("u1"),
    ):
        assert network.score(X, same) == 1.0
        assert network.score(X, same.reshape(-1, 1)) == 1.0
    assert network.score(X, [0.5, 7.0, 1.0 - predicted[2]]) == 0.0
    with pytest.raises(
        DataError,
        match=r"^y must have labels among the classes \(0, 1\); got 0\.5 and no such label$",
    ):
        network.score(X, [0.5, 7.0, -1.0])
    with pytest.raises(DataError, match=r"^y must hold numbers like the classes 0, 1; got '.'$"):
        network.score(X, predicted.astype(str))


def test_a_score_may_be_weighted(of_array):
    y = of_array.predict(TRAINED)
    y[0] = "none of them"
    assert of_array.score(TRAINED, y, sample_weight=[2, 1, 1]) == 0.5


def test_values_to_compare_with_must_be_as_many_as_predicted(two_by_three):
    network = Predictor(two_by_three, loss="squared_error")
    with pytest.raises(DataError, match=r"^y must have 3 values a row; got 1$"):
        network.score(X, [1.0, 2.0, 3.0])
    with pytest.raises(DataError, match=r"^y\[0, 0\] must be a number to regress on; got 'a'$"):
        network.score(X, [["a"] * 3] * 3)


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["winner", "winner.v2", "winner.npz"])
def test_the_suffix_is_added_and_may_be_left_out(of_frame, tmp_path, name):
    path = of_frame.save(tmp_path / name)
    assert path == tmp_path / f"{name.removesuffix('.npz')}.npz"
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    for one in (tmp_path / name, str(path)):
        loaded = load_network(one)
        assert loaded.feature_names_in_.tolist() == ["left", "right"]
        np.testing.assert_array_equal(loaded.predict_proba(X), of_frame.predict_proba(X))


@pytest.mark.parametrize(("offset", "scale"), [([1.0, 10.0], [2.0, 4.0]), (0.5, 4.0)])
def test_files_of_older_versions_still_load(two_by_three, tmp_path, offset, scale):
    arrays, description = genome_to_arrays(two_by_three)
    arrays |= {"offset": np.asarray(offset), "scale": np.asarray(scale)}
    description |= {"format": FORMAT, "loss": "cross_entropy", "classes": ["a", "b", "c"]}
    write_arrays(tmp_path / "old.npz", arrays, description)
    loaded = load_network(tmp_path / "old.npz")
    expected = Phenotype(two_by_three).output((X - offset) / scale)
    np.testing.assert_array_equal(loaded.predict_proba(X), expected)
    np.testing.assert_array_equal(loaded.predict_proba(X.reshape(3, 1, 2)), expected)
    assert loaded.n_features_in_ == 2


# -- scikit-learn ------------------------------------------------------------------------------------------------------


def test_inspection_tools_of_scikit_learn_take_a_saved_network(of_frame, tmp_path):
    import matplotlib as mpl
    from sklearn.inspection import permutation_importance
    from sklearn.metrics import ConfusionMatrixDisplay

    mpl.use("agg")
    network = load_network(of_frame.save(tmp_path / "net"))
    frame = pd.DataFrame(np.random.default_rng(0).normal(5, 5, (50, 2)), columns=["left", "right"])
    y = network.predict(frame)
    importances = permutation_importance(network, frame, y, n_repeats=2, random_state=0)
    assert (importances.importances_mean > 0).all()
    shown = ConfusionMatrixDisplay.from_estimator(network, frame, y)
    assert shown.confusion_matrix.trace() == 50
    assert is_classifier(network)
    assert network.classes_.tolist() == ["a", "b", "c"]
    assert network.n_features_in_ == 2
    check_is_fitted(network)
    assert clone(network) is network


def test_scorers_and_curves_of_scikit_learn_take_a_network(of_array):
    from sklearn.metrics import get_scorer

    rows = np.random.default_rng(0).normal(5, 5, (60, 2))
    y = of_array.predict(rows)
    for name in ("accuracy", "balanced_accuracy", "roc_auc_ovr", "neg_log_loss", "f1_macro"):
        assert np.isfinite(get_scorer(name)(of_array, rows, y))
    assert get_scorer("accuracy")(of_array, rows, y) == 1.0


def test_in_a_pipeline_and_a_cross_validation_the_network_stays_as_it_is_with_a_warning(of_array):
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    rows = np.random.default_rng(0).normal(5, 5, (300, 2))
    y = of_array.predict(rows)
    pipeline = make_pipeline(FunctionTransformer(), of_array)
    assert pipeline.predict(rows).tolist() == y.tolist()
    with pytest.warns(
        UserWarning, match=r"^this network is trained already; fit leaves it as it is"
    ):
        found = cross_val_predict(pipeline, rows, y, cv=3)
    assert found.tolist() == y.tolist()


def test_a_network_for_values_is_a_regressor(two_by_three):
    network = Predictor(two_by_three, loss="squared_error")
    assert is_regressor(network)
    assert not is_classifier(network)
    assert not hasattr(network, "classes_")
    assert not hasattr(network, "feature_names_in_")
    assert network.n_features_in_ == 2
    assert network.get_params() == {}
    with pytest.raises(ValueError, match=r"^a trained network has no parameters; got depth$"):
        network.set_params(depth=2)


@pytest.mark.parametrize("targets", [None, Normalization("none", np.zeros(3), np.ones(3))])
def test_names_of_values_are_kept_in_a_file(two_by_three, tmp_path, targets):
    names = ["price", "конц.", "μ"]
    network = Predictor(two_by_three, loss="squared_error", targets=targets, target_names=names)
    loaded = load_network(network.save(tmp_path / "net.npz"))
    assert network.target_names == loaded.target_names == tuple(names)


@pytest.mark.parametrize(
    ("names", "options", "rule"),
    [
        (["a", "b"], {}, r"must be 3 texts; got \('a', 'b'\)"),
        (["a", "b", 3], {}, r"must be 3 texts; got \('a', 'b', 3\)"),
        (["a", "b", "c"], {"classes": [0, 1, 2]}, "must be None where there are classes; got .*"),
    ],
)
def test_names_that_do_not_fit_the_values_are_refused(two_by_three, names, options, rule):
    with pytest.raises(ValueError, match=f"^target_names {rule}$"):
        Predictor(two_by_three, loss="squared_error", target_names=names, **options)


# -- scaled targets ----------------------------------------------------------------------------------------------------


def scaling(offset, scale):
    return Normalization("standard", np.array(offset, float), np.array(scale, float))


def test_values_are_scaled_back_also_from_a_file(two_by_three, tmp_path):
    plain = Predictor(two_by_three, loss="squared_error")
    targets = scaling([1e9, 0.0, -1.0], [1e3, 1.0, 0.5])
    network = Predictor(two_by_three, loss="squared_error", targets=targets)
    expected = plain.predict(X).astype(np.float64) * targets.scale + targets.offset
    for one in (network, load_network(network.save(tmp_path / "net"))):
        np.testing.assert_array_equal(one.predict(X), expected)
        assert one.score(X, expected) == 1.0
    assert load_network(plain.save(tmp_path / "plain")).targets is None


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (scaling([0.0], [1.0]), r"offset of targets must be 3 finite float64; got float64 of shape \(1,\)"),
        (scaling([0.0, np.nan, 0.0], [1.0] * 3), "offset of targets must be 3 finite"),
        (scaling([0.0] * 3, [1.0, 0.0, 1.0]), "scale of targets must not be 0"),
    ],
)  # fmt: skip
def test_a_scaling_that_does_not_fit_is_refused_also_from_a_file(
    two_by_three, tmp_path, targets, message
):
    with pytest.raises(ValueError, match=message):
        Predictor(two_by_three, loss="squared_error", targets=targets)
    path = Predictor(two_by_three, loss="squared_error").save(tmp_path / "net")
    arrays, description = read_arrays(path)
    arrays |= {"target_offset": targets.offset, "target_scale": targets.scale}
    write_arrays(path, arrays, description | {"targets": "standard"})
    with pytest.raises(ResultsError, match=f"net.npz: not a network file .*{message}"):
        load_network(path)


def test_classes_are_not_scaled(two_by_three):
    with pytest.raises(ValueError, match="targets must be None where there are classes"):
        Predictor(
            two_by_three,
            loss="cross_entropy",
            classes=("a", "b", "c"),
            targets=scaling([0.0] * 3, [1.0] * 3),
        )


def test_scores_are_the_metrics_of_the_tables(two_by_three, classifier):
    network = Predictor(two_by_three, loss="squared_error")
    values = network.predict(X) + np.arange(9).reshape(3, 3)
    truth = values.astype(np.float32)
    assert network.score(X, values) == METRICS["r2"].value(truth, network.predict(X))
    output = classifier.predict_proba(X)
    labels = np.array(classifier.classes)[[0, 1, 1]]
    assert classifier.score(X, labels) == METRICS["accuracy"].value(np.array([0, 1, 1]), output)
