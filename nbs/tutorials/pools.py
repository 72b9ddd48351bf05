"""Pools of candidates of which a known part is wrong: what the first question of the study's second part trains on.

A pool has the 20 versions of each clip that the paper's grid makes. In a part of them the sound is another's: half of these
are the same version of a clip of another class in the same fold, half a recording of no class at all. All carry the names of
right ones, so no judge and no rule sees which; only the schemes `oracle_…` know. Draws depend on the clip's name and the
seed alone, and what is wrong at a smaller share is wrong at a larger one too."""

from functools import partial

import numpy as np

from metaug.augmentation.grids import PAPER_GRID
from metaug.core.files import digest
from metaug.experiment import open_store
from metaug.features.store import LogMelStore
from metaug.judging.embeddings import read_embeddings
from metaug.selection import Scheme

SHARES, SEEDS = (0, 10, 25, 50, 75), (0, 1)
VERSIONS = PAPER_GRID.samples()


def truth(clip, share, seed):
    "Say of each version of a clip what it is: right, other (a clip of another class) or off (of no class)."
    rng = np.random.default_rng([seed, int(digest([clip]), 16) % 2**32])
    order, first = rng.permutation(len(VERSIONS)), rng.integers(2)
    kinds = np.full(len(VERSIONS), "right", object)
    for at, version in enumerate(order[: round(share / 100 * len(VERSIONS))]):
        kinds[version] = ("other", "off")[(at + first) % 2]
    return kinds


def _accept_right(share, pool_seed, judged, *, seed=0, effects=None):
    kind_of = {
        (clip, *version): kind
        for clip in judged["clip"].unique()
        for version, kind in zip(VERSIONS, truth(clip, share, pool_seed))
    }
    keys = zip(judged["clip"], judged.deformation, judged.level)
    return np.array([kind_of[key] == "right" for key in keys], np.float64)


for _share in SHARES:
    for _seed in SEEDS:
        _function = partial(_accept_right, _share, _seed)
        globals()[f"oracle_{_share}_{_seed}"] = Scheme(_function, None, None, True, "only the right ones of a pool")


def _drawn(clips, samples, share, seed):
    "For each clip: the rows of the base store that its versions are, and what they are."
    row_of = samples.set_index(["clip", "deformation", "level"]).row
    originals, off = clips[clips.maker.eq("")], clips[clips.maker.ne("")]
    for clip in originals.itertuples():
        rng = np.random.default_rng([seed, 1, int(digest([clip.clip]), 16) % 2**32])
        others = originals[originals.fold.eq(clip.fold) & originals.label.ne(clip.label)]["clip"].to_numpy()
        of_no_class = off[off.fold.eq(clip.fold)]
        donors, strangers = rng.choice(others, len(VERSIONS)), rng.integers(len(of_no_class), size=len(VERSIONS))
        rows, kinds = [row_of[clip.clip, "original", 0]], ["original"]
        for at, (version, kind) in enumerate(zip(VERSIONS, truth(clip.clip, share, seed))):
            stranger = of_no_class.iloc[strangers[at]]
            key = {
                "right": (clip.clip, *version),
                "other": (donors[at], *version),
                "off": (stranger["clip"], stranger.maker, 0),
            }[kind]
            rows.append(row_of[key])
            kinds.append(kind)
        yield rows, kinds


def pool_key(base, share, seed):
    "Name the store of a pool."
    return digest(["pool", base, share, seed])


def make_pool(cache, base, share, seed):
    "Write the store of a pool from the rows of the base store, which holds clips, versions and recordings of no class; gives its key."
    store = LogMelStore.open(f"{cache}/stores/{base}")
    clips, samples = store.clips, store.samples
    key = pool_key(base, share, seed)
    originals = clips[clips.maker.eq("")].drop(columns=["maker", "parent"]).reset_index(drop=True)
    attrs = dict(store.array.attrs["metaug"], pool=dict(base=base, share=share, seed=seed))
    pool = LogMelStore.create(f"{cache}/stores/{key}", originals, versions=1 + len(VERSIONS), attrs=attrs)
    missing, frames = set(pool.missing()), samples.set_index("row").frames
    for index, (rows, kinds) in enumerate(_drawn(clips, samples, share, seed)):
        if index not in missing:
            continue
        mels = [store.array[row, :, : frames[row]] for row in rows]
        names = [("original", 0), *VERSIONS]
        told = [
            dict(clip=originals["clip"][index], deformation=name, level=level, drawn_from=int(row), truth=kind)
            for (name, level), row, kind in zip(names, rows, kinds)
        ]
        pool.append(index, mels, told)
    return key


def copy_net(base_task, base, inputs, cache, out):
    "Fill a pool's net with what the base store's net says of the same sounds: it learned from the same originals."
    known, table = open_store(cache, base).labelled, open_store(cache, inputs["store"]).labelled
    folder = cache / "net" / base_task
    for fold in inputs["excluded"]:
        place = {row: at for at, row in enumerate(known.row[known.fold.eq(fold)])}
        with (folder / f"embedding-{fold}.npz").open("rb") as f, np.load(f, allow_pickle=False) as e:
            samples = e["samples"][[place[row] for row in table.drawn_from[table.fold.eq(fold)]]]
            np.savez(out / f"embedding-{fold}.npz", samples=samples, reference=e["reference"])
    (out / "quality.parquet").write_bytes((folder / "quality.parquet").read_bytes())


def copy_embedding(base_tasks, inputs, cache, out):
    "Fill a pool's embedding with the base store's vectors of the same sounds."
    store = open_store(cache, inputs["store"])
    here = store.clips["clip"].iloc[inputs["share"] :: inputs["of"]]
    samples = store.samples[store.samples["clip"].isin(set(here))]
    vectors = read_embeddings(cache, base_tasks)(samples.drawn_from.to_numpy())
    np.savez(out / "embedding.npz", rows=samples.row.to_numpy(), vectors=vectors)
