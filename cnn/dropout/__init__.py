"""Dropout: which outputs of hidden neurons a training step leaves out, and how the others grow for it.

Each decision is a function of the seed of the sample order, the epoch, the sample and the node. So a network sees the
same masks in whatever parts it is trained, and a training that was interrupted goes on with them. The trainer
(:mod:`cnn.training`) draws a key for each sample; networks turn keys into masks.
"""

from cnn.dropout.dropout import Dropout, node_words, sample_keys

__all__ = ["Dropout", "node_words", "sample_keys"]
