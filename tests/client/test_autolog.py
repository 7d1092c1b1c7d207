"""Autologging: what is trained is logged, nothing is harmed, and it can be undone."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

HEAD = """
import numpy as np, tidemill as tm
tm.autolog()
tm.autolog()
rows = np.arange(120.0).reshape(60, 2); labels = (rows[:, 0] > 60).astype(int)
def told(run): return str(tm.show("run:" + run.id))
def runs(): return [one.what.split()[1] for one in tm.listing("run").items]
"""


def ran(folder, source: str) -> str:
    (folder / "auto.py").write_text(HEAD + source)
    ended = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "auto.py"], cwd=folder, text=True,
        capture_output=True, check=False, timeout=120, env={**os.environ, "TIDEMILL_ACTOR": "ada"},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "autolog:" not in ended.stderr
    return ended.stdout


def test_a_fit_of_scikit_learn_opens_a_run_and_only_the_outermost_is_logged(tmp_path):
    out = ran(
        tmp_path,
        """
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
LinearRegression().fit(rows, labels)
make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, labels)
with tm.run("search") as run:
    GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2).fit(rows, labels)
print(runs()); print(told(run)); print(run.versions)
tm.autolog(False)
LinearRegression().fit(rows, labels)
print("after", len(runs()), LinearRegression.fit.__module__)
""",
    )
    assert "['search', 'Pipeline', 'LinearRegression']" in out
    assert "best.C=" in out
    assert "train.score" in out
    assert "time.fit_s" in out
    assert "('model:search@1',)" in out
    assert "after 3 sklearn" in out


def test_boosters_log_each_iteration_by_train_and_by_their_estimators(tmp_path):
    out = ran(
        tmp_path,
        """
import lightgbm, xgboost
with tm.run("lgb") as run:
    data = lightgbm.Dataset(rows, labels)
    lightgbm.train({"objective": "binary", "verbose": -1}, data, 4, valid_sets=[data])
print(told(run)); print("lgb", len(run.history["training.binary_logloss"]))
with tm.run("xgb") as run:
    data = xgboost.DMatrix(rows, labels)
    quiet = {"verbose_eval": False}
    xgboost.train({"objective": "binary:logistic"}, data, 5, evals=[(data, "own")], **quiet)
    model = xgboost.XGBClassifier(n_estimators=3)
    model.fit(rows, labels, eval_set=[(rows, labels)], verbose=False)
print("xgb", len(run.history["own.logloss"]), len(run.history["validation_0.logloss"]))
tm.autolog(False)
print(lightgbm.train.__module__, hasattr(lightgbm.train, "__wrapped__"))
""",
    )
    assert "lgb 4" in out
    assert "objective=binary" in out
    assert "xgb 5 3" in out
    assert "lightgbm.engine False" in out


def test_a_loop_of_pytorch_logs_its_losses_and_the_optimizer(tmp_path):
    out = ran(
        tmp_path,
        """
import torch
layer = torch.nn.Linear(2, 1); optimizer = torch.optim.SGD(layer.parameters(), lr=0.25)
before = torch.Tensor.backward
def loop():
    for _ in range(5):
        loss = layer(torch.ones(3, 2)).pow(2).mean()
        optimizer.zero_grad(); loss.backward(); optimizer.step()
loop()
with tm.run("net") as run: loop()
from tidemill.core.query import Figure, Query, Where
record = tm.open().record
found = record.ports.ledger.find(Query(Figure, where=(Where("run", "=", run.id),)))
print("losses", [one.step for one in found if one.key == "loss"]); print(told(run)); print(runs())
tm.autolog(False); print(torch.Tensor.backward is not before)
""",
    )
    assert "losses [0, 1, 2, 3, 4]" in out
    assert "SGD" in out
    assert "['net']" in out


def test_an_error_of_ours_stops_no_training(tmp_path):
    (tmp_path / "auto.py").write_text(
        HEAD
        + """
from sklearn.linear_model import LinearRegression
class Odd(LinearRegression):
    def score(self, *_): raise RuntimeError("odd")
print(Odd().fit(rows, labels).coef_.shape)
"""
    )
    ended = subprocess.run(
        [sys.executable, "auto.py"], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "TIDEMILL_ACTOR": "ada"}, timeout=100,
    )  # fmt: skip
    assert "(2,)" in ended.stdout
    assert "tidemill: autolog: RuntimeError: odd" in ended.stderr


def test_the_error_of_a_training_fails_its_run_and_goes_on(tmp_path):
    out = ran(
        tmp_path,
        """
from sklearn.linear_model import LinearRegression
try: LinearRegression().fit(rows, labels[:3])
except ValueError: print("raised")
print(tm.listing("run"))
""",
    )
    assert "raised" in out
    assert "LinearRegression failed" in out
