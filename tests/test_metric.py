"The loss and the rank loss against other people's implementations and plain loops."

import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pytorch_metric_learning.distances import DotProductSimilarity
from pytorch_metric_learning.losses import NPairsLoss

from metaug.datasets import InputError
from metaug.batches import ResidentMels
from metaug.metric import averaged_log_mels, dead_units, net_quality, npair_loss, pair_batches, rank_loss, score_of
from metaug.selection import knn_predict


def by_loops(anchors, positives, l2):
    "Equation (1), term by term."
    C = len(anchors)
    total = sum(
        math.log1p(sum(math.exp(anchors[i] @ positives[j] - anchors[i] @ positives[i]) for j in range(C) if j != i))
        for i in range(C)
    )
    return total / C + l2 * (np.square(anchors).sum() + np.square(positives).sum()) / (2 * C)


@pytest.mark.parametrize("C, d", [(2, 1), (3, 8), (10, 64), (50, 5)])
def test_npair_loss_equals_plain_loops(C, d):
    rng = np.random.default_rng(C)
    a, p = rng.standard_normal((2, C, d))
    assert float(npair_loss(torch.tensor(a), torch.tensor(p), l2=0.03)) == pytest.approx(
        by_loops(a, p, 0.03), rel=1e-12
    )


@pytest.mark.parametrize("C", [2, 7, 50])
def test_npair_loss_equals_pytorch_metric_learning_with_plain_dot_products(C):
    torch.manual_seed(C)
    embedding, labels = torch.randn(2 * C, 16), torch.arange(C).repeat(2)
    theirs = NPairsLoss(distance=DotProductSimilarity(normalize_embeddings=False))
    # Their pairs begin with the first clip of each class, as ours do.
    assert float(npair_loss(embedding[:C], embedding[C:], l2=0)) == pytest.approx(
        float(theirs(embedding, labels)), rel=1e-5
    )


def test_npair_loss_is_not_the_normalised_one():
    eye = torch.eye(10)
    normalised = NPairsLoss()(torch.cat([eye, eye]), torch.arange(10).repeat(2))
    assert float(normalised) > 1.37 > float(npair_loss(10 * eye, 10 * eye, l2=0))


def test_npair_gradient():
    torch.manual_seed(0)
    a, p = (torch.randn(4, 3, dtype=torch.double, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(lambda x, y: npair_loss(x, y, l2=0.1), (a, p))


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e3, 1e8])
def test_npair_loss_is_finite_for_large_and_small_norms(scale):
    torch.manual_seed(0)
    a, p = scale * torch.randn(5, 4), scale * torch.randn(5, 4)
    a.requires_grad_()
    loss = npair_loss(a, p)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(a.grad).all()


@pytest.mark.parametrize("shapes", [((3, 2), (4, 2)), ((3, 2), (3, 3)), ((3,), (3,))])
def test_npair_loss_refuses_other_shapes(shapes):
    with pytest.raises(InputError, match="shape"):
        npair_loss(*(torch.zeros(s) for s in shapes))


def rank_by_loops(embedding, labels):
    "Equation (5) as the mean over queries, self excluded, term by term."
    unit = embedding / np.linalg.norm(embedding, axis=1, keepdims=True)
    n, shares = range(len(labels)), []
    for x in n:
        plus, minus = [i for i in n if i != x and labels[i] == labels[x]], [i for i in n if labels[i] != labels[x]]
        if plus and minus:
            shares.append(np.mean([unit[x] @ unit[p] < unit[x] @ unit[m] for p in plus for m in minus]))
    return np.mean(shares)


@pytest.mark.parametrize("counts", [(2, 1), (5, 3, 2), (1, 1, 9), (7, 7, 7, 7)])
def test_rank_loss_equals_the_triple_loop(counts):
    labels = np.repeat(np.arange(len(counts)), counts)
    embedding = np.random.default_rng(len(labels)).standard_normal((len(labels), 3))
    assert rank_loss(embedding, labels) == pytest.approx(rank_by_loops(embedding, labels), abs=1e-12)


def test_ties_are_not_nearer():
    # Whole numbers on the axes: many similarities are exactly equal.
    labels = np.array([0, 0, 0, 1, 1, 1])
    embedding = np.array([[1, 0], [2, 0], [0, 1], [1, 0], [0, 3], [0, 1]])
    assert rank_loss(embedding, labels) == pytest.approx(rank_by_loops(embedding.astype(float), labels), abs=1e-12)


@given(seed=st.integers(0, 10**6), scale=st.floats(1e-3, 1e3))
def test_rank_loss_knows_neither_order_nor_scale(seed, scale):
    rng = np.random.default_rng(seed)
    labels, embedding = rng.integers(0, 3, 12), rng.standard_normal((12, 4))
    labels[:4] = [0, 0, 1, 1]
    order = rng.permutation(12)
    assert rank_loss(scale * embedding[order], labels[order]) == pytest.approx(rank_loss(embedding, labels), abs=1e-12)


def test_rank_loss_refuses_what_it_cannot_rank():
    with pytest.raises(InputError, match="NaN"):
        rank_loss(np.array([[np.nan], [1.0]]), [0, 0])
    with pytest.raises(InputError, match="n labels"):
        rank_loss(np.eye(3), [0, 1])
    with pytest.raises(InputError, match="two clips"):
        rank_loss(np.eye(3), [0, 1, 2])


@given(seed=st.integers(0, 10**6), classes=st.integers(2, 50), n_pairs=st.integers(2, 50))
def test_pair_batches(seed, classes, n_pairs):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(classes), rng.integers(2, 6, classes)))
    n_pairs = min(n_pairs, classes)
    sampler = pair_batches(labels, seed=seed, n_pairs=n_pairs)
    batches = list(sampler.epoch())
    assert len(batches) == sampler.batches == -(-len(labels) // (2 * n_pairs))
    for batch in batches:
        anchors, positives = batch[:n_pairs], batch[n_pairs:]
        assert (labels[anchors] == labels[positives]).all() and (anchors != positives).all()
        assert len(set(labels[anchors])) == n_pairs


def test_every_clip_is_drawn_about_once_an_epoch():
    labels = np.repeat(np.arange(10), 16)
    sampler = pair_batches(labels, seed=0)
    drawn = np.bincount(np.concatenate(list(sampler.epoch())), minlength=160)
    assert (drawn == 1).all()


def quality_as_it_was(mels, training, held_out, samples, reference):
    "What the experiment's and curation's tasks each computed for themselves."
    labels, own = training.label.to_numpy(), held_out.label.to_numpy()
    plain = averaged_log_mels(mels, held_out.row.to_numpy()), averaged_log_mels(mels, training.row.to_numpy())
    accuracy = [
        float((knn_predict(query, base, labels, k=min(5, len(training))) == own).mean())
        for query, base in ((samples, reference), plain)
    ]
    loss = -score_of(own)(samples, own, reference, labels)
    facts = dict(rank_loss=loss, accuracy=accuracy[0], baseline=accuracy[1])
    return facts | dict(dead=dead_units(samples), units=samples.shape[1])


@pytest.mark.parametrize(("n_held_out", "n_training"), [(9, 13), (6, 3), (2, 8)])
def test_net_quality_is_what_tasks_computed(n_held_out, n_training):
    rng, n = np.random.default_rng(n_held_out), n_held_out + n_training
    lengths = rng.integers(100, 200, n)
    frames = torch.tensor(rng.standard_normal((lengths.sum(), 128)), dtype=torch.float16)
    mels = ResidentMels(frames, lengths)
    table = pd.DataFrame({"row": range(n), "label": [f"class {i % 3}" for i in range(n)]})
    held_out, training = table[:n_held_out], table[n_held_out:]
    samples, reference = (rng.standard_normal((len(part), 8)).astype(np.float32) for part in (held_out, training))
    samples[:, 2:4] = 0.5
    new = net_quality(mels, training, held_out, embedding=samples, reference=reference)
    assert new == quality_as_it_was(mels, training, held_out, samples, reference)
    assert new["dead"] == 2


def test_net_quality_of_one_clip_says_nothing_of_dead_units():
    mels = ResidentMels(torch.randn(4 * 130, 128).half(), np.full(4, 130))
    table = pd.DataFrame({"row": range(4), "label": list("abab")})
    embedding, reference = np.eye(3)[:1], np.eye(3)
    facts = net_quality(mels, table[1:], table[:1], embedding=embedding, reference=reference)
    assert (facts["dead"], facts["units"]) == (0, 3)


def test_net_quality_refuses_an_embedding_of_other_clips():
    mels = ResidentMels(torch.randn(4 * 130, 128).half(), np.full(4, 130))
    table = pd.DataFrame({"row": range(4), "label": list("abab")})
    with pytest.raises(InputError):
        net_quality(mels, table[:2], table[2:], embedding=np.eye(3), reference=np.eye(3)[:2])
    with pytest.raises(InputError):
        net_quality(mels, table[:2], table[2:], embedding=np.eye(3)[:2], reference=np.eye(3))


def test_many_classes_take_bounded_batches(monkeypatch):
    from metaug.learning import metric

    asked = []

    def stop(labels, *, seed, n_pairs):
        asked.append(n_pairs)
        raise InputError("enough")

    monkeypatch.setattr(metric, "pair_batches", stop)
    for classes, given in ((10, None), (64, None), (65, None), (200, None), (200, 12)):
        rows = pd.DataFrame(dict(label=np.repeat(np.arange(classes), 2), row=np.arange(2 * classes)))
        mels = ResidentMels(torch.randn(2 * classes * 3, 128).half(), np.full(2 * classes, 3))
        with pytest.raises(InputError, match="enough"):
            metric.learn_metric(mels, rows, {}, n_pairs=given)
    assert asked == [10, 64, 64, 64, 12]
