"""Rules of selection that the study tried beside the paper's: as many samples as `metric` accepts of each class and deformation,
or as `class` accepts of each class, but others.
Like every scheme they take an acceptance table of n rows and give a weight for each, 0 or 1, shape (n,)."""

from collections import Counter

import numpy as np

from metaug.selection import SAMPLE_KEY, Scheme, accept_by_class, accept_random


def _ranked(judged, value):
    "The samples of each class and deformation with the lowest values, as many as the metric accepts there."
    judged = judged.assign(value=value).reset_index(drop=True)
    groups = judged.sort_values(["value", *SAMPLE_KEY]).groupby(["label", "deformation"])
    return (groups.cumcount() < groups.accepted.transform("sum")).sort_index().to_numpy(np.float64)


def accept_hard(judged, *, seed=0, effects=None):
    "Those that lie least among their own class, right or wrong: a deformed sound with a known label teaches most where the metric errs."
    return _ranked(judged, judged.margin)


def accept_narrow(judged, *, seed=0, effects=None):
    "Those near the border between their class and another: neither what is plain nor what is lost."
    return _ranked(judged, judged.margin.abs())


def accept_each_clip(judged, *, seed=0, effects=None):
    "Of every clip those that lie most among their own class: first the best level of each, then the second, so that no hard clip is left out."
    best_first = judged.sort_values(["margin", *SAMPLE_KEY], ascending=[False, *[True] * len(SAMPLE_KEY)])
    place = best_first.groupby(["clip", "deformation"], observed=True).cumcount().reindex(judged.index)
    return _ranked(judged, 3 * place - judged.margin)  # a margin is between -1 and 1, so the place decides first


def accept_not_lost(judged, *, seed=0, effects=None):
    "By lot among all that have a neighbour of their own class: only what is plainly another class is rejected."
    return _ranked(judged, np.random.default_rng(seed).random(len(judged)) + judged.own_votes.eq(0))


def accept_hard_not_lost(judged, *, seed=0, effects=None):
    "Those that lie least among their own class, but have a neighbour of it."
    return _ranked(judged, judged.margin + 3 * judged.own_votes.eq(0))


def accept_same_share(judged, *, seed=0, effects=None):
    "Of each class and deformation the same share, those that lie most among their own class: a threshold for each instead of one for all."
    groups = judged.sort_values(["margin", *SAMPLE_KEY], ascending=[False, *[True] * len(SAMPLE_KEY)]).groupby(["label", "deformation"])
    place, size = groups.cumcount().reindex(judged.index), judged.groupby(["label", "deformation"]).margin.transform("size")
    return (place < (judged.accepted.mean() * size).round()).to_numpy(np.float64)


def accept_near_original(judged, *, seed=0, effects=None):
    "Those that are like their own original and unlike other classes: the original counts as one more neighbour."
    return _ranked(judged, -(judged.margin + judged.to_original))


def _by_half(judged):
    "The same table, accepted by the five nearest of every second reference clip; k must be so large that five of the half are among the neighbours."
    label_of = dict(zip(judged["clip"], judged.label))  # a reference of one part is judged in another
    half = set(sorted(label_of)[::2])
    def vote(neighbours):
        five = [label_of[clip] for clip in neighbours if clip in half][:5]
        return Counter(five).most_common(1)[0][0]  # the nearest decides a tie
    return judged.assign(accepted=judged.neighbours.map(vote).eq(judged.label))


def accept_by_half(judged, *, seed=0, effects=None):
    "As the metric with five neighbours, in a reference of half as many clips."
    return _by_half(judged).accepted.to_numpy(np.float64)


def accept_half_lot(judged, *, seed=0, effects=None):
    "As many of each class and deformation, drawn by lot."
    return accept_random(_by_half(judged), seed=seed)


def accept_lot_by_class(judged, *, seed=0, effects=None):
    "As many of each class as the class-conditional rule accepts, drawn by lot among all deformations: the same sizes, and no choice."
    kept = accept_by_class(judged, effects=effects)
    drawn = judged.assign(kept=kept, value=np.random.default_rng(seed).random(len(judged))).reset_index(drop=True)
    by_class = drawn.sort_values("value").groupby("label")
    return (by_class.cumcount() < by_class.kept.transform("sum")).sort_index().to_numpy(np.float64)


hard = Scheme(accept_hard, "npair", None, False, "as many as metric, those least among their own class")
narrow = Scheme(accept_narrow, "npair", None, False, "as many as metric, those nearest to the border")
each_clip = Scheme(accept_each_clip, "npair", None, False, "as many as metric, of every clip its best")
not_lost = Scheme(accept_not_lost, "npair", None, False, "as many as metric, by lot among those with a neighbour of their class")
hard_not_lost = Scheme(accept_hard_not_lost, "npair", None, False, "as many as metric, those least among their own class of those with a neighbour of it")
same_share = Scheme(accept_same_share, "npair", None, False, "the same share of each class and deformation, its best")
lot_by_class = Scheme(accept_lot_by_class, None, "validation", False, "as many of each class as class, by lot")
near_original = Scheme(accept_near_original, "npair", None, False, "as many as metric, those most like their original and least like other classes")
by_half = Scheme(accept_by_half, "npair", None, False, "accepted by five neighbours in half the reference; for k of 23")
half_lot = Scheme(accept_half_lot, "npair", None, False, "as many as by_half, by lot; for k of 23")
high_loss = Scheme(accept_hard, "embeddings:learn_outputs", None, False, "as many as a classifier gets right, those whose probabilities lie least among those of their own class")
