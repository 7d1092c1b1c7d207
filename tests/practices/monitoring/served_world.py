"""A tiny deployment without a server: a real model, real adapters, blocks in a real stream."""

from datetime import UTC, datetime, timedelta

import lightgbm
import numpy as np
import polars as pl

from tidemill.adapters.local.clock import SystemClock
from tidemill.adapters.local.ledger import SqliteLedger
from tidemill.adapters.local.notifier import LogNotifier
from tidemill.adapters.local.object_store import LocalObjectStore
from tidemill.adapters.local.source import LocalSources
from tidemill.adapters.local.stream import MappedStream
from tidemill.adapters.local.target.local_target import LocalTarget
from tidemill.adapters.local.workspace import LocalWorkspace
from tidemill.core.actor import Actor
from tidemill.core.settings import resolve_settings
from tidemill.core.task import Task
from tidemill.core.times import microseconds
from tidemill.lineage.artifacts import put_value
from tidemill.lineage.record import Places, Ports, Record
from tidemill.lineage.refs import ref_name
from tidemill.lineage.writing import opened
from tidemill.practices.delivery.deployment import DeploymentSpec
from tidemill.practices.monitoring.evaluation import evaluate
from tidemill.practices.versioning.model import Model
from tidemill.practices.versioning.registry import register_model, store_model
from tidemill.practices.versioning.signatures import infer_signature
from tidemill.practices.versioning.tables import store_table
from tidemill.wire.prediction_block import LoggedColumn, PredictionBlock, encode_block

BINARY = Task(kind="binary", label="late", threshold=0.5)
START = datetime(2013, 1, 1, tzinfo=UTC)


def days_of_rows(first, days, *, rows=60, shift=0.0, flip=0.0, seed=0):
    """Rows of whole days: x drifts by `shift`, a share `flip` of labels turns around."""
    rng = np.random.default_rng([seed, microseconds(first) // 86_400_000_000])
    count = days * rows
    at = [
        first + timedelta(days=k // rows, seconds=int(86_400 * (k % rows) / rows))
        for k in range(count)
    ]
    x = rng.normal(shift, 1.0, count)
    carrier = rng.choice(["AA", "UA", "DL"], count)
    chance = 1 / (1 + np.exp(-(1.5 * x + (carrier == "UA"))))
    late = (rng.random(count) < chance).astype(np.int64)
    turned = rng.random(count) < flip
    late = np.where(turned, 1 - late, late)
    return pl.DataFrame(
        {"flight": [f"f{seed}-{microseconds(t)}-{k}" for k, t in enumerate(at)], "when": at, "x": x,
         "carrier": carrier, "late": late},
        schema_overrides={"when": pl.Datetime("us", "UTC")},
    )  # fmt: skip


class World:
    """One project whose model `delay` is deployed as `delay`."""

    def __init__(self, root):
        folder = root / ".tidemill"
        folder.mkdir(parents=True, exist_ok=True)
        self.root = root
        clock = SystemClock()
        self.clock = clock
        self.notices = folder / "notices.jsonl"

        def absent():
            raise AssertionError

        places = Places(
            clock=lambda: clock,
            ledger=lambda: SqliteLedger(folder / "ledger.db", clock),
            objects=lambda: LocalObjectStore(folder / "objects"),
            sources=lambda: LocalSources(root),
            stream=lambda: MappedStream(folder / "stream", segment_bytes=1 << 18),
            target=lambda: LocalTarget(folder, ("false",), clock),
            workspace=lambda: LocalWorkspace(root, root),
            notifier=lambda: LogNotifier(self.notices),
            online=absent, executor=absent, environments=absent, signer=absent,
        )  # fmt: skip
        self.record = Record(
            ports=Ports(places), project="p", actor=Actor(name="ada"),
            settings=resolve_settings({}, {}), kinds={},
        )  # fmt: skip
        self._writer = None

    def close(self):
        if self._writer:
            self._writer.close()
        self.record.ports.close()

    def train(
        self,
        rows,
        task=BINARY,
        *,
        name="delay",
        seed=1,
        report_rows=None,
        at=None,
        with_companions=True,
    ):
        """Fit, register and return the version, with report and sample as a pipeline would."""
        signature = infer_signature(
            rows.select("x", "carrier"), context=rows.select("flight", "when"),
            time="when", row_key="flight",
        )  # fmt: skip
        carrier = rows["carrier"].cast(pl.Enum(signature.inputs[1].categories)).to_physical()
        matrix = np.column_stack([rows["x"].to_numpy(), carrier.to_numpy()]).astype(np.float64)
        objective = {"binary": "binary", "regression": "l2"}[task.kind]
        booster = lightgbm.train(
            {"objective": objective, "num_leaves": 4, "verbosity": -1, "seed": seed,
             "num_threads": 1, "deterministic": True},
            lightgbm.Dataset(matrix, rows[task.label].to_numpy().astype(np.float64)), 15,
        )  # fmt: skip
        self.model = Model(booster, signature=signature, task=task)
        artifact, needed = store_model(self.record.ports.objects, self.model)
        judged = rows if report_rows is None else report_rows
        report = evaluate(self.model, judged, time="when", slices=("carrier",))
        sample = store_table(self.record.ports.objects, rows)
        with opened(self.record, kind="pipeline", name=name, at=at or START) as run:
            if with_companions:
                run.made(put_value(self.record, "report", report), name="report")
                run.made(sample.artifact, name="sample", objects=sample.objects)
            run.made(artifact, objects=needed)
            pending = register_model(self.record, name, artifact, run=run)
        return pending.version

    def deploy(self, version, *, at=START, name="delay"):
        spec = DeploymentSpec(
            name=name, model=str(version.ref), number=version.number, artifact=version.artifact,
            run=version.run, signature=self.model.signature, host="127.0.0.1", threads=1,
            log="fast", max_rows=1024,
        )  # fmt: skip
        artifact = put_value(self.record, "deployment", spec)
        with opened(self.record, kind="rollout", name=name, at=at) as run:
            run.used(version.artifact, name="model", source=version.run)
            run.made(artifact)
            run.version(ref_name(self.record, "deployment", name), artifact, always=True)
        self.spec, self.deployment = spec, artifact.id
        return artifact.id

    def predict(self, rows, *, per_request=40, status="ok", bits=0):
        """Answer rows as the model server does; returns the ids."""
        if self._writer is None:
            self._writer = self.record.ports.stream.writer("delay")
        ids = []
        for part in rows.iter_slices(per_request):
            block = self.block(part, status=status, bits=bits)
            assert self._writer.append(encode_block(block))
            ids += [bytes(row).hex() for row in block.ids]
        return ids

    def block(self, part, *, status, bits):
        ids = np.array(
            [list(bytes.fromhex(self.clock.new_id())) for _ in range(part.height)], dtype=np.uint8
        )
        at_us = part["when"].dt.timestamp("us").to_numpy()
        text = {
            name: np.array(part[name].to_list(), dtype=object) for name in ("flight", "carrier")
        }
        columns = [
            LoggedColumn(name="flight", role="context", values=text["flight"]),
            LoggedColumn(name="when", role="context", values=at_us),
            LoggedColumn(name="x", role="input", values=part["x"].to_numpy()),
            LoggedColumn(name="carrier", role="input", values=text["carrier"]),
        ]
        if status == "ok":
            score = self.model.predict(part)["score"]
            columns.append(LoggedColumn(name="score", role="output", values=score))
        return PredictionBlock(
            deployment=self.deployment, model=self.spec.artifact, ids=ids,
            received_us=microseconds(self.clock.now()), at_us=at_us, columns=tuple(columns),
            contract_bits=np.full(part.height, bits, np.uint64), queue_us=100, model_us=400,
            status=status,
        )  # fmt: skip
