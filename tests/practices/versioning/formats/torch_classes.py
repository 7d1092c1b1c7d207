"""A PyTorch class of a project: its source is kept with the model."""

import torch


class Net(torch.nn.Module):
    """A small network whose constructor needs arguments."""

    def __init__(self, inputs: int, answers: int) -> None:
        super().__init__()
        self.config = {"inputs": inputs, "answers": answers}
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(inputs, 6), torch.nn.ReLU(), torch.nn.Linear(6, answers)
        )

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return logits, one a class."""
        return self.layers(rows)
