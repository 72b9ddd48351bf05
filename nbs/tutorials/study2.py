"""Run the study's second part: when does it pay to let a judge choose?

    python nbs/tutorials/study2.py pools           train what the committed tables lack, then write them
    python nbs/tutorials/study2.py pools --write   only write what the cache holds already

Parts: pools (a known share of wrong candidates), urbansound8k (the same on the paper's collection), eighths (its nets
with more to learn from), cells (what the two judges agree on), few (few labelled recordings and many of doubtful
label), harsh (harsh deformations), best (the best classifier from scratch). If interrupted, it resumes: finished
trainings are in the cache under runs/study2, and rows in nbs/tutorials/data/study2_*.parquet are not trained again."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy: two trainings side by side share no threads

import argparse
import itertools
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from upath import UPath

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import best
import cells
import pools

from metaug.augmentation.samples import prepare_store, store_key
from metaug.core.checks import InputError
from metaug.core.files import write_atomic
from metaug.core.tasks import run_tasks
from metaug.datasets import load_clips
from metaug.experiment import Graph, Settings, open_store
from metaug.experiment.checks import checked_clips

CACHE, DATA = UPath(HERE.parent.parent / "runs" / "study2"), HERE / "data"
ARM = ["setting", "scheme", "k", "seed", "test", "valid"]  # what a classifier's rows are told by


def known_rows(name):
    "Rows of an earlier run, or None."
    file = DATA / f"study2_{name}.parquet"
    return pd.read_parquet(file) if file.exists() else None


def known_keys(name, on):
    "What tells apart the rows of an earlier run, as tuples."
    rows = known_rows(name)
    return set() if rows is None else set(rows[on].drop_duplicates().itertuples(index=False, name=None))


def write_rows(name, rows, on):
    "Put rows into a committed table; they replace those of the same kind."
    earlier = known_rows(name)
    if earlier is not None:
        kept = ~pd.MultiIndex.from_frame(earlier[on]).isin(pd.MultiIndex.from_frame(rows[on]))
        rows = pd.concat([earlier[kept], rows], ignore_index=True)
    rows = rows.sort_values(on, kind="stable").reset_index(drop=True)
    write_atomic(str(DATA / f"study2_{name}.parquet"), rows.to_parquet(compression="zstd", index=False))


def plain(scheme, setting=""):
    "The name of a scheme as the tables have it."
    return "oracle" if scheme.startswith("pools:oracle") or setting.endswith(RIGHT_ONES) else scheme


RIGHT_ONES = ", right ones"  # ends the setting of a run that was given the right candidates alone


def told(setting, arm, test, valid):
    "What tells a classifier's rows from those of others."
    scheme = plain(arm.scheme.name, setting)
    return dict(zip(ARM, (setting.removesuffix(RIGHT_ONES), scheme, arm.k or 0, arm.seed, test, valid)))


def in_both_roles(graph):
    "Classifiers of a graph by arm, test and validation fold; each serves in both roles of its two folds."
    swapped = {(arm, valid, test): task for (arm, test, valid), task in graph.classifiers.items()}
    return swapped | graph.classifiers


def classifier_rows(graph, setting):
    "Of each finished classifier of a graph: the probabilities of the test fold's clips, in 255ths."
    for (arm, test, valid), task in in_both_roles(graph).items():
        if not task.done(CACHE):
            continue
        table = pd.read_parquet(str(task.folder(CACHE) / "probabilities.parquet"))
        table = table[table.fold.eq(test) & table.chosen_on.eq(valid)].reset_index(drop=True)
        probabilities = np.rint(255 * np.stack(table.probabilities)).astype(np.uint8)
        columns = {f"p{number}": column for number, column in enumerate(probabilities.T)}
        yield table[["clip", "source", "label"]].assign(**told(setting, arm, test, valid), **columns)


def untrained(graph, setting, part):
    "Classifiers whose rows are neither in the committed table nor in the cache."
    known = known_keys(part, ARM)
    wanted = {
        task.key: task
        for (arm, test, valid), task in in_both_roles(graph).items()
        if tuple(told(setting, arm, test, valid).values()) not in known
    }
    return [task for task in wanted.values() if not task.done(CACHE)]


def with_truth(store):
    "The samples of a store, and what each is: in a pool as it was drawn, else by the recording's own class."
    samples = store.samples
    if "truth" in samples:
        return samples
    own = store.clips.path.map(load_clips("esc10").set_index("path").label).fillna(store.clips.label)
    wrong = set(store.clips["clip"][own.ne(store.clips.label)])
    return samples.assign(truth=np.where(samples["clip"].isin(wrong), "other", "right"))


def judged_rows(graph, setting):
    "Of each clip and judge: how many candidates were judged, and accepted, by what they are."
    finished = [task for task in graph.stages["acceptance"] if task.done(CACHE)]
    samples = with_truth(open_store(CACHE, graph.store)) if finished else None
    for task in finished:
        judged = pd.read_parquet(str(task.folder(CACHE) / "acceptance.parquet"))
        judged = judged.merge(samples[["clip", "deformation", "level", "truth"]])
        told_by = dict(setting=setting, tests=str(graph.tests), judge=graph.net_of[task.key], seed=task.inputs["seed"])
        judged = judged.assign(**told_by)
        yield judged.groupby(JUDGED, as_index=False).agg(judged=("accepted", "size"), accepted=("accepted", "sum"))


JUDGED = ["setting", "tests", "judge", "seed", "clip", "label", "deformation", "truth"]
VERDICTS = ["setting", "seed", "label", "deformation", "truth", "npair", "efficientat"]


def verdicts(graph):
    "What each judge says of each sample, for each pair of held-out folds: one column per judge."
    by_judge = {}
    for task in graph.stages["acceptance"]:
        judged = pd.read_parquet(str(task.folder(CACHE) / "acceptance.parquet"))
        by_judge.setdefault(graph.net_of[task.key], []).append(judged.set_index(["label", *cells.SAMPLE]).accepted)
    return pd.concat({judge: pd.concat(of) for judge, of in by_judge.items()}, axis=1).reset_index()


def verdict_rows(graph, setting):
    "How the paper's judge and the pretrained one agree: counts of samples by class, deformation, truth and verdicts."
    tasks = graph.stages["acceptance"]
    if not all(task.done(CACHE) for task in tasks):
        return pd.DataFrame(columns=[*VERDICTS, "samples"])
    both = verdicts(graph).merge(with_truth(open_store(CACHE, graph.store))[["clip", "deformation", "level", "truth"]])
    both = both.assign(setting=setting, seed=tasks[0].inputs["seed"])
    return both.groupby(VERDICTS, as_index=False).size().rename(columns={"size": "samples"})


def do_stages(graph, *stages):
    "Do what comes before the classifiers."
    for stage in stages:
        if tasks := graph.stages.get(stage):
            run_tasks(tasks, CACHE, name=stage, jobs=-1, progress=True)


def train(graph, setting, part, write_only):
    "Train the classifiers of a graph that the table lacks, and put what is finished into the table."
    todo = [] if write_only else untrained(graph, setting, part)
    try:
        run_tasks(todo, CACHE, name=f"{part}: {setting}", jobs=-1, progress=True)
    finally:
        if rows := list(classifier_rows(graph, setting)):
            write_rows(part, pd.concat(rows, ignore_index=True), ARM)


def write_judged(graph, setting, part):
    "Put what the judges of a graph said into the table."
    if rows := list(judged_rows(graph, setting)):
        judged = pd.concat(rows, ignore_index=True).groupby(JUDGED, as_index=False)[["judged", "accepted"]].sum()
        write_rows(f"{part}_judged", judged, JUDGED[:4])


# ------------------------------------------------------------------ a known share of wrong candidates


class Collection(NamedTuple):
    "Hold whose clips are deformed, where recordings of no class come from, and what chooses where nothing is wrong."

    clips: str  # collection
    strangers: str  # another collection
    of_no_class: tuple[str, ...]  # classes of the strangers that are like none of the clips'
    when_gentle: tuple[str, ...]  # schemes that choose where nothing is wrong
    epochs: int  # of a classifier; 600 steps for ESC-10's 240 clips, some 1,300 for UrbanSound8K's 1,500


CHOOSING = ("metric", "random-by-class:metric", "pretrained", "random-by-class:pretrained")
COLLECTIONS = {
    "pools": Collection("esc10", "urbansound8k", ("car_horn", "gun_shot", "siren", "street_music"), CHOOSING, 20),
    "urbansound8k": Collection(
        "urbansound8k",
        "esc10",
        ("clock_tick", "fire_crackling", "person_sneeze", "rain", "rooster", "sea_waves"),
        ("metric", "random", "pretrained", "random:pretrained"),
        6,
    ),
}
MOST_OF_SOURCE = 4  # clips of a recording


def recordings_of_no_class(clips, strangers, classes, file):
    "Write the table of recordings that belong to no class, shared out over the folds by source."
    found = load_clips(strangers, check=False)
    found = found[found.label.isin(classes)].sort_values("clip").groupby("source").head(MOST_OF_SOURCE)
    folds, labels = sorted(clips.fold.unique()), sorted(clips.label.unique())
    sources = np.random.default_rng(0).permutation(sorted(found.source.unique()))
    fold_of = {source: folds[at % len(folds)] for at, source in enumerate(sources)}
    table = found[["path", "source"]].assign(
        source="no_class " + found.source.astype(str),
        fold=found.source.map(fold_of),
        label=[labels[at % len(labels)] for at in range(len(found))],  # a table needs one; no training sees it
    )
    write_atomic(str(file), table.to_csv(index=False).encode())


def base_of(part, given):
    "The clips with recordings of no class among them, and the graph of what judges need to know of them."
    collection, file = COLLECTIONS[part], CACHE / part / "no_class.csv"
    path_of = {"urbansound8k": given.urbansound8k}
    data, strangers = (path_of.get(name, name) for name in (collection.clips, collection.strangers))
    recordings_of_no_class(load_clips(data), strangers, collection.of_no_class, file)
    settings = Settings(("metric", "pretrained"), candidates=("paper", str(file)), seeds=given.seeds)
    clips = checked_clips(data, settings)
    return clips, Graph(store_key(clips, settings.making), sorted(clips.fold.unique().tolist()), settings)


def make_base(clips, base):
    "Make the store of all clips, the nets and the embedding; what is in the cache is not made again."
    prepare_store(clips, base.settings.making, cache=CACHE)
    do_stages(base, "embedding", "metric nets")


def pool_graph(part, base, share, seed):
    "The graph of what is trained on a pool."
    if share == 0:
        schemes = ("none", "brute", *COLLECTIONS[part].when_gentle)
    else:
        schemes = ("brute", f"pools:oracle_{share}_{seed}", *CHOOSING)
    settings = Settings(schemes, seeds=(seed,), epochs=COLLECTIONS[part].epochs, metric_epochs=60)
    return Graph(pools.pool_key(base.store, share, seed), base.folds, settings)


def judge_pool(base, graph, share, seed):
    "Write a pool's store and judge it, with nets and embedding of the base store."
    pools.make_pool(CACHE, base.store, share, seed)
    nets = {(tuple(t.inputs["excluded"]), t.inputs["seed"]): t.key for t in base.stages["metric nets"]}
    copied = [
        replace(t, make=partial(pools.copy_net, nets[tuple(t.inputs["excluded"]), t.inputs["seed"]], base.store))
        for t in graph.stages["metric nets"]
    ]
    vectors = partial(pools.copy_embedding, [t.key for t in base.stages["embedding"]])
    copied += [replace(t, make=vectors) for t in graph.stages["embedding"]]
    run_tasks(copied, CACHE, name="what the judges know", jobs=1, progress=False)
    do_stages(graph, "acceptance")


def run_pools(part, given):
    "Train each scheme on each pool of a collection."
    clips, base = base_of(part, given)
    for seed, share in itertools.product(given.seeds, given.shares):
        graph, setting = pool_graph(part, base, share, seed), f"{share}% wrong"
        if not given.write and untrained(graph, setting, part):
            make_base(clips, base)
            judge_pool(base, graph, share, seed)
        train(graph, setting, part, given.write)
        write_judged(graph, setting, part)
        if len(verdicts := verdict_rows(graph, setting)):
            write_rows(f"{part}_verdicts", verdicts, VERDICTS[:2])


# ------------------------------------------------------------------ more recordings for the metric to learn from


def in_eight(clips):
    "Split each of four folds in two by source; a class's sources, the largest first, go to the first, second, second, first."
    sources = clips.groupby(["fold", "label", "source"]).size().rename("clips").reset_index()
    sources = sources.sort_values(["fold", "label", "clips", "source"], ascending=[True, True, False, True])
    half = (sources.groupby(["fold", "label"]).cumcount() % 4).isin([1, 2]).to_numpy()
    number = sources.fold.map({fold: at for at, fold in enumerate(sorted(clips.fold.unique()))})
    fold_of = dict(zip(sources.source, 1 + 2 * number + half))
    return clips.assign(fold=clips.source.map(fold_of))


NET = ["folds", "without", "seed"]  # what a metric net's rows are told by


def net_rows(tasks, clips, name):
    "How many unheard originals each finished net recognises, and from how many clips it has learned."
    for task in tasks:
        if task.done(CACHE):
            excluded = task.inputs["excluded"]
            told = dict(zip(NET, (name, str(excluded), task.inputs["seed"])))
            learned = int((~clips.fold.isin(excluded)).sum())
            yield pd.read_parquet(str(task.folder(CACHE) / "quality.parquet")).assign(**told, learned_from=learned)


def run_eighths(given):
    "UrbanSound8K's metric nets learn from one fold of four; here some learn from five of eight, in as many steps."
    clips, base = base_of("urbansound8k", given)
    file = CACHE / "urbansound8k" / "eighths.csv"
    originals = load_clips(given.urbansound8k)
    table = in_eight(originals)[["path", "label", "fold", "source"]]
    write_atomic(str(file), table.to_csv(index=False).encode())
    settings = Settings(("metric",), seeds=given.seeds, metric_epochs=24)
    split = checked_clips(str(file), settings)
    graph = Graph(store_key(split, settings.making), sorted(split.fold.unique().tolist()), settings)
    nets = [graph.net("npair", excluded, seed) for excluded in ({1, 2, 3}, {5, 6, 7}) for seed in given.seeds]
    known = known_keys("nets", NET)
    missing = [net for net in nets if ("eight", str(net.inputs["excluded"]), net.inputs["seed"]) not in known]
    if missing and not given.write:
        make_base(clips, base)
        prepare_store(split, settings.making, cache=CACHE)
        run_tasks(missing, CACHE, name="nets of five eighths", jobs=-1, progress=True)
    rows = [*net_rows(base.stages["metric nets"], originals, "four"), *net_rows(nets, split, "eight")]
    if rows:
        write_rows("nets", pd.concat(rows, ignore_index=True), [*NET, "fold"])


# ------------------------------------------------------------------ what the two judges agree on


def run_cells(given):
    "With nothing wrong in the pool: train on what both judges accept, and on what the metric alone rejects."
    clips, base = base_of("pools", given)
    for seed in given.seeds:
        whole, setting = pool_graph("pools", base, 0, seed), "0% wrong"
        graph = Graph(
            pools.pool_key(base.store, 0, seed), base.folds, Settings(("cells:kept", "cells:rejected"), seeds=(seed,))
        )
        if not given.write and untrained(graph, setting, "cells"):
            make_base(clips, base)
            judge_pool(base, whole, 0, seed)
            write_atomic(str(cells.VERDICTS), verdicts(whole).to_parquet())
        train(graph, setting, "cells", given.write)


# ------------------------------------------------------------------ collections as anybody has them


def run_settings(data, settings, setting, part, write_only):
    "Train the classifiers of a run on a collection that the table lacks."
    clips = checked_clips(str(data), settings)
    graph = Graph(store_key(clips, settings.making), sorted(clips.fold.unique().tolist()), settings)
    if not write_only and untrained(graph, setting, part):
        prepare_store(clips, settings.making, cache=CACHE)
        do_stages(graph, "embedding", "metric nets", "acceptance")
    train(graph, setting, part, write_only)
    if not setting.endswith(RIGHT_ONES):
        write_judged(graph, setting, part)


def run_harsh(given):
    "The grid of harsh deformations alone, and with the paper's; without candidates both are the pools' `none`."
    for candidates in (("harsh",), ("paper", "harsh")):
        settings = Settings(("brute", *CHOOSING), candidates=candidates, seeds=given.seeds, valid_folds=1)
        run_settings("esc10", settings, "+".join(candidates), "harsh", given.write)


# ------------------------------------------------------------------ few labelled recordings, many of doubtful label


def whole_sources(clips, own, rng):
    "Draw sources that have `own` clips together."
    sizes, drawn = clips.groupby("source").size(), []
    for source in rng.permutation(sorted(sizes.index)):
        if sizes[source] <= own:
            drawn.append(source)
            own -= sizes[source]
    return clips.source.isin(drawn)


def labelled_few(clips, own, seed):
    "Choose `own` clips of each class, by whole sources and of two folds or more: candidates are judged by other folds."
    rng, chosen = np.random.default_rng([seed, own]), pd.Series(False, clips.index)
    for _, of_class in clips.groupby("label"):
        drawn = whole_sources(of_class, own, rng)
        while of_class.fold[drawn].nunique() < 2:
            drawn = whole_sources(of_class, own, rng)
        chosen[of_class.index[drawn]] = True
    return chosen


def wrong_labels(clips, share, seed):
    "Labels of which a share is another class's; what is wrong at a smaller share is wrong at a larger one too."
    rng, classes = np.random.default_rng([seed, 2]), np.array(sorted(clips.label.unique()))
    order, claimed = rng.permutation(len(clips)), clips.label.to_numpy(object).copy()
    others = [rng.choice(classes[classes != label]) for label in clips.label]
    wrong = order[: round(share / 100 * len(clips))]
    claimed[wrong] = np.array(others, object)[wrong]
    return claimed


def few_tables(clips, pair, own, share, seed):
    "Write originals, candidates and those of them that are right; gives their paths."
    folder = CACHE / "few" / f"{own}-{share}-{pair[0]}{pair[1]}-{seed}"
    held_out = clips.fold.isin(pair)
    labelled = labelled_few(clips[~held_out], own, seed).reindex(clips.index, fill_value=True)
    candidates = clips[~labelled]
    claimed = candidates.assign(label=wrong_labels(candidates, share, seed))
    right = claimed[claimed.label.eq(candidates.label)]
    columns, files = ["path", "label", "fold", "source"], []
    for name, table in {"originals": clips[labelled], "candidates": claimed, "right": right}.items():
        files.append(folder / f"{name}.csv")
        write_atomic(str(files[-1]), table[columns].to_csv(index=False).encode())
    return [str(file) for file in files]


def run_few(given):
    """A few labelled clips of each class, and other recordings of training folds, of which some claim a wrong class.
    Where a class has too few clips in some folds, no metric can be learned; that is said, and the rest goes on."""
    clips = load_clips("esc10")
    folds = sorted(clips.fold.unique().tolist())
    for own, seed, share in itertools.product(given.own, given.seeds, given.shares):
        for test, valid in zip(folds, [*folds[1:], folds[0]]):
            originals, candidates, right = few_tables(clips, (test, valid), own, share, seed)
            how = Settings(("brute",), k=(3,), seeds=(seed,), folds=(test,), valid_folds=1, candidates=(candidates,))
            name = f"{own} clips, {share}% wrong"
            schemes = (*["none"] * (share == 0), "brute", "pretrained", "random:pretrained")
            run_settings(originals, how._replace(schemes=schemes), name, "few", given.write)
            if share:
                only_right = how._replace(candidates=(right,))
                run_settings(originals, only_right, name + RIGHT_ONES, "few", given.write)
            try:
                run_settings(originals, how._replace(schemes=("metric",)), name, "few", given.write)
            except InputError as error:
                print(f"{name}, folds {test} and {valid}: no metric, {error}", flush=True)


# ------------------------------------------------------------------ the best classifier from scratch


def train_best(tasks, name, clips, write_only):
    "Train the networks that the table lacks, and put what is finished into the table; gives the table."
    known = known_keys("best", best.KEY)
    todo = [task for task in tasks if best.told(task) not in known and not task.done(CACHE)]
    try:
        if todo and not write_only:
            prepare_store(clips, Settings().making, cache=CACHE)
            run_tasks(todo, CACHE, name=f"best: {name}", jobs=-1, progress=True)
    finally:
        if rows := [best.rows_of(task, CACHE) for task in tasks if task.done(CACHE)]:
            write_rows("best", pd.concat(rows, ignore_index=True), best.KEY)
    return known_rows("best")


def run_best(given):
    "Try each way, choose for each test fold, train what was chosen on the four other folds, and say what comes out."
    clips = load_clips("esc10")
    store = store_key(clips, Settings().making)
    tries = [best.task_of(store, way, pair, 0) for way in best.WAYS for pair in best.PAIRS]
    rows = train_best(tries, "tries", clips, given.write)
    if rows is None:
        return print("best: nothing is trained yet, so there is nothing to write")
    way_of = {test: best.chosen(rows, test).way for test in best.FOLDS}
    final = [best.task_of(store, way, [test], seed) for seed in given.seeds for test, way in way_of.items()]
    found = best.official_predictions(train_best(final, "on four folds", clips, given.write))
    print(f"best: {found.correct.sum()} of {len(found)} test clips are recognised")


def numbers(text):
    "Read numbers with commas between them."
    return tuple(map(int, text.split(",")))


PARTS = {part: partial(run_pools, part) for part in COLLECTIONS} | {
    "eighths": run_eighths,
    "cells": run_cells,
    "few": run_few,
    "harsh": run_harsh,
    "best": run_best,
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=list(PARTS))
    parser.add_argument("--write", action="store_true", help="only write what the cache holds")
    parser.add_argument("--shares", type=numbers, default="50,25,0,75,10", help="percent of wrong candidates, in order")
    parser.add_argument("--own", type=numbers, default="8,4,16", help="labelled clips of each class (few)")
    parser.add_argument("--seeds", type=numbers, default="0,1")
    parser.add_argument("--urbansound8k", default="urbansound8k", help="name, folder or table of clips")
    given = parser.parse_args()
    if min(given.own) < 2:
        parser.error("--own must be 2 or more, since own clips judge what is in other folds than theirs")
    PARTS[given.part](given)
