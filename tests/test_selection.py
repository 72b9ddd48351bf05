"""Selection against scikit-learn, plain loops and hypothesis; no sound, no network, no training."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from metaug.datasets import InputError
from metaug.selection import (
    OVERALL,
    SCHEMES,
    UNITS,
    Scheme,
    acceptance,
    by_class_deformation,
    candidates,
    class_effects,
    predicted_share,
    get_scheme,
    knn,
    knn_predict,
    nearest,
    only,
    weigh,
    neighbourhoods,
    acceptance_by_class,
    unit_rows,
    vote,
)


def plain_knn(query, reference, labels, k):
    "Loops over whole numbers: votes, then summed similarity, then sorted order; equal similarity: lower index"

    def unit(v):
        length = np.sqrt(sum(float(x) ** 2 for x in v))
        return [float(x) / length if length else 0.0 for x in v]

    out = []
    for q in map(unit, query):
        units = [round(sum(a * b for a, b in zip(q, unit(r))) * 1e12) for r in reference]
        order = sorted(range(len(reference)), key=lambda j: (-units[j], j))[:k]
        rank = lambda c: (-sum(labels[j] == c for j in order), -sum(units[j] for j in order if labels[j] == c), c)
        winner = min(set(labels[j] for j in order), key=rank)
        out.append((winner, sum(labels[j] == winner for j in order), sum(units[j] for j in order) / 1e12 / k, order))
    return [np.array(column) for column in zip(*out)]


def clouds(n, m, width, classes, seed=0, dtype=np.float32):
    "Overlapping classes of unequal size"
    random = np.random.default_rng(seed)
    centres = random.normal(size=(classes, width))
    labels = random.choice(classes, size=m, p=np.arange(1, classes + 1) / sum(range(1, classes + 1)))
    make = lambda which: (centres[which] + 1.5 * random.normal(size=(len(which), width))).astype(dtype)
    return make(random.integers(classes, size=n)), make(labels), np.array([f"class {c}" for c in labels])


# kNN against scikit-learn


@pytest.mark.parametrize("k", [1, 2, 5, 7, 23])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_knn_equals_scikit_learn(k, dtype):
    query, reference, labels = clouds(701, 397, 64, 10, dtype=dtype)
    ours = knn(query, reference, labels, k=k)
    query, reference = query.astype(np.float64), reference.astype(np.float64)
    distance, index = (
        NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute").fit(reference).kneighbors(query)
    )
    np.testing.assert_array_equal(ours.neighbours, index)
    np.testing.assert_allclose(ours.similarity, 1 - distance.mean(axis=1), atol=1e-11)
    # weights just off 1 give scikit-learn our rule for tied votes: the larger summed similarity
    theirs = (
        KNeighborsClassifier(k, metric="cosine", weights=lambda d: 1 + 1e-6 * (1 - d))
        .fit(reference, labels)
        .predict(query)
    )
    np.testing.assert_array_equal(ours.predicted, theirs)
    np.testing.assert_array_equal(ours.votes, (labels[index] == theirs[:, None]).sum(axis=1))
    np.testing.assert_array_equal(knn_predict(query, reference, labels, k=k), theirs)


def test_knn_without_ties_equals_scikit_learns_plain_vote():
    query, reference, labels = clouds(500, 300, 16, 2)
    np.testing.assert_array_equal(
        knn_predict(query, reference, labels, k=5),
        KNeighborsClassifier(5, metric="cosine").fit(reference.astype(float), labels).predict(query.astype(float)),
    )


def test_neighbours_too_near_for_float32_are_in_exact_order():
    angle = np.arange(1, 51) * 1e-5  # cosines differ by less than float32 can tell
    order = np.random.default_rng(0).permutation(50)
    reference = np.column_stack([np.cos(angle), np.sin(angle)])[order]
    found, similarity = nearest([[1.0, 0.0]], reference, k=50)
    np.testing.assert_array_equal(order[found[0]], np.arange(50))
    assert len(np.unique(reference.astype(np.float32) @ np.float32([1, 0]))) < 50
    assert (np.diff(similarity[0]) < 0).all()


@pytest.mark.parametrize("k", [1, 3, 10])
def test_shortlist_holds_what_float32_cannot_tell_apart(k):
    random = np.random.default_rng(k)
    for _ in range(50):
        base = random.normal(size=64)
        reference = base + 1e-5 * random.normal(size=(40, 64)) * random.uniform(0, 1, (40, 1))
        exact = unit_rows(reference) @ unit_rows(base[None])[0]
        order = np.lexsort([np.arange(40), -np.rint(exact * 1e12)])
        np.testing.assert_array_equal(nearest(base[None], reference, k=k)[0][0], order[:k])


def test_list_of_k_is_one_search_each_equal_to_its_own():
    query, reference, labels = clouds(83, 47, 8, 4)
    several = knn(query, reference, labels, k=[1, 5, 7, 23, 5])
    assert list(several) == [1, 5, 7, 23]
    for k, result in several.items():
        for a, b in zip(result, knn(query, reference, labels, k=k)):
            np.testing.assert_array_equal(a, b)


def test_k_equal_to_the_number_of_references_and_no_queries():
    query, reference, labels = clouds(5, 7, 3, 2)
    assert sorted(knn(query, reference, labels, k=7).neighbours[0]) == list(range(7))
    assert [len(part) for part in knn(query[:0], reference, labels, k=3)] == [0, 0, 0, 0]


# Ties and zero vectors


def test_equal_similarity_goes_to_the_lower_index():
    reference = np.array([[0, 1], [3, 3], [1, 1], [7, 7], [1, 0], [0.1, 0.1]])
    found, similarity = nearest([[2.0, 2.0]], reference, k=6)
    assert found.tolist() == [[1, 2, 3, 5, 0, 4]]
    np.testing.assert_allclose(similarity[0], [1, 1, 1, 1, 0.5**0.5, 0.5**0.5], atol=1e-12)


def test_many_equal_references_keep_the_lowest_indices():
    assert nearest(np.ones((3, 4)), np.ones((1000, 4)), k=5)[0].tolist() == [[0, 1, 2, 3, 4]] * 3


@pytest.mark.parametrize(
    "labels, similarities, winner",
    [
        (["b", "a", "a", "b", "c"], [0.9, 0.8, 0.7, 0.6, 0.5], "a"),  # 1.5 each: sorted order
        (["b", "a", "a", "b", "c"], [0.9, 0.8, 0.7, 0.61, 0.5], "b"),  # larger sum
        (["c", "a", "a", "b", "b"], [1.0, 0.5, 0.5, 0.4, 0.4], "a"),  # votes before nearness
        (["c", "b", "a"], [0.5, 0.5, 0.5], "a"),  # all equal
        (["b", "a", "a", "b"], [0.3, 0.2, 0.1, 0.0], "a"),  # 0.1 + 0.2 must equal 0.3
        (["b", "a"], [-0.1, -0.2], "b"),  # negative sums
    ],
)
def test_tied_votes(labels, similarities, winner):
    outcome = vote(np.arange(len(labels))[None], np.array(similarities)[None], labels)
    assert outcome.predicted[0] == winner and outcome.votes[0] == labels.count(winner)


def test_zero_vectors_have_similarity_zero_to_everything():
    reference = np.array([[-1.0, 0], [0, 0], [1, 0]])
    outcome = knn([[0.0, 0], [1, 0]], reference, ["a", "b", "c"], k=3)
    assert outcome.neighbours.tolist() == [[0, 1, 2], [2, 1, 0]]
    assert outcome.similarity[0] == 0 and outcome.predicted.tolist() == ["a", "c"]


def test_huge_and_tiny_vectors():
    reference = np.array([[1e300, 1e300], [1e-300, 0]])
    assert nearest([[1e-310, 0.0], [1e308, 1e308]], reference, k=1)[0].tolist() == [[1], [0]]


small = st.integers(-3, 3).map(float)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_knn_equals_plain_loops_with_many_ties(data):
    width, n, m = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 4)), data.draw(st.integers(1, 9))
    query = data.draw(arrays(float, (n, width), elements=small))
    reference = data.draw(arrays(float, (m, width), elements=small))
    labels = data.draw(st.lists(st.sampled_from("abc"), min_size=m, max_size=m))
    k = data.draw(st.integers(1, m))
    for ours, plain in zip(knn(query, reference, labels, k=k), plain_knn(query, reference, labels, k)):
        np.testing.assert_allclose(
            ours, plain, atol=1e-12
        ) if ours.dtype.kind == "f" else np.testing.assert_array_equal(ours, plain)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.floats(1e-3, 1e3))
@example(6517121, 2, 1.0)  # one that does
def test_scaling_permutation_and_chunks_change_nothing(seed, k, scale):
    query, reference, labels = clouds(13, 11, 5, 3, seed=seed, dtype=np.float64)
    expected = knn(query, reference, labels, k=k)
    random = np.random.default_rng(seed)
    scaled = knn(query * random.uniform(0.1, scale + 1, (13, 1)), reference * scale, labels, k=k)
    for name in ("predicted", "votes", "neighbours"):
        np.testing.assert_array_equal(getattr(scaled, name), getattr(expected, name))
    # any factor but a power of two rounds the input itself, which can bring a similarity to the next unit
    np.testing.assert_allclose(scaled.similarity, expected.similarity, rtol=0, atol=1.001 / UNITS)
    exact = knn(
        query * 2.0 ** random.integers(-9, 10, (13, 1)), reference * 2.0 ** random.integers(-9, 10), labels, k=k
    )
    for a, b in zip(exact, expected):
        np.testing.assert_array_equal(a, b)
    for chunk in [1, 4, 13, 1000]:
        for a, b in zip(knn(query, reference, labels, k=k, chunk=chunk), expected):
            np.testing.assert_array_equal(a, b)
    rows, references = random.permutation(13), random.permutation(11)
    shuffled = knn(query[rows], reference[references], labels[references], k=k)
    np.testing.assert_array_equal(shuffled.predicted, expected.predicted[rows])
    np.testing.assert_array_equal(references[shuffled.neighbours], expected.neighbours[rows])


def test_input_is_left_as_it_was():
    query, reference, labels = clouds(9, 7, 4, 2)
    before = query.copy(), reference.copy(), labels.copy()
    for array in (query, reference, labels):
        array.flags.writeable = False
    knn(query, reference, labels, k=3)
    for a, b in zip((query, reference, labels), before):
        np.testing.assert_array_equal(a, b)


def test_memory_does_not_grow_with_queries():
    query, reference, labels = clouds(30_000, 7_000, 64, 10)
    knn(query[:10], reference, labels, k=5)  # compile

    def peak(n):
        tracemalloc.start()
        knn(query[:n], reference, labels, k=5)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    few, many = peak(5_000), peak(30_000)
    a_query = (many - few) / 25_000  # bytes: the outcome and the vote's own arrays, nothing of width m
    assert a_query < 400
    assert few + a_query * 195_000 < 200e6  # 200,000 queries: far below 1 GB


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(k=4), r"k must be <= the number of references \(3\), got 4"),
        (dict(k=0), "k must be >= 1, got 0"),
        (dict(k=-1), "k must be >= 1, got -1"),
        (dict(k=2.5), "k must be a whole number, got 2.5"),
        (dict(k=True), "k must be a whole number, got True"),
        (dict(k=[]), "k must hold at least one value"),
        (dict(k=[1, 9]), r"k must be <= the number of references \(3\), got 9"),
        (dict(k=None), "k must be a whole number, got None"),
        (dict(chunk=0), "chunk must be >= 1, got 0"),
        (dict(labels=["a", "b"]), r"labels must be one for each of the 3 references, got shape \(2,\)"),
        (dict(labels=["a", None, "b"]), "labels must not be missing, got None at 1"),
        (dict(query=[[1.0, 2.0, 3.0]]), "same width, got 3 and 2"),
        (dict(query=[1.0, 2.0]), r"query must have shape \(n, d\), got \(2,\)"),
        (dict(query=[["a", "b"]]), "query must hold real numbers"),
        (dict(query=[[1.0, 2.0], [np.nan, 0.0]]), "query must be finite, got nan or infinity in row 1"),
        (
            dict(reference=[[1.0, 2.0], [0.0, 1.0], [0.0, np.inf]]),
            "reference must be finite, got nan or infinity in row 2",
        ),
        (dict(reference=np.empty((0, 2)), labels=[]), "reference must hold at least one row, got 0"),
    ],
)
def test_bad_input_of_knn(change, message):
    good = dict(query=[[1.0, 0.0]], reference=[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], labels=["a", "b", "a"], k=1)
    arguments = {**good, **change}
    with pytest.raises(InputError, match=message) as error:
        knn(arguments.pop("query"), arguments.pop("reference"), arguments.pop("labels"), **arguments)
    assert "\n" not in str(error.value)


def test_nan_far_down_names_its_own_row():
    query = np.ones((2000, 2))
    query[1500, 1] = np.nan
    with pytest.raises(InputError, match="row 1500"):
        nearest(query, np.ones((3, 2)), k=1)


# Acceptance


def samples_table(clips=7, labels="ab", folds=(3,), deformations=("stretch", "drc"), levels=2):
    "Unequal numbers of clips a class"
    rows = []
    for fold in folds:
        for i, label in enumerate(labels):
            for number in range(clips - 2 * i):
                clip = f"{label}/{fold}-{number}"
                rows.append((clip, label, fold, "original", 0))
                rows += [
                    (clip, label, fold, deformation, level) for deformation in deformations for level in range(levels)
                ]
    return pd.DataFrame(rows, columns="clip label fold deformation level".split())


def judged_table(seed=0, k=3, **shape):
    "Acceptance of random embeddings"
    samples, random = samples_table(**shape), np.random.default_rng(seed)
    labels = np.array(["a", "b"] * 6 + ["b"])
    return acceptance(
        samples,
        random.normal(size=(len(samples), 4)),
        [f"r{i}" for i in range(13)],
        random.normal(size=(13, 4)),
        labels,
        k=k,
        test=2,
        valid=1,
    )


def test_acceptance_by_plain_loops():
    samples, random = samples_table(), np.random.default_rng(5)
    embedding, reference = random.normal(size=(len(samples), 4)), random.normal(size=(13, 4))
    labels, clips = np.array(["a", "b"] * 6 + ["b"]), np.array([f"r{i}" for i in range(13)])
    table = acceptance(samples, embedding, clips, reference, labels, k=[3, 5], test=4, valid=1)
    assert (
        list(table)
        == (
            "clip label part deformation level test valid k predicted votes similarity accepted neighbours own_votes margin to_original"
        ).split()
    )
    assert len(table) == 2 * (samples.deformation != "original").sum()
    position = {tuple(row): i for i, row in enumerate(samples[["clip", "deformation", "level"]].to_numpy().tolist())}
    for row in table.itertuples():
        query = embedding[position[row.clip, row.deformation, row.level]][None]
        predicted, votes, similarity, order = (column[0] for column in plain_knn(query, reference, labels, row.k))
        cosine = (unit_rows(query) @ unit_rows(reference).T)[0, order]
        own = labels[order] == row.label
        assert (row.predicted, row.votes, row.neighbours) == (predicted, votes, clips[order].tolist())
        assert row.accepted == (predicted == row.label) and row.own_votes == own.sum()
        assert (row.part, row.test, row.valid) == (3, 1, 4)
        np.testing.assert_allclose(
            [row.similarity, row.margin], [similarity, (cosine[own].sum() - cosine[~own].sum()) / row.k], atol=1e-11
        )
        original = embedding[position[row.clip, "original", 0]]
        plain = np.dot(query[0], original) / np.linalg.norm(query[0]) / np.linalg.norm(original)
        assert row.to_original == pytest.approx(plain, abs=1e-12)


def test_similarity_to_an_original_that_is_not_there_is_missing():
    samples = samples_table()
    embedding, rest = np.random.default_rng(2).normal(size=(len(samples), 4)), dict(k=1, test=1, valid=2)
    reference = ["r0", "r1"], np.eye(4)[:2], ["a", "b"]
    lost = samples["clip"].eq(samples["clip"].iloc[0]) & samples.deformation.eq("original")
    table = acceptance(samples[~lost], embedding[~lost], *reference, **rest)
    whole = acceptance(samples, embedding, *reference, **rest)
    assert (
        table.to_original.isna().equals(table["clip"].eq(samples["clip"].iloc[0])) and whole.to_original.notna().all()
    )
    pd.testing.assert_frame_equal(table.dropna(), whole[table.to_original.notna()])


def test_acceptance_does_not_depend_on_the_order_of_rows_or_the_role_of_the_folds():
    samples, random = samples_table(), np.random.default_rng(1)
    embedding, reference = random.normal(size=(len(samples), 4)), random.normal(size=(13, 4))
    rest = [f"r{i}" for i in range(13)], reference, ["a", "b"] * 6 + ["b"]
    one = acceptance(samples, embedding, *rest, k=5, test=1, valid=2)
    order = random.permutation(len(samples))  # the index is shuffled too: nothing may align by it
    two = acceptance(samples.iloc[order], embedding[order], *rest, k=5, test=2, valid=1)
    key = ["clip", "deformation", "level"]
    pd.testing.assert_frame_equal(one.sort_values(key, ignore_index=True), two.sort_values(key, ignore_index=True))


def test_no_samples_give_an_empty_table():
    samples = samples_table().iloc[:0]
    table = acceptance(samples, np.empty((0, 2)), ["r"], [[1.0, 0.0]], ["a"], k=1, test=1, valid=2)
    assert len(table) == 0 and list(table) == list(judged_table())
    assert weigh("metric", table).shape == weigh("random", table).shape == (0,)


def test_own_encoder():
    samples = samples_table()
    inputs = np.random.default_rng(0).normal(size=(len(samples), 4))
    rest = dict(k=1, test=1, valid=2)
    encode = lambda x: np.tanh(x[:, :2])
    reference = inputs[:5] + 0.1
    one = acceptance(samples, inputs, list("vwxyz"), reference, list("ababa"), **rest, embed=encode)
    two = acceptance(samples, encode(inputs), list("vwxyz"), encode(reference), list("ababa"), **rest)
    pd.testing.assert_frame_equal(one, two)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_all_and_nothing_accepted(seed, k):
    samples, random = samples_table(), np.random.default_rng(seed)
    side = np.where(samples.label == "a", 1.0, -1.0)
    embedding = np.column_stack([side * random.uniform(0.1, 9, len(samples)), random.normal(0, 0.01, len(samples))])
    reference = np.array([[1.0, 0.0]] * 5 + [[-1.0, 0.0]] * 5)
    for labels, share in [(["a"] * 5 + ["b"] * 5, 1.0), (["b"] * 5 + ["a"] * 5, 0.0)]:
        table = acceptance(samples, embedding, list("0123456789"), reference, labels, k=k, test=1, valid=2)
        assert table.accepted.mean() == share and (table.votes == k).all()
        assert (table.own_votes == share * k).all() and (np.sign(table.margin) == 2 * share - 1).all()
        for scheme in ["metric", "random", "weight", "classifier"]:
            assert weigh(scheme, table).mean() == share


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(test=3), "samples must lie outside the held-out folds 2 and 3, got a/3-0 of fold 3"),
        (dict(test=2), "test and valid must be two folds, got 2 twice"),
        (dict(test=1.5), "test must be a whole number, got 1.5"),
        (dict(embedding=np.ones((3, 2))), "embedding must have one row for each of the 60 samples, got 3"),
        (dict(embedding=np.full((60, 2), np.nan)), "query must be finite"),
        (dict(reference_clips=["v"]), r"reference_clips must be one for each of the 2 references, got shape \(1,\)"),
        (dict(reference_clips=["v", "b/3-1"]), "a judged clip must not be in the reference, got b/3-1 in both"),
        (dict(reference_labels=["a", "a"]), "each judged class must be in the reference, got none of b"),
        (dict(reference_labels=["a"]), "labels must be one for each of the 2 references"),
        (
            dict(samples=samples_table().drop(columns=["fold", "label"])),
            "samples must have the columns .* got none called label fold",
        ),
        (dict(k=3), r"k must be <= the number of references \(2\), got 3"),
    ],
)
def test_bad_input_of_acceptance(change, message):
    arguments = (
        dict(
            samples=samples_table(),
            embedding=np.ones((60, 2)),
            reference_clips=["v", "w"],
            reference_embedding=np.ones((2, 2)),
            reference_labels=["a", "b"],
            k=1,
            test=1,
            valid=2,
        )
        | change
    )
    positional = [
        arguments.pop(name) for name in "samples embedding reference_clips reference_embedding reference_labels".split()
    ]
    with pytest.raises(InputError, match=message) as error:
        acceptance(*positional, **arguments)
    assert "\n" not in str(error.value)


# Schemes


def test_schemes_are_all_there_and_of_one_shape():
    assert list(SCHEMES) == "none brute metric random class class-oracle classifier weight pretrained".split()
    assert [name for name, scheme in SCHEMES.items() if scheme.leaks] == ["class-oracle"]
    judged = judged_table()
    effects = pd.DataFrame([(label, "drc", 1.0) for label in "ab"], columns=["label", "deformation", "difference"])
    for name in [*SCHEMES, "only-drc"]:
        scheme = get_scheme(name)
        assert isinstance(scheme, Scheme) and scheme.description
        assert scheme.judge in (None, "npair", "classifier", "efficientat")
        weights = scheme.function(judged, seed=1, effects=effects)
        assert (
            weights.shape == (len(judged),) and weights.dtype == np.float64 and ((weights >= 0) & (weights <= 1)).all()
        )
    assert weigh("none", judged).sum() == 0 and weigh("brute", judged).sum() == len(judged)
    np.testing.assert_array_equal(weigh("metric", judged), judged.accepted)
    np.testing.assert_array_equal(weigh("weight", judged), judged.own_votes / 3)
    np.testing.assert_array_equal(weigh("only-drc", judged), judged.deformation == "drc")


@pytest.mark.parametrize("seed", [0, 1, 99])
def test_random_matches_the_counts_of_metric_in_any_order(seed):
    judged = judged_table(clips=12, levels=4)
    lot = weigh("random", judged, seed=seed)
    counts = judged.assign(lot=lot).groupby(["label", "deformation"])[["lot", "accepted"]].sum()
    np.testing.assert_array_equal(counts.lot, counts.accepted)
    order = np.random.default_rng(seed).permutation(len(judged))
    np.testing.assert_array_equal(weigh("random", judged.iloc[order], seed=seed), lot[order])
    np.testing.assert_array_equal(weigh("random", judged, seed=seed), lot)
    assert (weigh("random", judged, seed=seed + 1) != lot).any()
    assert (weigh("random", judged.assign(valid=9), seed=seed) != lot).any()  # other pair, other lot


def test_random_leaves_global_random_state_alone():
    before = np.random.get_state()[1].copy()
    weigh("random", judged_table(), seed=3)
    np.testing.assert_array_equal(before, np.random.get_state()[1])


def test_random_is_fair():
    judged = judged_table(clips=12, levels=4)
    drawn = np.mean([weigh("random", judged, seed=seed) for seed in range(400)], axis=0)
    expected = judged.groupby(["label", "deformation"]).accepted.transform("mean")
    assert np.abs(drawn - expected).max() < 5 * np.sqrt(0.25 / 400)


def test_random_keeps_its_lot_when_more_is_accepted():
    judged = judged_table(clips=12, levels=4)
    more = judged.assign(accepted=True)
    assert (weigh("random", judged) <= weigh("random", more)).all()


def test_class_uses_what_is_above_zero_and_known():
    effects = pd.DataFrame(
        [("a", "drc", 0.1), ("a", "stretch", 0.0), ("b", "drc", np.nan), ("b", "all", 9.0)],
        columns=["label", "deformation", "difference"],
    )
    judged = judged_table()
    expected = (judged.label == "a") & (judged.deformation == "drc")
    np.testing.assert_array_equal(weigh("class", judged, effects=effects), expected)
    np.testing.assert_array_equal(weigh("class-oracle", judged, effects=effects.assign(on="test")), expected)


@pytest.mark.parametrize(
    "scheme, change, effects, message",
    [
        (
            "metrics",
            {},
            None,
            "scheme must be one of none, brute, metric, random, class, class-oracle, classifier, weight, pretrained or only-<deformation>, got metrics",
        ),
        ("only-", {}, None, "scheme must be one of"),
        ("only-pitch", {}, None, "deformation must be one of drc, stretch, got pitch"),
        ("class", {}, None, "effects must be given for a class-conditional scheme, got None"),
        ("class", {}, [("a", "drc", 1.0, "validation")], "effects must hold each judged class, got none of b"),
        (
            "class",
            {},
            [("a", "drc", 1.0, "test")],
            "effects of scheme class must be counted on validation folds, got test",
        ),
        ("class-oracle", {}, [("a", "drc", 1.0, "validation")], "counted on test folds, got validation"),
        ("class", {}, [("a", "drc", 1.0, "validation")] * 2, "effects must hold each label and deformation once"),
        ("metric", dict(k=range(44)), None, "judged must hold one k only"),
        ("random", dict(test=range(44)), None, "judged must hold one test only"),
        ("random", dict(level=0), None, "judged must hold a sample once, got a/3-0 stretch 0 twice"),
        (
            lambda judged, *, seed, effects: np.ones(3),
            {},
            None,
            r"scheme <lambda> must give one weight for each of the 48 samples, got shape \(3,\)",
        ),
        (lambda judged, *, seed, effects: np.full(48, np.nan), {}, None, "must give weights in 0..1, got nan"),
    ],
)
def test_bad_input_of_schemes(scheme, change, effects, message):
    judged = judged_table().pipe(
        lambda t: t.assign(**{name: np.resize(value, len(t)) for name, value in change.items()})
    )
    if effects is not None:
        effects = pd.DataFrame(effects, columns="label deformation difference on".split())
    with pytest.raises(InputError, match=message):
        weigh(scheme, judged, effects=effects)


def test_metric_schemes_need_judgement():
    waiting = candidates(samples_table(), test=1, valid=2)
    assert weigh("brute", waiting).sum() == len(waiting) == 48
    for name in ["metric", "random", "weight"]:
        with pytest.raises(InputError, match="judged must have the columns"):
            weigh(name, waiting)
    with pytest.raises(InputError, match="seed must be >= 0, got -1"):
        weigh("random", judged_table(), seed=-1)


# Tables


def test_tables_count_as_loops_do():
    table = judged_table(k=[1, 3], clips=9)
    ratios = by_class_deformation(table)
    assert len(ratios) == 2 * 2 * 2
    for row in ratios.itertuples():
        cell = table[(table.k == row.k) & (table.label == row.label) & (table.deformation == row.deformation)]
        assert (row.judged, row.accepted, row.ratio) == (len(cell), cell.accepted.sum(), cell.accepted.mean())
        assert 0 <= row.low <= row.ratio <= row.high <= 1
    overall = acceptance_by_class(table).query("label == @OVERALL").set_index("k")
    assert overall.ratio[3] == table[table.k == 3].accepted.mean()
    assert acceptance_by_class(table).label.tolist() == ["a", "b", OVERALL] * 2
    shares = predicted_share(table[table.k == 3])
    assert shares.loc["a", "a"] == table[(table.k == 3) & (table.label == "a")].accepted.mean()
    with pytest.raises(InputError, match="of one k, got 1, 3"):
        predicted_share(table)
    two = pd.concat([table.assign(net="npair"), table.assign(net="classifier")])
    for told in (acceptance_by_class, by_class_deformation, neighbourhoods, predicted_share):
        with pytest.raises(InputError, match="of one net, got classifier, npair"):
            told(two)
    around = neighbourhoods(table).query("k == 1").set_index("accepted")
    assert around.own[True] == 1 and around.own[False] == 0 and around.samples.sum() == (table.k == 1).sum()


def test_interval_covers_and_needs_two_units():
    one_clip = judged_table().query("clip == 'a/3-0'")
    assert acceptance_by_class(one_clip)[["low", "high"]].isna().all(axis=None)
    repeated = pd.concat([judged_table()] * 20)  # more rows of the same clips are no more evidence
    pd.testing.assert_frame_equal(
        acceptance_by_class(repeated)[["ratio", "low", "high"]],
        acceptance_by_class(judged_table())[["ratio", "low", "high"]],
    )


def results_table(gain=10, folds=(1, 2, 3), seeds=(0, 1), noise=0, seed=0):
    random, rows = np.random.default_rng(seed), []
    for scheme in ["none", "only-drc", "brute", "metric"]:
        for label, n in [("a", 40), ("b", 50)]:
            for fold in folds:
                for run in seeds:
                    correct = (
                        20 + fold + (gain if (scheme, label) == ("only-drc", "a") else 0) + int(noise * random.normal())
                    )
                    rows.append((scheme, fold, run, label, n + fold, correct))
    return pd.DataFrame(rows, columns="scheme test seed label n correct".split())


def test_effects_by_plain_loops():
    results = results_table(noise=3)
    effects = class_effects(results)
    assert list(effects) == "label deformation difference low high n on".split() and set(effects.deformation) == {
        "drc",
        "all",
    }
    for row in effects.itertuples():
        name = {"drc": "only-drc", "all": "brute"}[row.deformation]
        change = total = 0
        for fold in [1, 2, 3]:
            for run in [0, 1]:
                cell = results[(results.label == row.label) & (results.test == fold) & (results.seed == run)].set_index(
                    "scheme"
                )
                change += cell.correct[name] - cell.correct["none"]
                total += cell.n[name]
        assert row.n == total and row.difference == pytest.approx(100 * change / total)
        assert row.low <= row.difference <= row.high


def test_effects_without_noise_have_the_exact_difference():
    effects = class_effects(results_table(folds=(1,)), on="validation").set_index(["label", "deformation"])
    assert (
        effects.difference["a", "drc"]
        == pytest.approx(100 * 10 / 41)
        == effects.low["a", "drc"]
        == effects.high["a", "drc"]
    )
    assert effects.difference["b", "drc"] == 0 and set(effects.on) == {"validation"}
    single = class_effects(results_table(folds=(1,), seeds=(0,)))
    assert single.low.isna().all() and single.difference.notna().all()


def test_effects_interval_follows_folds_more_than_seeds():
    "Ten equal seeds of two unlike folds are still two folds"
    rows = [
        (scheme, fold, run, "a", 100, 50 + (20 if scheme != "none" and fold == 1 else 0))
        for scheme in ["none", "only-drc"]
        for fold in [1, 2]
        for run in range(10)
    ]
    effects = class_effects(pd.DataFrame(rows, columns="scheme test seed label n correct".split()))
    assert (effects.low[0], effects.difference[0], effects.high[0]) == (0, 10, 20)


def test_effects_interval_of_one_fold_draws_all_its_seeds():
    rows = [
        (scheme, 1, run, "a", 100, 50 + (20 if scheme != "none" and run % 2 else 0))
        for scheme in ["none", "only-drc"]
        for run in range(16)
    ]
    effects = class_effects(pd.DataFrame(rows, columns="scheme test seed label n correct".split()))
    half_width = 1.96 * 10 / np.sqrt(16)  # of a mean of 16 draws with deviation 10 points
    np.testing.assert_allclose([effects.low[0], effects.high[0]], [10 - half_width, 10 + half_width], atol=1.5)


def test_effects_pair_only_what_was_run_with_and_without():
    results = results_table()
    lacking = results[~((results.scheme == "none") & (results.test == 3))]
    assert class_effects(lacking).n.tolist() == class_effects(results[results.test < 3]).n.tolist()


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda t: t[t.scheme != "none"], "got no such pair"),
        (lambda t: t[t.scheme.isin(["none", "metric"])], "got no such pair"),
        (lambda t: pd.concat([t, t]), "once"),
        (lambda t: t.drop(columns="correct"), "got none called correct"),
        (
            lambda t: t.assign(n=t.n + t.scheme.eq("brute")),
            "n must be equal with and without a deformation, got 42 and 41 for a in fold 1",
        ),
        (lambda t: t.assign(data=np.where(t.test == 1, "esc10", "generated")), "one collection, got esc10, generated"),
    ],
)
def test_bad_input_of_effects(change, message):
    with pytest.raises(InputError, match=message):
        class_effects(change(results_table()))


def test_classes_that_can_hardly_be_accepted_are_named():
    import warnings

    from metaug.selection import warn_of_few_references

    said = r"2 classes have fewer than k/2 = 2.5 references.*: b \(1\), a \(2\); the largest k that works for all is 2"
    with pytest.warns(UserWarning, match=said):
        warn_of_few_references(dict(a=2, b=1, c=9), 5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_few_references(dict(a=3, c=9), 5)
        warn_of_few_references(dict(a=2, b=1), 2)
