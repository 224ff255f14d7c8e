"""Linear estimators in scikit-learn's manner: perceptron, logistic and softmax regression, linear SVM.

They are imported when asked for, because scikit-learn takes a second to import.
"""

from cnn.linear.logistic import LogisticRegression, SoftmaxRegression
from cnn.linear.perceptron import Perceptron
from cnn.linear.svm import LinearSVM

__all__ = [
    "LinearSVM",
    "LogisticRegression",
    "Perceptron",
    "SoftmaxRegression",
]
