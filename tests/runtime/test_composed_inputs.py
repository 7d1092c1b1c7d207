"""Arrays, bytes, records and lists through a model server: answered, logged, refused."""

import base64
import json
import re
import struct

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.adapters.local.clock import SystemClock
from tidemill.core.digest import digest_of
from tidemill.core.signature import Field, Signature
from tidemill.core.task import Task
from tidemill.ports.target import ServiceSpec
from tidemill.practices.monitoring.outputs import flat_outputs, output_names
from tidemill.practices.versioning.columns import columns_of
from tidemill.practices.versioning.drawn_inputs import can_be_made_up
from tidemill.practices.versioning.signatures import infer_signature
from tidemill.runtime.model_server_inference import Arrived, Inference
from tidemill.runtime.model_server_process import warm_up
from tidemill.runtime.server_figures import Labels, ServerFigures
from tidemill.wire.open_inference_answer import model_metadata
from tidemill.wire.prediction_block import decode_block

ITEMS = Field(
    name="items", datatype="BYTES", shape=(-1,),
    fields=(
        Field(name="sku", datatype="BYTES", is_optional=False),
        Field(name="count", datatype="INT32"),
    ),
)  # fmt: skip
SIGNATURE = Signature(
    inputs=(
        Field(name="image", datatype="FP32", shape=(2, 3)),
        Field(name="tones", datatype="INT16", shape=(-1,)),
        Field(name="words", datatype="BYTES", shape=(-1,)),
        Field(name="photo", datatype="BYTES", is_binary=True),
        Field(name="customer.age", datatype="FP64"),
        ITEMS,
    ),
    outputs=(
        Field(name="score", datatype="FP64"), Field(name="embedding", datatype="FP32", shape=(6,)),
        Field(name="word", datatype="BYTES"), Field(name="count", datatype="INT64"),
    ),
)  # fmt: skip


class Echo:
    """Answers what it was given: numbers, arrays, texts and whole numbers."""

    signature = SIGNATURE
    task = Task(kind="regression", label="y")

    def __init__(self) -> None:
        self.seen: dict = {}

    def predict(self, columns):
        self.seen = columns
        image, items = columns["image"], columns["items"]
        rows = len(items)
        known = image if image.dtype.kind == "f" else np.zeros((rows, 2, 3), dtype=np.float32)
        return {
            "score": known.reshape(rows, -1).sum(axis=1, dtype=np.float64),
            "embedding": known.reshape(rows, -1),
            "word": np.array([f"{len(item or [])} items" for item in items], dtype=object),
            "count": np.array([len(photo or b"") for photo in columns["photo"]]),
        }


class Log:
    """Keeps what was logged last."""

    def __init__(self) -> None:
        self.data = b""

    def append(self, data: bytes) -> bool:
        self.data = data
        return True


class Server:
    """An inference with the echo, its log, and a way to ask."""

    def __init__(self, limit_bytes: int = 64) -> None:
        self.model, self.log = Echo(), Log()
        spec = ServiceSpec(
            name="e", deployment="b3:d", model="tree1:m", model_name="echo", model_version="1",
            model_folder="", host="127.0.0.1", port=0, threads=1, log="fast", max_rows=8,
            log_array_bytes=limit_bytes,
        )  # fmt: skip
        figures = ServerFigures(Labels(deployment="e", model="echo", version="1"), [])
        self.inference = Inference(
            spec, self.model, rules=[], log=self.log, figures=figures, clock=SystemClock()
        )

    def ask(self, *tensors: dict, binary: bytes = b"", **more: object) -> tuple[int, dict]:
        head = json.dumps({"inputs": list(tensors)} | more).encode()
        length = len(head) if binary else None
        answer = self.inference.answer(
            Arrived(body=head + binary, json_bytes=length, received_us=1, received_s=0.0)
        )
        json_bytes = answer.json_bytes or len(answer.body)
        return answer.status, msgspec.json.decode(answer.body[:json_bytes])

    def logged(self) -> dict:
        return {column.name: column.values for column in decode_block(self.log.data).columns}


def tensor(name: str, datatype: str, shape: list, data: list) -> dict:
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


def valid() -> dict[str, dict]:
    photo = base64.b64encode(b"\xff\xd8").decode()
    items = json.dumps([{"sku": "a", "count": 2}])
    return {
        "image": tensor("image", "FP32", [1, 2, 3], [1, 2, 3, 4, 5, 6]),
        "tones": tensor("tones", "INT16", [1, 4], [1, 2, 3, 4]),
        "words": tensor("words", "BYTES", [1, 2], ["to", "be"]),
        "photo": tensor("photo", "BYTES", [1], [photo]),
        "customer.age": tensor("customer.age", "FP64", [1], [41.5]),
        "items": tensor("items", "BYTES", [1], [items]),
    }


def changed(**tensors: dict) -> list[dict]:
    return list((valid() | tensors).values())


def test_arrays_records_lists_and_bytes_reach_the_model_as_declared() -> None:
    server = Server()
    status, body = server.ask(*changed())
    assert status == 200, body
    seen = server.model.seen
    assert seen["image"].shape == (1, 2, 3)
    assert seen["image"].dtype == np.float32
    assert seen["tones"].tolist() == [[1, 2, 3, 4]]
    assert seen["words"].tolist() == [["to", "be"]]
    assert seen["photo"][0] == b"\xff\xd8"
    assert seen["items"][0] == [{"sku": "a", "count": 2}]
    outputs = {one["name"]: one for one in body["outputs"]}
    assert outputs["embedding"]["shape"] == [1, 6]
    assert outputs["embedding"]["datatype"] == "FP32"
    assert (outputs["word"]["data"], outputs["count"]["data"]) == (["1 items"], [2])


def test_small_values_are_logged_whole_and_large_ones_by_the_digest_of_their_bytes() -> None:
    server = Server(limit_bytes=20)
    server.ask(*changed())
    logged = server.logged()
    image = np.arange(1, 7, dtype="<f4").tobytes()
    assert logged["image"][0] == digest_of(image)
    assert logged["tones"][0] == "[1,2,3,4]"
    assert logged["words"][0] == '["to","be"]'
    assert logged["photo"][0] == "base64:" + base64.b64encode(b"\xff\xd8").decode()
    assert logged["items"][0].startswith("b3:")
    assert logged["embedding"][0] == digest_of(image)
    assert logged["word"][0] == "1 items"


def test_rows_of_several_lengths_are_json_text_a_row() -> None:
    server = Server()
    tensors = {name: dict(one, shape=[2, *one["shape"][1:]], data=one["data"] * 2)
               for name, one in valid().items()}  # fmt: skip
    tensors["tones"] = tensor("tones", "BYTES", [2], ["[1,2]", "[3]"])
    status, body = server.ask(*tensors.values())
    assert status == 200, body
    assert [row.tolist() for row in server.model.seen["tones"]] == [[1, 2], [3]]


def test_binary_tensors_carry_arrays_and_bytes_and_answers_may_be_binary() -> None:
    server = Server()
    image = np.arange(6, dtype="<f4").tobytes()
    photo = struct.pack("<I", 3) + b"\xff\x00\xfe"
    status, _ = server.ask(
        {"name": "image", "shape": [1, 2, 3], "datatype": "FP32",
         "parameters": {"binary_data_size": len(image)}},
        {"name": "photo", "shape": [1], "datatype": "BYTES",
         "parameters": {"binary_data_size": len(photo)}},
        *[one for name, one in valid().items() if name not in ("image", "photo")],
        binary=image + photo, parameters={"binary_data_output": True},
    )  # fmt: skip
    assert status == 200
    assert server.model.seen["image"].ravel().tolist() == [0, 1, 2, 3, 4, 5]
    assert server.model.seen["photo"][0] == b"\xff\x00\xfe"


@pytest.mark.parametrize("as_text", [True, False])
def test_records_and_rows_of_several_lengths_are_json_or_its_text(as_text) -> None:
    server = Server()
    spelled = json.dumps if as_text else lambda value: value
    tensors = {name: dict(one, shape=[2, *one["shape"][1:]], data=one["data"] * 2)
               for name, one in valid().items()}  # fmt: skip
    items = [spelled([{"sku": "a", "count": 2}, {"sku": "b"}]), spelled([])]
    tensors["items"] = tensor("items", "BYTES", [2], items)
    tensors["tones"] = tensor("tones", "BYTES", [2], [spelled([1, 2]), "[3]"])
    status, body = server.ask(*tensors.values())
    assert status == 200, body
    seen = server.model.seen
    assert list(seen["items"]) == [[{"sku": "a", "count": 2}, {"sku": "b", "count": None}], []]
    assert [row.tolist() for row in seen["tones"]] == [[1, 2], [3]]
    logged = server.logged()
    assert list(logged["tones"]) == ["[1,2]", "[3]"]


def test_null_is_a_missing_value_alone_and_never_within_an_array() -> None:
    server = Server()
    age = tensor("customer.age", "FP64", [1], [None])
    status, _ = server.ask(*changed(**{"customer.age": age}))
    assert status == 200
    assert np.isnan(server.model.seen["customer.age"][0])
    two = {name: dict(one, shape=[2, *one["shape"][1:]], data=one["data"] * 2)
           for name, one in valid().items()}  # fmt: skip
    flat = [float(value) for value in range(12)]
    flat[8] = None
    nested = [[flat[0:3], flat[3:6]], [flat[6:9], flat[9:12]]]
    for data in (flat, nested):
        two["image"] = tensor("image", "FP32", [2, 2, 3], data)
        status, body = server.ask(*two.values())
        assert (status, "'image', row 2: null" in body["error"]) == (400, True), body


WRONG = {
    "another shape": (
        {"image": tensor("image", "FP32", [1, 3, 2], [1] * 6)}, r"'image'.*\[3, 2\].*\[2, 3\]",
    ),
    "flat": ({"image": tensor("image", "FP32", [1], [1])}, r"'image'.*\[\]"),
    "text for numbers": ({"image": tensor("image", "BYTES", [1], ["x"])}, "row 1: not JSON"),
    "floats for integers": ({"tones": tensor("tones", "FP32", [1, 1], [1])}, "'tones' is FP32"),
    "too large": ({"tones": tensor("tones", "INT64", [1, 1], [99999])}, "'tones'.*no INT16"),
    "null in integers": ({"tones": tensor("tones", "INT16", [1, 1], [None])}, "'tones'.*null"),
    "an array for one value": (
        {"customer.age": tensor("customer.age", "FP64", [1, 2], [1, 2])}, "'customer.age'.*one",
    ),
    "no base64": ({"photo": tensor("photo", "BYTES", [1], ["*"])}, "'photo', row 1: no base64"),
    "null in numbers": (
        {"image": tensor("image", "FP32", [1, 2, 3], [1, 2, 3, 4, 5, None])}, "'image', row 1: null"
    ),
    "null in texts": (
        {"words": tensor("words", "BYTES", [1, 2], ["a", None])}, "'words', row 1: null",
    ),
    "null in texts as JSON": (
        {"words": tensor("words", "BYTES", [1], [["a", None]])}, "'words', row 1: null",
    ),
    "null in numbers as JSON": (
        {"image": tensor("image", "BYTES", [1], [[[1, 2, 3], [4, 5, None]]])}, "'image', row 1: nu",
    ),
    "null in numbers as text": (
        {"image": tensor("image", "BYTES", [1], ["[[1,2,3],[4,5,null]]"])}, "'image', row 1: null",
    ),
    "a list for bytes": ({"photo": tensor("photo", "BYTES", [1], [[1]])}, "'photo', row 1: a list"),
    "a number in texts": ({"items": tensor("items", "BYTES", [1], [4])}, "'items' is BYTES"),
    "an unknown member of JSON": (
        {"items": tensor("items", "BYTES", [1], [[{"sku": "a", "size": 1}]])},
        r"'items', row 1: \[0\].size is not declared",
    ),
    "an unknown member": (
        {"items": tensor("items", "BYTES", [1], ['[{"sku":"a","size":1}]'])},
        r"'items', row 1: \[0\].size is not declared",
    ),
    "a missing member": (
        {"items": tensor("items", "BYTES", [1], ['[{"count":1}]'])}, r"\[0\].sku is missing",
    ),
    "a member of another type": (
        {"items": tensor("items", "BYTES", [1], ['[{"sku":"a","count":"2"}]'])},
        r"\[0\].count is text, not INT32",
    ),
    "a record for a list": (
        {"items": tensor("items", "BYTES", [1], ['{"sku":"a"}'])}, "a record, not a list",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_not_as_declared_is_a_400_that_names_it(name) -> None:
    tensors, pattern = WRONG[name]
    status, body = Server().ask(*changed(**tensors))
    assert status == 400
    assert re.search(pattern, body["error"]), body["error"]


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["[1]", '[{"sku":"a"}]', "null", "{}", "[[1]]", '{"a":[1,"2"]}', "[1e999]"])
)  # fmt: skip
names = st.sampled_from(["sku", "count", "size"])
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
shapes = st.lists(st.integers(-1, 3), max_size=4)
datatypes = st.sampled_from(["FP32", "FP64", "INT16", "INT64", "UINT64", "BOOL", "BYTES", "FP8"])


@given(
    name=st.sampled_from([*valid(), "other"]), datatype=datatypes, shape=shapes,
    data=st.lists(values, max_size=6) | values,
)  # fmt: skip
def test_no_request_is_our_fault(name, datatype, shape, data) -> None:
    given_tensor = tensor(name, datatype, shape, data)
    status, body = Server().ask(*changed(**{name: given_tensor}))
    assert status in (200, 400, 413, 422), body


@given(
    name=st.sampled_from([*valid()]), datatype=datatypes, shape=shapes,
    data=st.binary(max_size=40),
)  # fmt: skip
def test_no_binary_request_is_our_fault(name, datatype, shape, data) -> None:
    head = {"name": name, "shape": shape, "datatype": datatype,
            "parameters": {"binary_data_size": len(data)}}  # fmt: skip
    status, body = Server().ask(*changed(**{name: head}), binary=data)
    assert status in (200, 400, 413, 422), body


def test_a_signature_is_inferred_from_arrays_records_and_answers() -> None:
    rows = [
        {"customer": {"age": 40, "town": "Ulm"}, "photo": b"\xff",
         "items": [{"sku": "a", "count": 1}], "tones": [1, 2], "image": [[0.5, 1.0]]},
        {"customer": {"age": 41, "town": "Köln"}, "photo": b"\x00", "items": [], "tones": [3],
         "image": [[2.0, 3.0]]},
    ]  # fmt: skip
    signature = infer_signature(rows, outputs={"score": np.zeros(2), "vector": np.zeros((2, 3))})
    kinds = {field.name: field.kind for field in signature.inputs}
    assert kinds == {
        "customer.age": "INT64", "customer.town": "BYTES", "photo": "binary BYTES",
        "items": "{sku BYTES, count INT64} [-1]", "tones": "INT64 [-1]", "image": "FP64 [1, 2]",
    }  # fmt: skip
    assert [field.shape for field in signature.outputs] == [(), (3,)]
    framed = infer_signature(pl.DataFrame(rows, strict=False))
    assert {f.name for f in framed.inputs} == set(kinds)
    metadata = json.loads(model_metadata("m", "1", "p", signature))
    assert {one["name"]: one["shape"] for one in metadata["inputs"]}["image"] == [-1, 1, 2]


def test_rows_of_every_kind_are_the_same_columns() -> None:
    frame = pl.DataFrame({"a": [{"b": 1.0}, {"b": 2.0}], "v": [[1, 2], [3, 4]]})
    columns = columns_of(frame)
    other = columns_of([{"a": {"b": 1.0}, "v": [1, 2]}, {"a": {"b": 2.0}, "v": [3, 4]}])
    for name in ("a.b", "v"):
        assert columns[name].tolist() == other[name].tolist()


def test_a_model_of_images_need_not_answer_a_made_up_row() -> None:
    class Picky(Echo):
        def predict(self, columns):
            message = "no image"
            raise ValueError(message)

    assert not can_be_made_up(Picky().signature)
    warm_up(Picky())  # is not raised to who starts the server


def test_the_answer_of_a_task_is_found_among_other_outputs() -> None:
    task = Task(kind="multiclass", label="y", classes=("a", "b"))
    outputs = {"embedding": np.zeros((3, 2)), "score": np.full((3, 2), 0.5), "text": ["x"] * 3}
    assert set(flat_outputs(task, outputs)) == {"score.a", "score.b"}
    assert output_names(task, ("embedding", "score", "text")) == ("score.a", "score.b")
    regression = Task(kind="regression", label="y")
    assert output_names(regression, ("embedding", "score")) == ("score",)
