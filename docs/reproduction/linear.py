"""A linear classifier on features of UT-Interaction: set 1 trains, set 2 tests.

python docs/reproduction/linear.py FEATURES
"""

import pathlib
import sys

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from video_zoo.evaluation import read_features

files = sorted(pathlib.Path(sys.argv[1]).rglob("*.npz"))
labels = np.array([file.parent.name for file in files])
train = np.array([file.name.startswith("set1") for file in files])
x = np.stack([read_features(file).features["Mixed_5c"].mean(axis=0) for file in files])
classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
found = classifier.fit(x[train], labels[train]).predict(x[~train])
right = found == labels[~train]
draws = np.random.default_rng(0).choice(right, (10_000, len(right))).mean(axis=1)
low, high = np.percentile(draws, [2.5, 97.5])
print(f"top-1 of {len(right)} videos: {right.mean():.1%} ({low:.1%} to {high:.1%})")
print(classifier.classes_, confusion_matrix(labels[~train], found), sep="\n")
