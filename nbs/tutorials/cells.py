"""Cells of agreement: what the pretrained judge accepts, and the paper's metric accepts too (`kept`) or not
(`rejected`).

Both schemes take equally many samples of each class and deformation, as many as the smaller cell has. What the
pretrained judge says is read from a table that `study2.py cells` writes first."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from metaug.core.constants import SAMPLE_KEY
from metaug.selection import Scheme
from metaug.selection.schemes import _lots

VERDICTS = Path(__file__).resolve().parent.parent.parent / "runs" / "study2" / "verdicts.parquet"
SAMPLE = ["test", "valid", *SAMPLE_KEY]


def _take(accepted, judged, *, seed=0, effects=None):
    "Accept some of what the pretrained judge accepts and the metric accepts or not, at random."
    judged = judged.reset_index(drop=True)
    said = judged[SAMPLE].merge(pd.read_parquet(VERDICTS), on=SAMPLE, how="left", validate="one_to_one").efficientat
    if said.isna().any():
        raise ValueError(f"{VERDICTS} must hold each judged sample, it lacks {said.isna().sum()}")
    group = [judged.label, judged.deformation]
    cells = {side: said.astype(bool) & judged.accepted.eq(side) for side in (True, False)}
    most = np.minimum(*(cell.groupby(group).transform("sum") for cell in cells.values()))
    place = pd.Series(_lots(judged, seed)).where(cells[accepted]).groupby(group).rank()
    return (place <= most).to_numpy(np.float64)


kept = Scheme(partial(_take, True), "npair", None, False, "accepted by both judges")
rejected = Scheme(partial(_take, False), "npair", None, False, "rejected by the metric alone")
