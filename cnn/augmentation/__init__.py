"""Augmentation: random changes of training images, which keep the class of an image.

Each change is a function of the seed of the sample order, the epoch and the sample. So all networks of an experiment
see the same images, and a training that was interrupted goes on with them. The trainer (:mod:`cnn.training`) applies
it.
"""

from cnn.augmentation.augmentation import Augmentation, augmented, check_images

__all__ = ["Augmentation", "augmented", "check_images"]
