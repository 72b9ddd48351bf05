"The study's second part: pools of which a known share is wrong, cells of agreement, the search for the best."

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from metaug.augmentation import store_attrs
from metaug.augmentation.grids import PAPER_GRID
from metaug.features.store import LogMelStore

TUTORIALS = Path(__file__).parent.parent / "nbs" / "tutorials"
FRAMES = 3


@pytest.fixture(scope="module")
def pools():
    sys.path.insert(0, str(TUTORIALS))
    import pools

    yield pools
    sys.path.remove(str(TUTORIALS))


@pytest.fixture
def cells(pools, tmp_path, monkeypatch):
    import cells

    monkeypatch.setattr(cells, "VERDICTS", tmp_path / "verdicts.parquet")
    return cells


@pytest.fixture
def best(pools):
    import best

    return best


@pytest.fixture
def judged(cells):
    "Acceptance rows of one pair of folds, and the pretrained judge's verdicts on them in a file."
    random = np.random.default_rng(0)
    rows = [
        (f"{label}{clip}", label, *version) for label in "ab" for clip in range(9) for version in PAPER_GRID.samples()
    ]
    table = pd.DataFrame(rows, columns=["clip", "label", "deformation", "level"]).assign(test=1, valid=2)
    said = table.assign(efficientat=random.random(len(table)) < 0.9)
    said.drop(columns="label").sample(frac=1, random_state=1).to_parquet(cells.VERDICTS)
    return table.assign(accepted=random.random(len(table)) < 0.7), said.efficientat


@pytest.fixture(scope="module")
def base(
    pools, tmp_path_factory
):  # cache and key of a store of 12 clips with their versions, and 6 recordings of no class
    "Each sample's log-mel holds its own row."
    cache = tmp_path_factory.mktemp("cache")
    clips = [dict(clip=f"{label}/{fold}", label=label, fold=fold, maker="") for label in "abcd" for fold in (1, 2, 3)]
    clips += [
        dict(clip=f"off/{fold}{at}", label="a", fold=fold, maker="no_class") for fold in (1, 2, 3) for at in (0, 1)
    ]
    clips = pd.DataFrame(clips).assign(parent="", path="", seconds=1.0)
    clips["source"] = clips["clip"]
    store = LogMelStore.create(str(cache / "stores" / "base"), clips, attrs=store_attrs())
    for index, clip in clips.iterrows():
        names = [(clip.maker, 0)] if clip.maker else [("original", 0), *pools.VERSIONS]
        rows = [dict(clip=clip["clip"], deformation=name, level=level) for name, level in names]
        mels = [np.full((128, FRAMES), float(store.rows_of(index)[at])) for at in range(len(rows))]
        store.append(index, mels, rows, list(range(len(rows))))
    return cache, "base"


@pytest.mark.parametrize("share", [0, 10, 25, 50, 75])
def test_a_pool_has_the_share_of_wrong_ones_that_it_claims(pools, share):
    kinds = np.stack([pools.truth(f"clip {at}", share, 0) for at in range(200)])
    assert ((kinds != "right").sum(axis=1) == round(share / 5)).all()
    assert abs((kinds == "off").sum() - (kinds == "other").sum()) <= 0.1 * kinds.size * share / 100 + 1e-9
    larger = np.stack([pools.truth(f"clip {at}", 75, 0) for at in range(200)])
    assert (larger[kinds != "right"] == kinds[kinds != "right"]).all()


def test_what_is_wrong_depends_on_the_seed(pools):
    assert any((pools.truth("a", 50, 0) != pools.truth("a", 50, 1)).tolist())


def test_a_wrong_candidate_never_comes_from_another_fold(pools, base):
    cache, key = base
    store = LogMelStore.open(str(cache / "stores" / key))
    origin = store.labelled.merge(store.clips[["clip", "maker"]]).set_index("row")
    pool = LogMelStore.open(str(cache / "stores" / pools.make_pool(cache, key, 75, 0)))
    table = pool.labelled
    for row in table.itertuples():
        came = origin.loc[row.drawn_from]
        assert came.fold == row.fold and (pool.read(row.row) == row.drawn_from).all()
        assert {
            "original": came["clip"] == row.clip and came.deformation == "original",
            "right": came["clip"] == row.clip and (came.deformation, came.level) == (row.deformation, row.level),
            "other": came.label != row.label and (came.deformation, came.level) == (row.deformation, row.level),
            "off": came.maker == "no_class",
        }[row.truth], row
    assert set(table.truth) == {"original", "right", "other", "off"}


def test_the_oracle_keeps_the_right_ones_alone(pools, base):
    cache, key = base
    table = LogMelStore.open(str(cache / "stores" / pools.make_pool(cache, key, 50, 1))).labelled
    judged = table[table.deformation.ne("original")].reset_index(drop=True)
    weights = pools.oracle_50_1.function(judged)
    assert (weights == judged.truth.eq("right")).all() and weights.sum() == 12 * 10


def test_a_net_of_the_base_store_says_the_same_of_a_pool(pools, base, tmp_path):
    cache, key = base
    known = LogMelStore.open(str(cache / "stores" / key)).labelled
    pool_key = pools.make_pool(cache, key, 50, 0)
    table = LogMelStore.open(str(cache / "stores" / pool_key)).labelled
    net = cache / "net" / "learned"
    net.mkdir(parents=True, exist_ok=True)
    for fold in (1, 2, 3):
        rows = known.row[known.fold.eq(fold)].to_numpy(float)[:, None]
        np.savez(net / f"embedding-{fold}.npz", samples=rows, reference=np.ones((2, 1)))
    pd.DataFrame([dict(fold=1)]).to_parquet(net / "quality.parquet")
    pools.copy_net("learned", key, dict(store=pool_key, excluded=[1, 2, 3]), cache, tmp_path)
    for fold in (1, 2, 3):
        with np.load(tmp_path / f"embedding-{fold}.npz") as copied:
            assert copied["samples"][:, 0].tolist() == table.drawn_from[table.fold.eq(fold)].tolist()


def test_an_embedding_of_the_base_store_says_the_same_of_a_pool(pools, base, tmp_path):
    cache, key = base
    rows = LogMelStore.open(str(cache / "stores" / key)).samples.row.to_numpy()
    folder = cache / "embedding" / "fixed"
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "embedding.npz", rows=rows, vectors=rows[:, None].astype(float))
    pool_key = pools.make_pool(cache, key, 25, 0)
    pools.copy_embedding(["fixed"], dict(store=pool_key, share=1, of=4), cache, tmp_path)
    table = LogMelStore.open(str(cache / "stores" / pool_key)).samples.set_index("row").drawn_from
    with np.load(tmp_path / "embedding.npz") as copied:
        assert len(copied["rows"]) == 3 * 21
        assert (copied["vectors"][:, 0] == table.loc[copied["rows"]].to_numpy()).all()


def test_both_cells_give_equally_many_of_each_class_and_deformation(cells, judged):
    table, said = judged
    taken = {name: getattr(cells, name).function(table, seed=0) == 1 for name in ("kept", "rejected")}
    assert (table.accepted & said)[taken["kept"]].all() and (~table.accepted & said)[taken["rejected"]].all()
    group, in_cells = (
        ["label", "deformation"],
        table.assign(kept=table.accepted & said, rejected=~table.accepted & said),
    )
    smaller = in_cells.groupby(group)[["kept", "rejected"]].sum().min(axis=1)
    for rows in taken.values():
        assert table[rows].groupby(group).size().reindex(smaller.index, fill_value=0).equals(smaller)
    assert 0 < taken["kept"].sum() < len(table) / 2


def test_what_a_cell_takes_does_not_depend_on_the_order_of_rows_but_on_the_seed(cells, judged):
    table, _ = judged
    mixed = table.sample(frac=1, random_state=3)
    taken = pd.Series(cells.kept.function(mixed, seed=0), mixed.index).sort_index().to_numpy()
    assert (taken == cells.kept.function(table, seed=0)).all()
    assert (taken != cells.kept.function(table, seed=1)).any()


def test_samples_without_a_verdict_are_refused(cells, judged):
    table, _ = judged
    pd.read_parquet(cells.VERDICTS).iloc[1:].to_parquet(cells.VERDICTS)
    with pytest.raises(ValueError, match="it lacks 1"):
        cells.kept.function(table)


def _tried_by(way, pair, fold, clip, deformation, label, knows):
    "A row of predictions of one network, of the clip's class or of the other one."
    outputs = (200, 55) if knows == (label == "a") else (55, 200)
    clip = dict(clip=f"{fold}/{clip}", source=f"{fold}/{clip}", label=label, fold=fold)
    network = dict(way=way, held_out="".join(map(str, sorted(pair))), seed=0, deformation=deformation)
    return network | clip | dict(zip(("p0", "p1"), np.array(outputs, np.uint8)))


@pytest.fixture
def tries(best):
    "Made-up predictions: each way by the networks of each pair of folds, which know the class in 60 to 80% of cases."
    random = np.random.default_rng(0)
    rows = [
        _tried_by(way, pair, fold, clip, deformation, "ab"[clip % 2], random.random() < 0.6 + 0.1 * at)
        for at, way in enumerate(best.WAYS)
        for pair in best.PAIRS
        for fold in pair
        for clip in range(20)
        for deformation in best.SHOWN
    ]
    return pd.DataFrame(rows)


def test_a_try_counts_the_clips_of_other_folds_alone(best, tries):
    found = best.tried(tries, 2)
    assert set(found.way) == set(best.WAYS) and len(found) == len(best.WAYS) * len(best.VIEWS)
    for row in found.itertuples():
        right = []
        for pair, fold in ((("1", "2"), 1), (("2", "3"), 3)):
            of = tries[tries.way.eq(row.way) & tries.held_out.eq("".join(pair)) & tries.fold.eq(fold)]
            for _, clip in of.groupby("clip"):
                seen = clip[clip.deformation.isin(best.VIEWS[row.view])]
                mean = seen[["p0", "p1"]].mean()
                right.append("ab"[int(mean.p1 > mean.p0)] == clip.label.iloc[0])
        assert len(right) == 40 and row.accuracy == pytest.approx(np.mean(right))


def test_what_is_chosen_for_a_test_fold_does_not_depend_on_its_clips(best, tries):
    changed = tries.copy()
    changed.loc[changed.fold.eq(2), ["p0", "p1"]] = 255 - changed.loc[changed.fold.eq(2), ["p0", "p1"]]
    pd.testing.assert_frame_equal(best.tried(changed, 2), best.tried(tries, 2))
    assert best.chosen(changed, 2).equals(best.chosen(tries, 2))
    assert not best.tried(changed, 1).equals(best.tried(tries, 1))


def _with_other_clips(cache, key, fold):
    "A store like another, but for the log-mels of a fold."
    known = LogMelStore.open(str(cache / "stores" / key))
    other = LogMelStore.create(str(cache / "stores" / "other"), known.clips, attrs=store_attrs())
    for index, clip in known.clips.iterrows():
        samples = known.samples[known.samples["clip"].eq(clip["clip"])]
        mels = [known.read(row) * (-1 if clip.fold == fold else 1) for row in samples.row]
        rows = samples[["clip", "deformation", "level"]].to_dict("records")
        other.append(index, mels, rows, list(range(len(rows))))
    return "other"


def test_a_network_of_the_search_does_not_depend_on_the_clips_that_it_predicts(best, base, tmp_path):
    cache, key = base
    inputs = dict(store=key, way="originals", held_out=[2, 3], seed=0, deformed=False, recipe="modern", epochs=1)
    outputs = []
    for at, store in enumerate((key, _with_other_clips(cache, key, fold=3))):
        out = tmp_path / str(at)
        out.mkdir()
        best.train(inputs | dict(store=store), cache, out)
        outputs.append(pd.read_parquet(out / "predictions.parquet").set_index(["fold", "clip"]).filter(regex=r"^p\d"))
    assert outputs[0].loc[2].equals(outputs[1].loc[2]) and not outputs[0].loc[3].equals(outputs[1].loc[3])


def test_a_fold_is_halved_by_source(pools):
    import study2

    random = np.random.default_rng(0)
    sources = pd.DataFrame(dict(source=np.arange(400), label=random.choice(list("abc"), 400)))
    sources = sources.assign(fold=random.choice([1, 2, 3, 10], 400))
    clips = sources.loc[random.integers(400, size=3000)].reset_index(drop=True)
    halved = study2.in_eight(clips)
    assert (halved.groupby("source").fold.nunique() == 1).all() and set(halved.fold) == set(range(1, 9))
    assert ((halved.fold - 1) // 2 == clips.fold.map({1: 0, 2: 1, 3: 2, 10: 3})).all()
    sizes = halved.groupby([clips.fold, "label", "fold"]).size().unstack().to_numpy()
    pairs = sizes[~np.isnan(sizes)].reshape(-1, 2)
    assert (np.abs(pairs[:, 0] - pairs[:, 1]) < 0.35 * pairs.sum(axis=1)).all()


def test_the_way_chosen_for_a_fold_is_trained_on_the_four_others(best, tries, tmp_path, monkeypatch):
    import study2

    done = []
    monkeypatch.setattr(study2, "CACHE", tmp_path)
    monkeypatch.setattr(study2, "known_rows", lambda name: tries)
    monkeypatch.setattr(study2, "load_clips", lambda name: None)
    monkeypatch.setattr(study2, "store_key", lambda clips, making: "store")
    monkeypatch.setattr(study2, "prepare_store", lambda *args, **kwargs: None)
    monkeypatch.setattr(study2, "run_tasks", lambda tasks, *args, **kwargs: done.extend(tasks))
    study2.run_best(SimpleNamespace(write=False, seeds=(0, 1)))
    assert len({task.key for task in done}) == 10  # the tries are in the table
    for task in done:
        (fold,) = task.inputs["held_out"]
        assert task.inputs["way"] == best.chosen(tries, fold).way
