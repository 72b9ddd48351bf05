"Batches and training steps: what they import, and that no step of a training waits for its device."

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from fastai.callback.core import Callback, CancelFitException

from metaug.batches import ResidentMels, patch_dls, shuffled
from metaug.metric import METRIC_RECIPE, npair_loss, pair_batches
from metaug.networks import RECIPES, KeepBest, classifier, encoder, train

LENGTHS = np.array([60, 172, 300, 128])


def store_on(device) -> tuple[ResidentMels, pd.DataFrame]:
    "Four samples of noise of two classes on a device."
    frames = torch.randn(int(LENGTHS.sum()), 128, generator=torch.Generator().manual_seed(0)).half()
    return ResidentMels(frames.to(device), LENGTHS, mean=0.1, deviation=1.1), pd.DataFrame(
        {"row": range(4), "label": ["rain", "wind"] * 2}
    )


def test_building_a_store_needs_no_torch():
    "The processes that make log-mels unpickle functions of `metaug.augmentation` alone."
    code = (
        "import sys, joblib, metaug.augmentation\n"
        "from metaug.augmentation import deform\n"
        "names = lambda _: (deform.__name__, sorted({'torch', 'fastai', 'matplotlib.pyplot'} & set(sys.modules)))\n"
        "print(joblib.Parallel(n_jobs=2)(joblib.delayed(names)(i) for i in range(2)), sorted({'torch', 'fastai'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.stdout.strip() == "[('deform', []), ('deform', [])] []", done.stderr


def test_batches_are_plain_crops():
    mels, table = store_on("cpu")
    dls = patch_dls(mels, table, vocab=["rain", "wind"], bs=3, seed=7)
    dls.train.after_batch.fs[0].generator.manual_seed(7)  # fastai has tried one item
    batches = list(dls.train)
    generator, order = torch.Generator().manual_seed(7), shuffled(4, bs=3, seed=7).epoch()
    for (x, y), positions in zip(batches, order, strict=True):
        start = (
            (
                torch.rand(len(positions), generator=generator)
                * torch.tensor(np.maximum(LENGTHS[positions] - 128, 0) + 1)
            )
            .long()
            .tolist()
        )
        for patch, label, row, at in zip(x, y, positions, start):
            first = int(LENGTHS[:row].sum())
            wrapped = mels.frames[first + (at + np.arange(128)) % LENGTHS[row]].float()
            torch.testing.assert_close(patch[0], ((wrapped - 0.1) / 1.1).T)
            assert label == row % 2


def test_the_same_log_mels_again_need_no_look_at_their_lengths():
    "`standardised` hands lengths on that may lie on a GPU, where numpy can't read them."
    mels, _ = store_on("meta")
    again = ResidentMels(mels.frames, mels.lengths)
    assert again.lengths.device.type == again.first.device.type == "meta" and again.lengths.shape == (4,)


def test_standardised_crops_have_mean_zero_and_deviation_one():
    mels, _ = store_on("cpu")
    rows = np.array([0, 2])
    values = torch.cat([mels.frames[:60], mels.frames[232:532]]).double()
    ours = mels.standardised(rows)
    assert ours.mean == pytest.approx(float(values.mean()), abs=1e-9) and ours.deviation == pytest.approx(
        float(values.std(correction=0)), rel=1e-9
    )


class Stop(Callback):
    "End a fit inside its first epoch: an epoch's end may well look at the loss."

    order = 60  # after fastai's Recorder

    def after_batch(self):
        self.devices = {
            self.loss.device.type,
            self.learn.smooth_loss.device.type,
            self.pred.device.type,
            *(p.device.type for p in self.model.parameters()),
        }
        if self.iter == 2:
            raise CancelFitException()


def tasks() -> list:
    "Both kinds of training, each with every optimiser that it is given."
    classifiers = [
        pytest.param(
            classifier(2),
            recipe,
            F.cross_entropy,
            lambda: shuffled(4, bs=4, seed=0, batches=5),
            id=f"classifier {name}",
        )
        for name, recipe in RECIPES.items()
    ]
    return [
        *classifiers,
        pytest.param(
            encoder(),
            METRIC_RECIPE,
            lambda x, _: npair_loss(*x.chunk(2)),
            lambda: pair_batches(np.array([0, 1, 0, 1] * 3), seed=0),
            id="encoder",
        ),
    ]


@pytest.mark.parametrize(("network", "recipe", "loss", "sampler"), tasks())
def test_no_step_waits_for_its_device(network, recipe, loss, sampler):
    "A tensor on the device `meta` has no values, so that whoever looks at one fails: what runs there asks a GPU for nothing either."
    mels, table = store_on("meta")
    table = pd.concat([table] * 3, ignore_index=True)
    dls = patch_dls(mels, table, vocab=["rain", "wind"], bs=4, sampler=sampler())
    train(network, dls, epochs=1, loss=loss, recipe=recipe, keep=KeepBest(lambda network: {}), cbs=(stop := Stop(),))
    assert stop.devices == {"meta"}
