"""Steps and the network are plain code: they are tested without tidemill running."""

import torch
from network import Digits
from pipeline import pixels, read, split
from raw import DIGITS, SIDE, write_raw_files

import tidemill as tm


def test_a_picture_is_read_as_it_was_written() -> None:
    file = b"P5 8 8 16\n" + bytes(range(16)) * 4
    assert pixels(file)[0, 7] == 7 / 16


def test_every_picture_has_a_digit_and_the_later_ones_are_held_out(tmp_path) -> None:
    pictures = read(tm.Folder(write_raw_files(tmp_path, most=100) / "digits"))
    fitted, held_out = split(pictures)
    assert set(pictures["digit"]) <= set(DIGITS)
    assert (fitted.height, held_out.height) == (70, 30)


def test_the_network_gives_one_number_a_digit() -> None:
    assert Digits(channels=2)(torch.zeros(3, SIDE, SIDE)).shape == (3, len(DIGITS))
