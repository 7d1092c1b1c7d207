"""The V2 codec: JSON and binary say the same; what is wrong is named by tensor."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.wire.open_inference import DATATYPES, RequestError, decode_request
from tidemill.wire.open_inference_answer import encode_answer


def request(*tensors: dict, **rest: object) -> bytes:
    return json.dumps({"inputs": list(tensors), **rest}).encode()


def tensor(**changes: object) -> dict:
    return {"name": "x", "shape": [2], "datatype": "FP64", "data": [1.5, 2.5]} | changes


def test_flat_and_nested_data_of_a_column_are_the_same() -> None:
    flat = decode_request(request(tensor()))
    nested = decode_request(request(tensor(shape=[2, 1], data=[[1.5], [2.5]])))
    also_flat = decode_request(request(tensor(shape=[2, 1])))
    for decoded in (flat, nested, also_flat):
        assert decoded.tensors["x"].values.ravel().tolist() == [1.5, 2.5]
        assert decoded.tensors["x"].valid is None


def test_arrays_are_tensors_flat_or_nested_and_null_in_them_is_told() -> None:
    flat = decode_request(request(tensor(shape=[2, 2, 1], data=[1, 2, 3, 4]))).tensors["x"]
    deep = tensor(shape=[2, 2, 1], data=[[[1], [2]], [[3], [None]]])
    nested = decode_request(request(deep)).tensors["x"]
    assert flat.values.shape == nested.values.shape == (2, 2, 1)
    assert nested.valid.ravel().tolist() == [True, True, True, False]


def test_null_is_a_missing_row() -> None:
    decoded = decode_request(request(tensor(data=[None, 2.5]))).tensors["x"]
    assert decoded.valid.tolist() == [False, True]
    texts = decode_request(request(tensor(datatype="BYTES", data=["a", None]))).tensors["x"]
    assert texts.values.tolist() == ["a", None]
    assert texts.valid.tolist() == [True, False]


WRONG = {
    "no JSON": (b"{", "not JSON"),
    "not UTF-8": (b'{"inputs":[{"name":"\xff"}]}', "not JSON|V2"),
    "NaN": (b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP64","data":[NaN]}]}', "JSON"),
    "a number over every float": (
        b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP64","data":[1e999]}]}', "'x'",
    ),
    "deep nesting": (b'{"inputs":[],"parameters":{"a":' + b"[" * 100_000, "deeply"),
    "deeply nested data": (
        b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP64","data":'
        + b"[" * 5000 + b"]" * 5000 + b"}]}", "deep|'x'",
    ),
    "a list": (b"[]", "V2 protocol"),
    "nothing": (b"", "not JSON"),
    "no inputs": (request(), "no input"),
    "no name": (request({"shape": [1], "datatype": "FP64", "data": [1]}), "name"),
    "unknown datatype": (request(tensor(datatype="FP128")), "'x'.*FP128"),
    "nine dimensions": (request(tensor(shape=[1] * 9)), r"'x'.*\[1, 1, "),
    "a row that is none": (request(tensor(shape=[2, 1], data=[[1], 2])), "'x'.*a list of 1"),
    "text deep inside": (request(tensor(shape=[1, 1, 1], data=[[["a"]]])), "'x'.*text where"),
    "ragged inside": (request(tensor(shape=[1, 2, 2], data=[[[1, 2], [3]]])), "'x' is ragged"),
    "no dimension": (request(tensor(shape=[])), "'x'"),
    "negative shape": (request(tensor(shape=[-1])), "'x'"),
    "no rows": (request(tensor(shape=[0], data=[])), "no rows"),
    "fewer values": (request(tensor(data=[1.0])), "'x'.*1 values"),
    "ragged": (request(tensor(shape=[2, 1], data=[[1], [2, 3]])), "'x' is ragged: row 2 has 2"),
    "nested where flat": (request(tensor(data=[[1.0], [2.0]])), "'x'"),
    "text in numbers": (request(tensor(data=[1, "2"])), r"'x'.*\$\[1\]"),
    "a fraction in integers": (request(tensor(datatype="INT64", data=[1, 2.5])), "'x'"),
    "too large for INT8": (request(tensor(datatype="INT8", data=[1, 128])), "'x', row 2: 128"),
    "too large for INT64": (request(tensor(datatype="INT64", data=[1, 2**70])), "'x'"),
    "negative for UINT8": (request(tensor(datatype="UINT8", data=[-1, 0])), "'x', row 1: -1"),
    "numbers in BOOL": (request(tensor(datatype="BOOL", data=[1, 0])), "'x'"),
    "no data": (request({"name": "x", "shape": [1], "datatype": "FP64"}), "'x' has no data"),
    "given twice": (request(tensor(), tensor()), "'x' is given twice"),
    "other rows": (request(tensor(), tensor(name="y", shape=[1], data=[1])), "'y' has 1 rows"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_request_is_a_400_that_says_where(name) -> None:
    body, pattern = WRONG[name]
    with pytest.raises(RequestError, match=pattern) as caught:
        decode_request(body)
    assert caught.value.status == 400


def binary(array: np.ndarray, name: str, datatype: str) -> tuple[dict, bytes]:
    if datatype == "BYTES":
        data = b"".join(len(v.encode()).to_bytes(4, "little") + v.encode() for v in array)
    else:
        data = array.tobytes()
    head = {"name": name, "shape": [len(array)], "datatype": datatype}
    return head | {"parameters": {"binary_data_size": len(data)}}, data


@given(st.data())
def test_binary_tensors_say_the_same_as_json(data) -> None:
    rows = data.draw(st.integers(1, 6))
    arrays = {
        "FP32": np.array(
            data.draw(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False),
                               min_size=rows, max_size=rows)), dtype=np.float32),
        "INT16": np.array(data.draw(st.lists(st.integers(-5, 5), min_size=rows, max_size=rows)),
                          dtype=np.int16),
        "BYTES": np.array(data.draw(st.lists(st.text(), min_size=rows, max_size=rows)),
                          dtype=object),
        "BOOL": np.array(data.draw(st.lists(st.booleans(), min_size=rows, max_size=rows))),
    }  # fmt: skip
    pairs = [binary(array, kind, kind) for kind, array in arrays.items()]
    head = json.dumps({"inputs": [h for h, _ in pairs]}).encode()
    got = decode_request(head + b"".join(d for _, d in pairs), json_bytes=len(head))
    plain = decode_request(
        request(*({"name": k, "shape": [rows], "datatype": k, "data": a.tolist()}
                  for k, a in arrays.items()))
    )  # fmt: skip
    for kind in arrays:
        assert got.tensors[kind].values.tolist() == plain.tensors[kind].values.tolist()


@pytest.mark.parametrize(
    ("head", "data", "pattern"),
    [
        ({"shape": [2], "datatype": "FP64", "parameters": {"binary_data_size": 8}}, b"1" * 8, "16"),
        ({"shape": [1], "datatype": "FP64", "parameters": {"binary_data_size": 8}}, b"1", "'x'"),
        ({"shape": [1], "datatype": "FP64", "parameters": {"binary_data_size": 8}}, b"1" * 9, "1 "),
        ({"shape": [1], "datatype": "FP64", "parameters": {"binary_data_size": -1}}, b"", "-1"),
        ({"shape": [1], "datatype": "FP64", "parameters": {"binary_data_size": "8"}}, b"", "'8'"),
        ({"shape": [9**9], "datatype": "BYTES", "parameters": {"binary_data_size": 4}}, b"0" * 4,
         "only 4 bytes"),
        ({"shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": 5}},
         b"\x05\0\0\0a", "ends within row 1"),
    ],
)  # fmt: skip
def test_wrong_binary_tensors_are_a_400(head, data, pattern) -> None:
    text = request({"name": "x"} | head)
    with pytest.raises(RequestError, match=pattern) as caught:
        decode_request(text + data, json_bytes=len(text))
    assert caught.value.status == 400


@given(st.binary(max_size=200), st.none() | st.integers(-5, 300))
def test_rubbish_is_never_anything_but_a_400(body, json_bytes) -> None:
    with pytest.raises(RequestError):
        decode_request(body, json_bytes=json_bytes)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {
            "name": st.just("x") | json_values,
            "shape": st.lists(st.integers(-2, 4), max_size=3) | json_values,
            "datatype": st.sampled_from(DATATYPES) | json_values,
            "data": json_values,
            "parameters": st.just({}) | json_values,
        }
    )
)
def test_any_json_is_either_a_request_or_a_400(given_) -> None:
    try:
        decoded = decode_request(request(given_))
    except RequestError as error:
        assert error.status == 400  # noqa: PT017 - either outcome is right
    else:
        assert len(decoded.tensors["x"].values) == decoded.rows


def test_an_answer_is_json_with_null_for_nan_or_binary_where_asked() -> None:
    outputs = {"score": np.array([0.5, np.nan]), "id": np.array(["a", "b"], dtype=object)}
    plain, head = encode_answer(decode_request(request(tensor(), id="r")), "m", "1", outputs)
    assert head is None
    answer = json.loads(plain)
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("r", "m", "1")
    assert answer["outputs"][0]["data"] == [0.5, None]
    assert answer["outputs"][1] == {
        "name": "id", "datatype": "BYTES", "shape": [2], "data": ["a", "b"]
    }  # fmt: skip
    wanted = decode_request(
        request(tensor(), outputs=[{"name": "score", "parameters": {"binary_data": True}}])
    )
    body, head = encode_answer(wanted, "m", "1", outputs)
    assert [o["name"] for o in json.loads(body[:head])["outputs"]] == ["score"]
    np.testing.assert_array_equal(np.frombuffer(body[head:]), outputs["score"])
