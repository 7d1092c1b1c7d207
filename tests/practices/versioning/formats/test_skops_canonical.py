"""skops archives of text, tables and forests: equal bytes whatever the process, and they load."""

import json
import os
import subprocess
import sys

import pytest

TRAINED = """
import hashlib, json, warnings
warnings.simplefilter("ignore")
import numpy as np, pandas as pd, skops.io
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from tidemill.practices.versioning.formats.skops_canonical import canonical_archive

random = np.random.default_rng(0)
words = "good bad fine awful nice the of tide mill wheel water _stop_words_id".split()
texts = [" ".join(random.choice(words, 6)) for _ in range(60)]
frame = pd.DataFrame({"t": texts, "c": random.choice(list("abc"), 60), "x": random.random(60)})
late = (random.random(60) > 0.5).astype(int)

def columns(vectorizer, model):
    parts = [("t", vectorizer, "t"), ("c", OneHotEncoder(handle_unknown="ignore"), ["c"])]
    return make_pipeline(ColumnTransformer(parts, remainder="passthrough"), model)

linear, forest = LogisticRegression(), RandomForestClassifier(5, random_state=0)
boosted = HistGradientBoostingClassifier(max_iter=5, random_state=0)
cases = {
    "tfidf": (make_pipeline(TfidfVectorizer(stop_words="english"), linear), texts),
    "stop words": (make_pipeline(TfidfVectorizer(stop_words=["the", "of"]), linear), texts),
    "a set of words": (make_pipeline(CountVectorizer(vocabulary=set(words)), linear), texts),
    "text and one-hot": (columns(TfidfVectorizer(), LogisticRegression()), frame),
    "counts and forest": (columns(CountVectorizer(stop_words="english"), forest), frame),
    "forest": (RandomForestClassifier(5, random_state=0), frame[["x"]]),
    "boosted": (boosted, frame[["x"]]),
}
told = {}
for name, (model, rows) in cases.items():
    model.fit(rows, late)
    data = canonical_archive(skops.io.dumps(model))
    trusted = skops.io.get_untrusted_types(data=data)
    loaded = skops.io.loads(data, trusted=trusted)
    assert np.array_equal(loaded.predict_proba(rows), model.predict_proba(rows)), name
    again = canonical_archive(skops.io.dumps(loaded))
    told[name] = [hashlib.sha256(one).hexdigest() for one in (data, again)]
print(json.dumps(told))
"""


def test_two_trainings_in_fresh_processes_give_equal_bytes_that_load_and_predict_alike() -> None:
    pytest.importorskip("skops")
    running = [
        subprocess.Popen(
            [sys.executable, "-c", TRAINED], stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"},
        )
        for seed in ("1", "77")
    ]  # fmt: skip
    first, second = (json.loads(one.communicate(timeout=120)[0]) for one in running)
    assert first == second
    assert all(trained == again for trained, again in first.values()), first
