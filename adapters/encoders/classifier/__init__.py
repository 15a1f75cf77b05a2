"""Classifier of sequences with early exits, used as those of scikit-learn are."""

from adapters.encoders.classifier.estimator import EarlyExitClassifier

__all__ = ["EarlyExitClassifier"]
