"""Embeddings that the study tried beside the paper's, and the scheme that selects by the first."""

from torch import nn

from metaug.experiment import learn_classifier
from metaug.features import VERSIONS
from metaug.metric import learn_metric
from metaug.selection import Scheme, accept_metric


def learn_deformed(mels, samples, held_out, inputs, seed):
    "The metric, trained on the deformed samples of its folds too, in as many steps: an epoch has 21 times as many."
    epochs = max(1, round(inputs["metric_epochs"] / VERSIONS))
    trained = learn_metric(mels, samples, held_out, epochs=epochs, every=1, l2=inputs["l2"], seed=seed)
    return trained, lambda network: network


def learn_outputs(mels, samples, held_out, inputs, seed):
    "A classifier's probabilities: a clip lies where the classifier thinks that it belongs, so one of its own class has a low loss."
    originals = samples[samples.deformation.eq("original")].assign(sampling_weight=1.0)
    trained = learn_classifier(mels, originals, held_out, recipe=inputs["recipe"], epochs=inputs["epochs"], seed=seed)
    return trained, lambda network: nn.Sequential(network, nn.Softmax(1))


deformed = Scheme(accept_metric, "embeddings:learn_deformed", None, False, "accepted under a metric that has learned from deformed samples too")
