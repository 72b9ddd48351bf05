"""The search for the best classifier from scratch on ESC-10, which `study2.py best` runs.

Each way to train is tried on three folds and predicts the two that it has not seen. The way for a test fold is chosen
by the predictions of other folds, of networks that have not seen the test fold either; it is then trained on all four
other folds. Weights are those of the last step, so no held-out clip decides when to stop."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from metaug.core.tasks import Task
from metaug.experiment import open_store
from metaug.learning.batches import ResidentMels
from metaug.learning.classification import learn_classifier
from metaug.learning.networks import predict

# after metaug's modules, which keep what fastai warns of at import to themselves
from fastai.torch_core import default_device

FOLDS = (1, 2, 3, 4, 5)
PAIRS = tuple(zip(FOLDS, (*FOLDS[1:], FOLDS[0])))  # each fold twice
KEY = ["way", "held_out", "seed"]  # what a network's rows are told by


class Way(NamedTuple):
    "Hold how a classifier is trained."

    deformed: bool  # whether the paper's 20 versions are trained on, or the originals alone
    recipe: str  # see `RECIPES`
    epochs: int  # 30 steps each on three folds, 40 on four


WAYS = {
    "originals": Way(False, "modern", 60),
    "originals, mixup": Way(False, "mixup", 60),
    "deformed, mixup": Way(True, "mixup", 60),
}
VIEWS = {  # versions of a clip whose predictions are averaged
    "the clip": ("original",),
    "the clip, pitch1": ("original", "pitch1"),
    "the clip, all but noise": ("original", "pitch1", "pitch2", "stretch", "drc"),
}
SHOWN = VIEWS["the clip, all but noise"]


def train(inputs, cache, out):
    "Train a network without some folds and predict their clips, each deformation averaged over its levels."
    store, held_out = open_store(cache, inputs["store"]), inputs["held_out"]
    table, mels = store.labelled.assign(sampling_weight=1.0), ResidentMels.of(store, device=default_device())
    training = table[~table.fold.isin(held_out)]
    if not inputs["deformed"]:
        training = training[training.deformation.eq("original")]
    how = dict(recipe=inputs["recipe"], epochs=inputs["epochs"], seed=inputs["seed"])
    trained = learn_classifier(mels, training.reset_index(drop=True), {}, **how)
    asked = table[table.fold.isin(held_out) & table.deformation.isin(SHOWN)]
    outputs = predict(trained.network, trained.mels, asked.row.to_numpy())
    columns = [f"p{number}" for number in range(outputs.shape[1])]
    by = ["clip", "source", "label", "fold", "deformation"]
    rows = asked[by].assign(**dict(zip(columns, outputs.T))).groupby(by, as_index=False)[columns].mean()
    rows[columns] = np.rint(255 * rows[columns]).astype(np.uint8)
    rows.to_parquet(out / "predictions.parquet")


def task_of(store, way, held_out, seed):
    "The training of a network."
    folds = sorted(held_out)
    inputs = dict(store=store, way=way, held_out=folds, seed=seed, **WAYS[way]._asdict())
    return Task("best", inputs, f"{way} without folds {folds}, seed {seed}", train)


def told(task):
    "What tells a network's rows from those of others."
    return task.inputs["way"], "".join(map(str, task.inputs["held_out"])), task.inputs["seed"]


def rows_of(task, cache):
    "The predictions of a finished network, with what tells them from those of others."
    return pd.read_parquet(str(task.folder(cache) / "predictions.parquet")).assign(**dict(zip(KEY, told(task))))


def predicted(rows, views):
    "Average the predictions of each clip over versions and networks; says whether they are correct."
    outputs = [name for name in rows if name[0] == "p" and name[1:].isdigit()]
    by = ["clip", "source", "label", "fold"]
    of_each = rows[rows.deformation.isin(views)].groupby([*KEY, *by])[outputs].mean()
    mean = of_each.groupby(by)[outputs].mean()
    classes = np.array(sorted(rows.label.unique()))
    table = mean.index.to_frame(index=False).assign(predicted=classes[mean.to_numpy().argmax(axis=1)])
    return table.assign(correct=table.predicted.eq(table.label))


def tried(rows, test):
    "Accuracy of each way and view on validation folds of a test fold: predicted by networks that saw neither."
    rows = rows[rows.held_out.str.len().eq(2) & rows.held_out.str.contains(str(test)) & rows.fold.ne(test)]
    found = [
        dict(test=test, way=way, view=view, accuracy=predicted(of_way, versions).correct.mean())
        for way, of_way in rows.groupby("way")
        for view, versions in VIEWS.items()
    ]
    return pd.DataFrame(found)


def chosen(rows, test):
    "The way and view of a test fold: the best on its validation folds, of equals the first in the tables above."
    table = tried(rows, test)
    order = {name: at for names in (WAYS, VIEWS) for at, name in enumerate(names)}
    table = table.assign(way_at=table.way.map(order), view_at=table.view.map(order))
    return table.sort_values(["accuracy", "way_at", "view_at"], ascending=[False, True, True]).iloc[0]


def official_predictions(rows):
    "Predict each official fold by the networks of its way, averaged over seeds; a fold that has none yet is left out."
    choices = [chosen(rows, test) for test in FOLDS]
    of_fold = [rows[rows.held_out.eq(str(choice.test)) & rows.way.eq(choice.way)] for choice in choices]
    parts = [predicted(of, VIEWS[choice["view"]]) for of, choice in zip(of_fold, choices)]
    return pd.concat(parts, ignore_index=True)
