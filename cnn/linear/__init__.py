"""Linear classifiers with the interface of scikit-learn: perceptron, logistic and softmax regression, linear SVM.

They are imported on first use, because the import of scikit-learn takes a second. Networks are in
:mod:`cnn.models`.
"""

from cnn.linear.logistic import LogisticRegression, SoftmaxRegression
from cnn.linear.perceptron import Perceptron
from cnn.linear.svm import LinearSVM

__all__ = ["LinearSVM", "LogisticRegression", "Perceptron", "SoftmaxRegression"]
