"The study's second part: pools of candidates of which a known share is wrong."

import sys
from pathlib import Path

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
