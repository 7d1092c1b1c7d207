"""Which digit is in a picture? A small convolutional network in PyTorch, on a folder of files.

tidemill run digit
"""

import numpy as np
import polars as pl
import torch
from contracts import Pictures
from network import Digits
from raw import DIGITS, SIDE

import tidemill as tm

TASK = tm.Task(kind="multiclass", label="digit", classes=DIGITS, metric="accuracy")
ROWS = {"name": pl.String, "digit": pl.String, "picture": pl.Array(pl.Float32, (SIDE, SIDE))}


def pixels(file: bytes) -> np.ndarray:
    """Return the picture in a PGM file, shape (height, width), values 0 to 1."""
    header, _, content = file.partition(b"\n")
    width, height, brightest = (int(word) for word in header.split()[1:])
    shades = np.frombuffer(content, np.uint8, width * height).reshape(height, width)
    return shades.astype(np.float32) / brightest


@tm.step
def read(digits: tm.Folder) -> pl.DataFrame:
    """One picture a row: its name, its digit (the folder), its pixels; in the order of writing."""
    rows = [
        {"name": name, "digit": name.partition("/")[0], "picture": pixels(digits.open(name).read())}
        for name in sorted(digits.names, key=lambda name: name.partition("/")[2])
    ]
    return pl.DataFrame(rows, schema=ROWS)


@tm.step
def split(pictures: pl.DataFrame, share: float = 0.3) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Hold the last ones out: neighbours are often by one hand, which would be on both sides."""
    cut = round(pictures.height * (1 - share))
    return pictures[:cut], pictures[cut:]


@tm.step
def train(rows: pl.DataFrame, epochs: int = 25, channels: int = 12) -> tm.Model:
    """Train with Adam in batches of 64; seed and one thread make it repeatable."""
    torch.manual_seed(1)
    torch.set_num_threads(1)
    network = Digits(channels)
    pictures = torch.from_numpy(rows["picture"].to_numpy().copy())
    digits = torch.tensor([int(digit) for digit in rows["digit"]])
    optimizer = torch.optim.Adam(network.parameters(), lr=0.005)
    for _ in range(epochs):
        for batch in torch.randperm(len(digits)).split(64):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(network(pictures[batch]), digits[batch])
            loss.backward()
            optimizer.step()
        tm.figure("loss", loss.item())
    signature = tm.infer_signature(
        rows.select("picture"), context=rows.select("name"), row_key="name"
    )
    return tm.Model(network, signature=signature, task=TASK)


@tm.pipeline
def digit(epochs: int = 25, channels: int = 12) -> None:
    """From a folder of files to a candidate `model:digit`, judged on pictures not seen."""
    fitted, held_out = split(read(tm.data("digits", contract=Pictures)))
    model = train(fitted, epochs=epochs, channels=channels)
    report = tm.evaluate(model, held_out, slices=("digit",))
    tm.candidate("digit", model, report=report, sample=fitted)
