"""Cells of agreement: what the paper's judge and the pretrained one say of the same samples, in equal numbers.

Each scheme takes samples of one cell of the two by two, as many of each class (and deformation) as its smallest rival cell
has. The pretrained judge's verdicts are read from a table that `study2.py cells` writes first."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from metaug.selection import Scheme

VERDICTS = Path(__file__).resolve().parent.parent.parent / "runs" / "study2" / "efficientat.parquet"
SAMPLE = ["test", "valid", "clip", "deformation", "level"]
BOTH, ALONE, NEITHER = (True, True), (False, True), (False, False)  # accepted by npair, by efficientat


def _lots(judged, seed):
    "A number in 0 to 1 for each sample, which does not depend on the order of the rows."
    order, lots = judged.sort_values(SAMPLE).index, pd.Series(0.0, judged.index)
    pair = judged[["test", "valid"]].iloc[0].to_numpy()
    lots[order] = np.random.default_rng([seed, *pair]).random(len(judged))
    return lots


def _take(cell, rivals, by, judged, *, seed=0, effects=None):
    "Accept, at random within a cell, as many of each group as the smallest of the rival cells has."
    judged = judged.reset_index(drop=True)
    both = judged.merge(pd.read_parquet(VERDICTS), on=SAMPLE, how="left", validate="one_to_one")
    if both.efficientat.isna().any():
        raise ValueError(f"{VERDICTS} must hold each judged sample, it lacks {both.efficientat.isna().sum()}")
    cells = list(zip(both.accepted.astype(bool), both.efficientat.astype(bool)))
    both = both.assign(cell=pd.Series(cells), lot=_lots(judged, seed))
    counts = both.groupby([*by, "cell"]).size().unstack(fill_value=0).reindex(columns=list(rivals), fill_value=0)
    most = both[by].merge(counts.min(axis=1).rename("most").reset_index(), on=by, how="left").most
    inside = both.cell.eq(pd.Series([cell] * len(both)))
    rank = both.lot.where(inside).groupby([both[name] for name in by]).rank()
    return (inside & (rank <= most)).to_numpy(np.float64)


def _scheme(cell, rivals, by, description):
    return Scheme(partial(_take, cell, rivals, by), "npair", None, False, description)


_TWO, _THREE = (BOTH, ALONE), (BOTH, ALONE, NEITHER)
_EACH = ["label", "deformation"]
kept = _scheme(BOTH, _TWO, _EACH, "accepted by both")
rejected = _scheme(ALONE, _TWO, _EACH, "accepted by the pretrained judge, rejected by the metric")
few_kept = _scheme(BOTH, _THREE, ["label"], "a few accepted by both")
few_rejected = _scheme(ALONE, _THREE, ["label"], "a few accepted by the pretrained judge, rejected by the metric")
few_bad = _scheme(NEITHER, _THREE, ["label"], "a few rejected by both")
