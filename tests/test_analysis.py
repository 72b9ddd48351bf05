"Statistics against scipy and plain loops, figures against stored pictures, wrong tables refused."

import itertools
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image
from scipy import stats

from metaug.core import statistics
from metaug import analysis
from metaug.analysis import drawing
from metaug.datasets import InputError

LABELS = ["cat", "dog", "rain"]
IMAGES = Path(__file__).parent / "images"
DRAWN_WITH = "3.11"  # matplotlib that made the stored pictures


def made_up(folds=(1, 2, 3), seeds=(0, 1), seed=0):
    "Predictions and results that count them: unequal classes, sources of one to three clips."
    random, rows = np.random.default_rng(seed), []
    for fold, label in itertools.product(folds, LABELS):
        for source in range(4 + LABELS.index(label)):
            for take in range(1 + source % 3):
                luck = random.uniform()
                for (scheme, k, ease), run in itertools.product(
                    [
                        ("none", None, 0.6),
                        ("random", 5, 0.7),
                        ("brute", None, 0.8),
                        ("metric", 1, 0.65),
                        ("metric", 5, 0.75),
                    ],
                    seeds,
                ):
                    correct = 0.6 * luck + 0.4 * random.uniform() < ease - 0.1 * LABELS.index(label)
                    other = LABELS[(LABELS.index(label) + 1) % 3]
                    rows.append(
                        (
                            scheme,
                            k,
                            run,
                            fold,
                            f"{fold}-{label}-{source}-{take}",
                            f"{fold}-{label}-{source}",
                            label,
                            label if correct else other,
                            correct,
                        )
                    )
    predictions = pd.DataFrame(rows, columns="scheme k seed test clip source label predicted correct".split()).astype(
        {"k": "Int64"}
    )
    return counted(predictions), predictions


def counted(predictions):
    "Results table of predictions, by a plain loop."
    rows = []
    for (scheme, k, test, seed, label), group in predictions.groupby(
        ["scheme", "k", "test", "seed", "label"], dropna=False
    ):
        share = {"none": 1 / 21, "brute": 1.0}.get(scheme, 0.7)
        rows.append(
            dict(
                data="made up", scheme=scheme, k=k, test=test, seed=seed, label=label, n=len(group), correct=int(group.correct.sum()),
                confusion=[int((group.predicted == name).sum()) for name in LABELS], share=share, acceptance=(21 * share - 1) / 20,
                steps=round(1000 * share), seconds=60 * share, recipe="modern", budget="epochs", engine="spectral",
            )
        )  # fmt: skip
    return pd.DataFrame(rows).astype({"k": "Int64"})


def made_up_acceptance(seed=0):
    "Acceptance of two k and the samples' parameters."
    random, rows = np.random.default_rng(seed), []
    for label, number, deformation, level, k in itertools.product(
        LABELS, range(5), analysis.DEFORMATIONS, range(4), [1, 5]
    ):
        rows.append(
            (
                f"{label}{number}",
                label,
                deformation,
                level,
                1,
                2,
                0,
                k,
                random.uniform() < 0.9 - 0.2 * LABELS.index(label),
            )
        )
    table = pd.DataFrame(rows, columns="clip label deformation level test valid seed k accepted".split())
    samples = table[["clip", "deformation", "level"]].drop_duplicates()
    at = {name: samples.deformation == name for name in analysis.DEFORMATIONS}
    samples["rate"] = samples.level.map(dict(enumerate([0.81, 0.93, 1.07, 1.23]))).where(at["stretch"])
    samples["n_semitones"] = (
        samples.level.map(dict(enumerate([-2.0, -1, 1, 2])))
        .where(at["pitch1"])
        .fillna(samples.level.map(dict(enumerate([-3.5, -2.5, 2.5, 3.5]))).where(at["pitch2"]))
    )
    samples["preset"] = samples.level.map(
        dict(enumerate(["radio", "film standard", "music standard", "speech"]))
    ).where(at["drc"])
    samples["weight"] = pd.Series(random.uniform(0.1, 0.5, len(samples)), samples.index).where(at["bgnoise"])
    return table, samples


RESULTS, PREDICTIONS = made_up()
ACCEPTANCE, SAMPLES = made_up_acceptance()


@pytest.fixture(autouse=True)
def closed():
    "Close what a test drew."
    yield
    plt.close("all")


# ---------------------------------------------------------------- means and intervals


def test_summary_is_the_mean_over_folds_of_pooled_clips():
    row = analysis.summary(RESULTS).set_index("name").loc["metric 5-NN"]
    own = PREDICTIONS[(PREDICTIONS.scheme == "metric") & (PREDICTIONS.k == 5)]
    by_fold = [
        np.mean([own[(own.test == fold) & (own.seed == seed)].correct.mean() for seed in (0, 1)]) for fold in (1, 2, 3)
    ]
    assert row.accuracy == pytest.approx(100 * np.mean(by_fold))
    assert row.deviation == pytest.approx(100 * np.std(by_fold, ddof=1))
    assert (row.share, row.steps, row.folds, row.seeds) == (pytest.approx(70), 700, 3, 2)
    assert row.low <= row.accuracy <= row.high


def test_summary_lists_known_schemes_first():
    more = pd.concat(
        [
            RESULTS,
            RESULTS[RESULTS.scheme == "none"].assign(scheme="a new one"),
            RESULTS[RESULTS.scheme == "none"].assign(scheme="weight"),
        ]
    )
    assert analysis.summary(more.sample(frac=1, random_state=0)).name.tolist() == [
        "none",
        "random 5-NN",
        "brute",
        "metric 1-NN",
        "metric 5-NN",
        "weight",
        "a new one",
    ]


def test_summary_keeps_recipes_and_budgets_apart():
    two = pd.concat([RESULTS, RESULTS.assign(recipe="paper")])
    assert len(analysis.summary(two)) == 10
    assert "paper" in analysis.show_summary(two)


@pytest.mark.parametrize(
    "column, values", [("epochs", (20, 60)), ("valid_folds", (1, 4)), ("engine", ("spectral", "muda"))]
)
def test_folds_trained_otherwise_are_not_taken_together(column, values):
    own = RESULTS.assign(**{column: np.where(RESULTS.test == 1, *values)})
    assert len(analysis.summary(own)) == 10
    assert column in analysis.show_summary(own)
    for draw in (
        lambda: analysis.plot_accuracy(own),
        lambda: analysis.show_report(own, PREDICTIONS),
        lambda: analysis.compare(own, "brute", "none"),
    ):
        with pytest.raises(InputError, match=f"of one {column}"):
            draw()


def test_folds_run_one_by_one_judge_a_pair_once(tmp_path):
    shared = ACCEPTANCE.assign(test=1, valid=2)
    for fold, other in (1, 3), (2, 4):
        (tmp_path / f"fold{fold}").mkdir()
        RESULTS[RESULTS.test == fold].to_parquet(tmp_path / f"fold{fold}" / "results.parquet")
        pd.concat([shared, ACCEPTANCE.assign(test=fold, valid=other, accepted=False)]).to_parquet(
            tmp_path / f"fold{fold}" / "acceptance.parquet"
        )
    run = analysis.read_run(tmp_path)
    assert len(run.acceptance) == 3 * len(ACCEPTANCE) and run.acceptance.accepted.sum() == ACCEPTANCE.accepted.sum()
    assert len(analysis.acceptance_by_k(run.acceptance)) == ACCEPTANCE.k.nunique()


def test_a_report_says_what_each_judge_is_worth(tmp_path):
    originals = pd.DataFrame(dict(clip=["a", "b"], label=["dog", "rain"], predicted="dog", baseline="dog"))
    originals = originals.assign(net="npair", k=5, test=1, valid=2, part=3, seed=0, margin=0.5)
    for fold in ("fold1", "fold2"):  # run one by one, they judge their pair of folds twice
        (tmp_path / fold).mkdir()
        RESULTS[RESULTS.test == int(fold[-1])].to_parquet(tmp_path / fold / "results.parquet")
        originals.to_parquet(tmp_path / fold / "originals.parquet")
    results, _, predictions, read = analysis.read_run(tmp_path)
    assert len(read) == 2
    said = analysis.show_report(results, predictions, read)
    assert "npair 5-NN: held-out originals" in said and "no better" in said
    files = analysis.save_report(results, predictions, tmp_path, read)
    assert pd.read_csv([file for file in files if file.name == "worth.csv"][0]).clips.tolist() == [1, 1, 2]
    assert analysis.show_worth(None) == "" == analysis.show_worth(pd.DataFrame())


def test_schemes_stand_beside_their_kin():
    from metaug.analysis.tables import _scheme_order

    names = "own:rule random:own:rule random-by-class:pretrained pretrained weight@efficientat weight random:weight "
    names = pd.Series((names + "brute none random metric random:metric random:weight@efficientat").split())
    assert (
        names.sort_values(key=_scheme_order).tolist()
        == (
            "none random brute metric random:metric pretrained random-by-class:pretrained weight random:weight "
            "weight@efficientat random:weight@efficientat own:rule random:own:rule"
        ).split()
    )


def test_results_of_a_stranger_are_refused_in_one_line(tmp_path):
    RESULTS.astype({"n": str}).to_parquet(tmp_path / "results.parquet")
    with pytest.raises(InputError, match="n must be numbers, got"):
        analysis.read_run(tmp_path)


def test_summary_reads_k_as_files_give_it():
    plain = RESULTS.assign(k=RESULTS.k.astype(float))
    pd.testing.assert_frame_equal(analysis.summary(plain), analysis.summary(RESULTS))


def test_no_interval_from_one_fold_and_seed():
    one = RESULTS[(RESULTS.test == 1) & (RESULTS.seed == 0)]
    table = analysis.summary(one)
    assert table.low.isna().all() and table.high.isna().all() and table.accuracy.notna().all()
    assert "no interval" in analysis.show_summary(one)


def test_summary_stands_without_costs():
    bare = RESULTS[["scheme", "k", "test", "seed", "label", "n", "correct"]]
    assert analysis.summary(bare)["share"].isna().all()
    assert " -" in analysis.show_summary(bare)


def test_the_summary_says_which_schemes_have_seen_the_test_folds():
    told = RESULTS.assign(leaks=RESULTS.scheme.eq("brute"))
    table = analysis.summary(told)
    assert list(table.name[table.leaks]) == ["brute"]
    assert "only an upper bound: brute." in analysis.show_summary(told)
    assert "upper bound" not in analysis.show_summary(told.assign(leaks=False))
    assert "leaks" not in analysis.summary(RESULTS)  # a run of a release before


def test_a_class_without_clips_counts_nothing():
    empty = RESULTS.assign(
        n=RESULTS.n.where(RESULTS.label != "cat", 0), correct=RESULTS.correct.where(RESULTS.label != "cat", 0)
    )
    pd.testing.assert_frame_equal(analysis.summary(empty), analysis.summary(RESULTS[RESULTS.label != "cat"]))


def test_fold_mean_with_unequal_seeds():
    mean, low, high = analysis.fold_mean([80, 82, 84, 70], [1, 1, 1, 2])
    assert mean == (82 + 70) / 2
    assert (low, high) == (70, pytest.approx(82, abs=2.0))


def test_fold_mean_interval_equals_a_loop():
    random = np.random.default_rng(1)
    values, fold = random.normal(size=9), np.array([1, 1, 2, 2, 2, 3, 4, 4, 5])
    means = []
    for _ in range(20_000):
        drawn = random.choice(np.unique(fold), 5)
        means.append(np.mean([random.choice(values[fold == f], (fold == f).sum()).mean() for f in drawn]))
    _, low, high = analysis.fold_mean(values, fold, draws=20_000)
    assert (low, high) == pytest.approx(np.percentile(means, [2.5, 97.5]), abs=0.03)


def test_fold_mean_interval_of_one_seed_is_scipys_bootstrap():
    values = np.random.default_rng(2).normal(size=12)
    _, low, high = analysis.fold_mean(values, np.arange(12), draws=20_000)
    theirs = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=20_000, rng=np.random.default_rng(0)
    ).confidence_interval
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=0.03)


def test_draws_are_repeatable_and_leave_the_global_state_alone():
    np.random.seed(5)
    before = np.random.get_state()[1].copy()
    first, second = analysis.summary(RESULTS), analysis.summary(RESULTS)
    pd.testing.assert_frame_equal(first, second)
    assert (np.random.get_state()[1] == before).all()


# ---------------------------------------------------------------- tests


@pytest.mark.parametrize("n", [2, 5, 9])
def test_sign_flip_is_scipys_exact_permutation_test(n):
    differences = np.random.default_rng(n).integers(-3, 6, n) * 1.0
    theirs = stats.permutation_test(
        (differences, np.zeros(n)),
        lambda x, y, axis: np.sum(x - y, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
    )
    assert analysis.sign_flip_test(differences) == pytest.approx(min(1, theirs.pvalue))


def test_sign_flip_by_a_plain_loop():
    differences = [1.5, -0.5, 2, 0, 1, 1]
    reached = [
        abs(sum(s * d for s, d in zip(signs, differences))) >= abs(sum(differences))
        for signs in itertools.product([1, -1], repeat=6)
    ]
    assert analysis.sign_flip_test(differences) == pytest.approx(np.mean(reached))


def test_sign_flip_with_many_units_is_near_the_normal_test():
    differences = np.random.default_rng(0).normal(0.2, 1, 200)
    normal = 2 * stats.norm.sf(abs(differences.sum()) / np.sqrt((differences**2).sum()))
    assert analysis.sign_flip_test(differences) == pytest.approx(normal, abs=0.006)


def test_sign_flip_finds_nothing_where_nothing_is():
    random = np.random.default_rng(0)
    p = np.array([analysis.sign_flip_test(random.normal(size=8)) for _ in range(1000)])
    assert (p <= 0.05).mean() == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize(("a", "b"), [(0, 0), (1, 0), (3, 9), (25, 25), (40, 12)])
def test_mcnemar_by_binomial_coefficients(a, b):
    from math import comb

    tail = sum(comb(a + b, i) for i in range(min(a, b) + 1)) / 2 ** (a + b)
    assert analysis.mcnemar(a, b) == pytest.approx(min(1, 2 * tail))


def test_holm_by_its_definition():
    p = np.array([0.04, 0.001, 0.2, 0.03, 0.03])
    ranked = sorted(range(5), key=lambda i: p[i])
    expected, running = np.empty(5), 0.0
    for place, i in enumerate(ranked):
        running = max(running, min(1, (5 - place) * p[i]))
        expected[i] = running
    assert analysis.holm(p) == pytest.approx(expected)


def test_rank_correlation_is_scipys():
    random = np.random.default_rng(3)
    x, y = random.integers(5, size=12), random.integers(5, size=12)
    ours = analysis.rank_correlation(x, y, draws=20_000)
    theirs = stats.spearmanr(x, y)
    assert ours.rho == pytest.approx(theirs.statistic)
    chance = stats.permutation_test(
        (x,),
        lambda s: stats.spearmanr(s, y).statistic,
        permutation_type="pairings",
        n_resamples=2000,
        rng=np.random.default_rng(0),
    )
    assert ours.p == pytest.approx(chance.pvalue, abs=0.04)
    interval = stats.bootstrap(
        (x, y),
        lambda a, b: stats.spearmanr(a, b).statistic,
        paired=True,
        vectorized=False,
        method="percentile",
        n_resamples=2000,
        rng=np.random.default_rng(0),
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high), abs=0.06)


# ---------------------------------------------------------------- comparisons


def test_compare_over_folds_by_a_plain_loop():
    row = analysis.compare(RESULTS, "metric 5-NN", "none")
    changes = {}
    for fold, seed in itertools.product((1, 2, 3), (0, 1)):
        own = [
            PREDICTIONS[
                (PREDICTIONS.scheme == s)
                & PREDICTIONS.k.eq(k).fillna(k is None)
                & (PREDICTIONS.test == fold)
                & (PREDICTIONS.seed == seed)
            ].correct.mean()
            for s, k in [("metric", 5), ("none", None)]
        ]
        changes[fold, seed] = 100 * (own[0] - own[1])
    assert row.difference == pytest.approx(np.mean(list(changes.values())))
    by_fold = [np.mean([changes[fold, seed] for seed in (0, 1)]) for fold in (1, 2, 3)]
    assert row.p == pytest.approx(analysis.sign_flip_test(by_fold))
    assert (row.unit, row.units, row.p_least) == ("fold", 3, 2 / 2**3)


def test_compare_is_the_difference_of_the_summary():
    names = analysis.summary(RESULTS).set_index("name").accuracy
    assert analysis.compare(RESULTS, "brute", "none").difference == pytest.approx(names["brute"] - names["none"])


def test_compare_over_sources_by_a_plain_loop():
    row = analysis.compare(PREDICTIONS, "brute", "none", draws=20_000)
    sides = {
        scheme: PREDICTIONS[PREDICTIONS.scheme == scheme].groupby("clip").correct.mean() for scheme in ("brute", "none")
    }
    change = sides["brute"] - sides["none"]
    source = PREDICTIONS.drop_duplicates("clip").set_index("clip").source[change.index]
    assert row.difference == pytest.approx(100 * change.mean())
    assert (row.units, row.a_only, row.b_only) == (source.nunique(), (change > 0).sum(), (change < 0).sum())
    random, names, drawn = np.random.default_rng(9), source.unique(), []
    groups = {name: change[source == name].to_numpy() for name in names}
    for _ in range(20_000):
        drawn.append(100 * np.concatenate([groups[name] for name in random.choice(names, len(names))]).mean())
    assert (row.low, row.high) == pytest.approx(np.percentile(drawn, [2.5, 97.5]), abs=0.8)
    assert row.p_mcnemar == pytest.approx(stats.binomtest(row.a_only, row.a_only + row.b_only).pvalue)


def test_compare_turned_round_changes_the_sign_alone():
    for table in (RESULTS, PREDICTIONS):
        there, back = analysis.compare(table, "brute", "none"), analysis.compare(table, "none", "brute")
        assert (there.difference, there.low, there.high) == pytest.approx((-back.difference, -back.high, -back.low))
        assert there.p == back.p


def test_a_scheme_equals_itself():
    twin = pd.concat([RESULTS, RESULTS[RESULTS.scheme == "brute"].assign(scheme="twin")])
    row = analysis.compare(twin, "twin", "brute")
    assert (row.difference, row.low, row.high, row.p) == (0, 0, 0, 1)


def test_compare_takes_only_what_both_did():
    some = RESULTS[(RESULTS.scheme != "brute") | (RESULTS.test != 2)]
    assert analysis.compare(some, "brute", "none").units == 2


def test_comparisons_by_default():
    table = analysis.comparisons(RESULTS)
    assert list(zip(table.a, table.b)) == [
        ("random 5-NN", "none"),
        ("brute", "none"),
        ("metric 1-NN", "none"),
        ("metric 5-NN", "none"),
        ("metric 5-NN", "random 5-NN"),
    ]
    assert table.p_holm.to_numpy() == pytest.approx(analysis.holm(table.p))
    free = RESULTS.assign(k=RESULTS.k.where(RESULTS.scheme != "random"))
    assert [pair for pair in zip(*analysis.comparisons(free)[["a", "b"]].to_numpy().T) if pair[1] == "random"] == [
        ("metric 1-NN", "random"),
        ("metric 5-NN", "random"),
    ]


def test_the_text_says_when_p_cant_be_small():
    one_seed = RESULTS[RESULTS.seed == 0]
    assert "p can't be below 0.25" in analysis.show_comparisons(analysis.comparisons(one_seed))
    assert "can't" not in analysis.show_comparisons(analysis.comparisons(PREDICTIONS))


def test_compare_of_one_fold_and_seed():
    row = analysis.compare(RESULTS[(RESULTS.test == 1) & (RESULTS.seed == 0)], "brute", "none")
    assert np.isnan(row.low) and row.p == 1 and row.p_least == 1


def null_results(folds, seeds, seed):
    "Results of two schemes that are equally good: each fold suits one of them by chance, and all its seeds share that."
    random = np.random.default_rng(seed)
    luck = np.repeat(random.normal(0, 3, folds), seeds) + random.normal(0, 1, folds * seeds)  # points
    units = pd.DataFrame(list(itertools.product(range(folds), range(seeds))), columns=["test", "seed"])
    units = units.assign(label="all", n=1000, correct=800)
    other = units.assign(scheme="b", correct=800 + np.round(10 * luck).astype(int))
    return pd.concat([units.assign(scheme="a"), other], ignore_index=True)


@pytest.mark.parametrize(("folds", "seeds"), [(5, 2), (6, 3)])
def test_more_seeds_make_no_evidence_out_of_chance(folds, seeds):
    p = [analysis.compare(null_results(folds, seeds, seed), "a", "b", draws=2).p for seed in range(150)]
    assert np.mean(np.array(p) <= 0.05) <= 0.08  # it was 0.16 and 0.23 when each seed counted


def test_two_seeds_count_as_one_fold():
    one = null_results(8, 1, 0)
    two = pd.concat([one, one.assign(seed=1)], ignore_index=True)
    alike = ["difference", "p", "p_least", "unit", "units"]
    assert analysis.compare(two, "a", "b")[alike].tolist() == analysis.compare(one, "a", "b")[alike].tolist()


# ---------------------------------------------------------------- confusion and acceptance


def test_confusion_matrix_is_sklearns():
    from sklearn.metrics import confusion_matrix

    own = PREDICTIONS[(PREDICTIONS.scheme == "brute")]
    theirs = 100 * confusion_matrix(own.label, own.predicted, labels=LABELS, normalize="true")
    np.testing.assert_allclose(analysis.confusion_matrix(RESULTS, scheme="brute"), theirs)


def test_confusion_and_acceptance():
    table = analysis.confusion_and_acceptance(RESULTS, ACCEPTANCE, k=5)
    own = PREDICTIONS[(PREDICTIONS.scheme == "brute") & (PREDICTIONS.label == "dog")]
    assert table.loc["dog"].tolist() == pytest.approx(
        [
            100 * (own.predicted != "dog").mean(),
            100 * ACCEPTANCE[(ACCEPTANCE.k == 5) & (ACCEPTANCE.label == "dog")].accepted.mean(),
        ]
    )


def test_acceptance_figure_shows_what_selection_counts():
    from metaug.selection import by_class_deformation, acceptance_by_class

    mesh = analysis.plot_acceptance(ACCEPTANCE, k=5).collections[0].get_array().reshape(3, 6)
    rows = ACCEPTANCE[ACCEPTANCE.k == 5]
    cells = by_class_deformation(rows, draws=1).pivot(index="label", columns="deformation", values="ratio")[
        analysis.DEFORMATIONS
    ]
    np.testing.assert_allclose(mesh[:, :5], 100 * cells)
    np.testing.assert_allclose(mesh[:, 5], 100 * acceptance_by_class(rows, draws=1).ratio[:3])


def test_acceptance_by_strength_counts_every_sample_once():
    table = analysis.acceptance_by_strength(ACCEPTANCE, SAMPLES, k=5)
    rows = ACCEPTANCE[ACCEPTANCE.k == 5]
    assert table.judged.sum() == len(rows)
    assert (table.judged * table.ratio).sum() / 100 == pytest.approx(rows.accepted.sum())
    fast = table[(table.kind == "time stretch") & (table.value == 1.23)].iloc[0]
    assert fast.ratio == pytest.approx(100 * rows[(rows.deformation == "stretch") & (rows.level == 3)].accepted.mean())
    assert set(table[table.kind == "pitch shift"].value) == {-3.5, -2.5, -2, -1, 1, 2, 2.5, 3.5}


def test_acceptance_by_k():
    table = analysis.acceptance_by_k(ACCEPTANCE).set_index("k")
    one, five = (ACCEPTANCE[ACCEPTANCE.k == k].accepted.to_numpy() for k in (1, 5))
    assert table.loc[1].tolist() == pytest.approx(
        [len(one), 100 * one.mean(), 100 * (one.mean() - five.mean()), 100 * (one != five).mean()]
    )
    assert (table.difference[5], table.changed[5]) == (0, 0)


def test_the_paper_stands_beside_its_own_classes_alone():
    ours = pd.DataFrame({"label": ["air conditioner", "gun_shot", "siren", "(all classes)"], "ratio": 0.5})
    assert analysis.beside_paper(ours).paper.tolist() == pytest.approx([0.3762, 0.8697, 0.7658, 0.6875])
    assert (
        analysis.beside_paper(pd.DataFrame({"label": ["siren", "cow", "(all classes)"], "ratio": 0.5}))
        .paper.isna()
        .all()
    )


def test_principal_plane_is_sklearns():
    from sklearn.decomposition import PCA

    embedding = np.random.default_rng(0).normal(size=(30, 6)) * np.arange(1, 7)
    units = embedding / np.linalg.norm(embedding, axis=1, keepdims=True)
    ours, shown = analysis.principal_plane(embedding)
    pca = PCA(2).fit(units)
    np.testing.assert_allclose(np.abs(ours), np.abs(pca.transform(units)), atol=1e-9)
    np.testing.assert_allclose(shown, pca.explained_variance_ratio_)


# ---------------------------------------------------------------- grids of one's own

LEVELS = {"echo": 1, "telephone line": 2, "slower": 7, "dither": 200}


def own_grid(seed=0):
    "Acceptance of deformations with other names and other numbers of levels, and what their samples table says."
    random = np.random.default_rng(seed)
    levels = [(name, level) for name, count in LEVELS.items() for level in range(count)]
    rows = [(f"{label}{number}", label, *at) for label in LABELS for number in range(3) for at in levels]
    samples = pd.DataFrame(rows, columns=["clip", "label", "deformation", "level"])
    judged = samples.assign(test=1, valid=2, seed=0, k=5, accepted=random.uniform(size=len(samples)) < 0.7)
    samples["rate"] = (1 - 0.1 * samples.level).where(samples.deformation == "slower")
    samples["preset"] = samples.level.map({0: "near", 1: "far"}).where(samples.deformation == "telephone line")
    samples["weight"] = (samples.level / 200).where(samples.deformation == "dither")
    return judged, samples.drop(columns="label")


OWN, OWN_SAMPLES = own_grid()


def test_strengths_of_ones_own_grid_count_every_sample_once():
    table = analysis.acceptance_by_strength(OWN, OWN_SAMPLES, k=5, draws=10)
    assert table.groupby("kind").judged.sum().to_dict() == {name: 9 * count for name, count in LEVELS.items()}
    assert (table.judged * table.ratio).sum() / 100 == pytest.approx(OWN.accepted.sum())
    kinds = table.groupby("kind", sort=False)
    assert kinds.parameter.first().to_dict() == {
        "dither": "weight",
        "echo": "level",
        "slower": "rate",
        "telephone line": "preset",
    }
    sizes = kinds.size()
    assert sizes[["echo", "telephone line", "slower"]].tolist() == [1, 2, 7]
    assert 2 < sizes["dither"] <= 12  # two hundred levels are put in bins


def test_noise_outside_the_papers_weights_is_counted():
    loud = SAMPLES.assign(weight=SAMPLES.weight + 0.48)
    table = analysis.acceptance_by_strength(ACCEPTANCE, loud, k=5)
    assert table.judged.sum() == (ACCEPTANCE.k == 5).sum()


def test_a_samples_table_without_the_papers_parameters_is_enough():
    bare = OWN_SAMPLES[["clip", "deformation", "level"]]
    table = analysis.acceptance_by_strength(OWN, bare, k=5, draws=10)
    assert set(table.parameter) == {"level"} and table.judged.sum() == len(OWN)


def test_figures_of_ones_own_grid():
    mesh = analysis.plot_acceptance(OWN, k=5)
    names = [text.get_text() for text in mesh.get_xticklabels()]
    assert names == [*sorted(LEVELS), "all"]
    strength = analysis.plot_strength(OWN, OWN_SAMPLES, k=5)
    assert [ax.get_title() for ax in strength.axes] == ["dither", "slower", "telephone line", "one level each"]
    table = pd.DataFrame([(label, name, 1.0, 0.0, 2.0) for label in LABELS for name in [*LEVELS, "all"]])
    table.columns = ["label", "deformation", "difference", "low", "high"]
    legend = analysis.plot_effects(table).get_legend()
    assert [text.get_text() for text in legend.get_texts()] == [*sorted(LEVELS), "all"]
    for figure in map(plt.figure, plt.get_fignums()):
        pixels(figure)


def test_two_hundred_makers_fit_into_figures(tmp_path):
    names = np.array([f"maker {number}" for number in range(200)])
    many = pd.DataFrame({"label": np.repeat(LABELS, 200), "deformation": np.tile(names, 3)})
    judged = many.assign(clip="c", level=0, test=1, valid=2, seed=0, k=5, accepted=True)
    table = many.assign(difference=1.0, low=0.0, high=2.0)
    figures = [analysis.plot_acceptance(judged, k=5).figure, analysis.plot_effects(table).figure]
    figures.append(analysis.plot_strength(judged, judged[["clip", "deformation", "level"]].drop_duplicates(), k=5))
    for figure in figures:
        figure.canvas.draw()
        assert max(figure.get_size_inches()) <= 60
        inside = figure.get_tightbbox()
        assert inside.y1 <= figure.get_size_inches()[1] + 0.1 and inside.x1 <= figure.get_size_inches()[0] + 0.1


# ---------------------------------------------------------------- wrong tables

UNITED = pd.concat([RESULTS, RESULTS.assign(recipe="paper")])
WRONG = {
    "no rows": (lambda: analysis.summary(RESULTS.head(0)), "at least one row, got 0"),
    "no column": (lambda: analysis.summary(RESULTS.drop(columns="n")), "got none called n"),
    "twice": (lambda: analysis.summary(pd.concat([RESULTS, RESULTS])), "once, got some twice"),
    "two collections": (lambda: analysis.summary(pd.concat([RESULTS, RESULTS.assign(data="esc10")])), "one collection, got esc10, made up"),
    "two recipes in a figure": (lambda: analysis.plot_accuracy(UNITED), "results must be of one recipe for this figure, got several for"),
    "two recipes compared": (lambda: analysis.compare(UNITED, "brute", "none"), "one recipe, got modern, paper"),
    "unknown scheme": (lambda: analysis.plot_confusion(RESULTS, scheme="magic"), "scheme must be one of none"),
    "unknown k": (lambda: analysis.plot_confusion(RESULTS, scheme="metric", k=9), "k = 9, got metric 1-NN, metric 5-NN"),
    "which k": (lambda: analysis.plot_confusion(RESULTS, scheme="metric"), "k must be given for metric"),
    "short confusion": (lambda: analysis.confusion_matrix(RESULTS.assign(confusion=[[1, 2]] * len(RESULTS)), scheme="none"), "3 counts, one for each label, got 2"),
    "no acceptance": (lambda: analysis.plot_acceptance(ACCEPTANCE.head(0), k=5), "at least one row"),
    "k not judged": (lambda: analysis.plot_acceptance(ACCEPTANCE, k=7), "k must be one of 1, 5, got 7"),
    "base not judged": (lambda: analysis.acceptance_by_k(ACCEPTANCE, base=7), "k must be one of 1, 5, got 7"),
    "one scheme": (lambda: analysis.comparisons(RESULTS[RESULTS.scheme == "brute"]), "two schemes to compare"),
    "other n": (lambda: analysis.compare(RESULTS.assign(n=RESULTS.n + (RESULTS.scheme == "none")), "brute", "none"), "n must be equal for brute and none"),
    "lost sample": (lambda: analysis.acceptance_by_strength(ACCEPTANCE, SAMPLES.iloc[1:], k=5), "got none for cat0 stretch 0"),
    "nan embedding": (lambda: analysis.principal_plane(np.full((4, 3), np.nan)), "embedding must be finite"),
    "flat embedding": (lambda: analysis.principal_plane(np.zeros(4)), "shape (n, d)"),
    "embedding and table": (lambda: analysis.plot_embedding(np.ones((4, 3)), pd.DataFrame({"label": ["a"], "role": "judged", "accepted": True})), "each of the 4 vectors, got 1"),
    "two classes": (lambda: analysis.rank_correlation([1, 2], [1, 2]), "at least 3 units"),
    "nan difference": (lambda: analysis.sign_flip_test([1, np.nan]), "must be finite"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_table_is_refused_in_one_line(name):
    call, words = WRONG[name]
    with pytest.raises(InputError) as caught:
        call()
    assert words in str(caught.value) and "\n" not in str(caught.value)


# ---------------------------------------------------------------- figures


def effects():
    "Effects of three classes and three deformations."
    table = pd.DataFrame(list(itertools.product(LABELS, ["drc", "stretch", "all"])), columns=["label", "deformation"])
    difference = np.linspace(-4, 6, len(table))
    return table.assign(difference=difference, low=difference - 2, high=difference + 3)


def embedded():
    "Embedding and its table."
    random, rows = (
        np.random.default_rng(0),
        list(itertools.product(LABELS, ["reference", "judged", "judged"], range(5))),
    )
    table = pd.DataFrame(rows, columns=["label", "role", "number"]).assign(
        accepted=[number % 2 == 0 for *_, number in rows]
    )
    return np.eye(8)[[LABELS.index(label) for label in table.label]] + 0.2 * random.normal(size=(len(table), 8)), table


FIGURES = {
    "accuracy": lambda: analysis.plot_accuracy(RESULTS),
    "accuracy-paper": lambda: analysis.plot_accuracy(RESULTS.assign(data="urbansound8k")),
    "effects": lambda: analysis.plot_effects(effects()),
    "confusion": lambda: analysis.plot_confusion(RESULTS, scheme="brute"),
    "confusion-difference": lambda: analysis.plot_confusion_difference(RESULTS, scheme="metric", k=5),
    "acceptance": lambda: analysis.plot_acceptance(ACCEPTANCE, k=5),
    "embedding": lambda: analysis.plot_embedding(*embedded()),
    "tradeoff": lambda: analysis.plot_tradeoff(RESULTS),
    "confusion-and-acceptance": lambda: analysis.plot_confusion_and_acceptance(RESULTS, ACCEPTANCE, k=5),
    "strength": lambda: analysis.plot_strength(ACCEPTANCE, SAMPLES, k=5),
}


def pixels(drawn) -> np.ndarray:  # uint8, shape (height, width, 3)
    "Render axes or a figure."
    figure = drawn if isinstance(drawn, Figure) else drawn.figure
    figure.set_dpi(50)
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()


def store_images():
    "Write the stored pictures anew: `python -c 'import test_analysis; test_analysis.store_images()'` in tests/. Then look at each."
    IMAGES.mkdir(exist_ok=True)
    for name, draw in FIGURES.items():
        Image.fromarray(pixels(draw())).quantize(64).save(IMAGES / f"{name}.png", optimize=True)


@pytest.mark.parametrize("name", FIGURES)
def test_figure_looks_as_stored(name):
    if mpl.__version__.split(".")[:2] != DRAWN_WITH.split("."):
        pytest.skip(f"the pictures were drawn with matplotlib {DRAWN_WITH}, this is {mpl.__version__}")
    ours, stored = pixels(FIGURES[name]()), np.asarray(Image.open(IMAGES / f"{name}.png").convert("RGB"))
    assert ours.shape == stored.shape
    difference = np.sqrt(np.mean((ours.astype(float) - stored) ** 2))
    assert difference < 6, f"{name} differs by {difference:.1f} (root mean square of 0..255)"


def test_the_comparison_sees_a_moved_point():
    moved = RESULTS.assign(correct=RESULTS.correct.where(RESULTS.scheme != "brute", RESULTS.n))
    stored = np.asarray(Image.open(IMAGES / "accuracy.png").convert("RGB")).astype(float)
    ours = pixels(analysis.plot_accuracy(moved))
    assert ours.shape != stored.shape or np.sqrt(np.mean((ours - stored) ** 2)) > 6


def test_stored_pictures_are_small():
    assert sum(path.stat().st_size for path in IMAGES.glob("*.png")) < 300_000
    assert {path.stem for path in IMAGES.glob("*.png")} == set(FIGURES)


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_is_cut_off_and_axes_have_titles(name):
    drawn = FIGURES[name]()
    figure = drawn if isinstance(drawn, Figure) else drawn.figure
    figure.canvas.draw()
    inside = figure.get_tightbbox().transformed(figure.dpi_scale_trans)
    width, height = figure.canvas.get_width_height()
    assert inside.x0 >= -1 and inside.y0 >= -1 and inside.x1 <= width + 1 and inside.y1 <= height + 1
    ax = drawn.axes[0] if isinstance(drawn, Figure) else drawn
    assert ax.get_title() and ax.get_xlabel() and ax.get_ylabel()


@pytest.mark.parametrize("name", FIGURES)
def test_tick_labels_do_not_overlap(name):
    drawn = FIGURES[name]()
    figure = drawn if isinstance(drawn, Figure) else drawn.figure
    figure.canvas.draw()
    for ax in figure.axes:
        if ax.get_xticklabels() and ax.get_xticklabels()[0].get_rotation():
            continue  # slanted texts overlap as boxes only
        boxes = [
            label.get_window_extent() for label in ax.get_xticklabels() if label.get_text() and label.get_visible()
        ]
        boxes = sorted(
            (
                box
                for box in boxes
                if ax.get_window_extent().x0 - 1 <= (box.x0 + box.x1) / 2 <= ax.get_window_extent().x1 + 1
            ),
            key=lambda box: box.x0,
        )
        assert all(left.x1 <= right.x0 for left, right in itertools.pairwise(boxes)), (
            f"{name}: {[t.get_text() for t in ax.get_xticklabels()]}"
        )


def test_the_users_style_changes_nothing_and_stays():
    plain = pixels(FIGURES["accuracy"]())
    with mpl.rc_context({"font.size": 20, "axes.facecolor": "black", "lines.linewidth": 9, "figure.figsize": (2, 2)}):
        before = dict(mpl.rcParams)
        styled = pixels(FIGURES["accuracy"]())
        assert dict(mpl.rcParams) == before
    np.testing.assert_array_equal(plain, styled)


def test_figures_draw_on_given_axes():
    figure, axes = plt.subplots(1, 2)
    assert analysis.plot_accuracy(RESULTS, ax=axes[0]) is axes[0]
    assert analysis.plot_confusion(RESULTS, scheme="none", ax=axes[1]) is axes[1]
    assert len(plt.get_fignums()) == 1


def test_deformations_are_named_in_one_place():
    from metaug.core import constants

    assert analysis.DEFORMATIONS == list(constants.DEFORMATIONS)


def test_zero_difference_is_white():
    ax = analysis.plot_confusion_difference(RESULTS, scheme="none")
    assert (ax.collections[0].get_facecolors()[:, :3] == 1).all()
    assert analysis.DIFFERENCE(0.5) == (1, 1, 1, 1)


def test_the_paper_is_drawn_for_urbansound8k_alone():
    texts = [
        [t.get_text() for t in analysis.plot_accuracy(RESULTS.assign(data=data)).get_legend().get_texts()]
        for data in ("urbansound8k", "esc10")
    ]
    assert [any("Lu et al." in text for text in one) for one in texts] == [True, False]


@pytest.mark.parametrize("rows", ["one fold", "one scheme", "one of each"])
def test_figures_of_little(rows):
    few = RESULTS[
        ((RESULTS.test == 1) | (rows == "one scheme"))
        & ((RESULTS.scheme == "brute") | (rows == "one fold"))
        & ((RESULTS.seed == 0) | (rows != "one of each"))
    ]
    for ax in (analysis.plot_accuracy(few), analysis.plot_tradeoff(few), analysis.plot_confusion(few, scheme="brute")):
        pixels(ax)
    assert analysis.show_summary(few)


def test_no_correlation_is_said_in_words():
    alike = ACCEPTANCE.assign(accepted=True)
    assert (
        analysis.plot_confusion_and_acceptance(RESULTS, alike, k=5).get_title()
        == "3 classes: no correlation can be given"
    )


def test_many_classes_and_long_names():
    names = [f"a rather long class name {number}" for number in range(30)]
    many = pd.DataFrame(
        [
            dict(
                scheme="none",
                k=pd.NA,
                test=1,
                seed=0,
                label=name,
                n=3,
                correct=2,
                confusion=[2 if other == number else 0 for other in range(30)],
            )
            for number, name in enumerate(names)
        ]
    )
    pixels(analysis.plot_confusion(many, scheme="none"))


def test_a_scheme_without_confusions_to_compare_with_is_named():
    with pytest.raises(InputError, match="scheme must be one of brute, got none"):
        analysis.plot_confusion_difference(RESULTS[RESULTS.scheme == "brute"], scheme="brute")


# ---------------------------------------------------------------- files


def test_save_figures(tmp_path):
    paths = analysis.save_figures(RESULTS, ACCEPTANCE, tmp_path / "new" / "figures", dpi=40)
    assert {
        "accuracy.png",
        "tradeoff.png",
        "confusion-metric-5-NN.png",
        "confusion-brute-minus-none.png",
        "acceptance-5-NN.png",
    } <= {path.name for path in paths}
    assert sorted((tmp_path / "new" / "figures").iterdir()) == sorted(paths)
    for path in paths:
        assert Image.open(path).size[0] > 100
    assert not plt.get_fignums()


@pytest.mark.parametrize("acceptance", [None, ACCEPTANCE.head(0)])
def test_save_figures_without_acceptance(tmp_path, acceptance):
    names = [
        path.name for path in analysis.save_figures(RESULTS[RESULTS.scheme == "none"], acceptance, tmp_path, dpi=40)
    ]
    assert names == ["accuracy.png", "tradeoff.png", "confusion-none.png"]


def test_a_failed_write_leaves_nothing_and_keeps_what_was(tmp_path, monkeypatch):
    (tmp_path / "accuracy.png").write_bytes(b"before")

    def fail(self, file, **how):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        analysis.save_figures(RESULTS, None, tmp_path)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("accuracy.png", b"before")]
    assert not plt.get_fignums()


def test_scheme_names_make_safe_file_names(tmp_path):
    odd = RESULTS[RESULTS.scheme == "none"].assign(scheme="../my scheme")
    assert all(path.parent == tmp_path for path in analysis.save_figures(odd, None, tmp_path, dpi=40))


def test_analysis_is_light():
    code = (
        "import sys, metaug.analysis; print([m for m in ('torch', 'fastai', 'librosa', 'numba') if m in sys.modules])"
    )
    assert (
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )


def test_least_p_and_sums_in_pieces(monkeypatch):
    moved = np.random.default_rng(3).normal(size=40)
    whole = statistics._flipped_sums(moved, 1000, 5)
    signs = 1 - 2 * np.random.default_rng(5).integers(2, size=(1000, 40))
    np.testing.assert_allclose(whole, [(row * moved).sum() for row in signs])
    monkeypatch.setattr(statistics, "_AT_ONCE", 40 * 7)
    np.testing.assert_allclose(statistics._flipped_sums(moved, 1000, 5), whole)
    for n in (3, 14, 15, 40):
        assert analysis.sign_flip_test(np.ones(n)) == pytest.approx(
            statistics.least_p(n), rel=0.8 if n == 15 else 1e-12
        )


def test_letters_that_no_font_has_are_said_once(tmp_path, monkeypatch):
    monkeypatch.setattr(drawing, "_said_missing", set())
    names = dict(zip(LABELS, ["\u732b", "\u72ac", "rain"]))
    own = RESULTS.assign(label=RESULTS.label.map(names))
    with pytest.warns(UserWarning) as said:
        analysis.save_figures(own, None, tmp_path, dpi=40)
    if not any("no installed font" in str(w.message) for w in said):
        pytest.skip("a font for Chinese is installed")
    assert len(said) == 1 and "\u732b" in str(said[0].message) and "\n" not in str(said[0].message)


def test_fonts_for_other_scripts_are_used_where_they_are():
    assert drawing._fonts({"DejaVu Sans", "Noto Sans CJK SC"}) == ["DejaVu Sans", "Noto Sans CJK SC"]
    assert drawing._fonts({"DejaVu Sans"}) == ["DejaVu Sans"]


def test_saved_figures_say_what_they_show(tmp_path):
    for path in analysis.save_figures(RESULTS, ACCEPTANCE, tmp_path, dpi=40):
        about = Image.open(path).text
        assert about["Title"] and "x axis: " in about["Description"] and "y axis: " in about["Description"]


def test_letters_can_be_read():
    assert analysis.STYLE["figure.dpi"] >= 100
    for name, draw in FIGURES.items():
        drawn = draw()
        texts = (drawn if isinstance(drawn, Figure) else drawn.figure).findobj(mpl.text.Text)
        small = {text.get_text() for text in texts if text.get_text() and text.get_fontsize() < 11}
        assert not small, f"{name}: {small}"


def test_any_name_of_a_class_is_drawn(tmp_path):
    names = dict(zip(LABELS, ["$a$ $b", "$5_$6", "x_{y"]))
    results, acceptance = (table.assign(label=table.label.map(names)) for table in (RESULTS, ACCEPTANCE))
    assert analysis.save_figures(results.sort_values("label"), acceptance, tmp_path)
