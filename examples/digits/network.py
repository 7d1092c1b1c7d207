"""The network: two convolutions and a linear layer, 8 by 8 pixels in, ten logits out."""

import torch


class Digits(torch.nn.Module):
    """Gives logits, shape (rows, 10), of pictures, shape (rows, 8, 8), values 0 to 1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.config = {"channels": channels}  # how it is made again
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(1, channels, 3, padding=1), torch.nn.ReLU(),
            torch.nn.Conv2d(channels, 2 * channels, 3, padding=1), torch.nn.ReLU(),
            torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Linear(2 * channels * 16, 10),
        )  # fmt: skip

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Return logits; the argument is called as the input of the signature."""
        return self.layers(picture.unsqueeze(1))
