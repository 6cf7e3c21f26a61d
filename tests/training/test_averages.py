"""Averaged weights: the first steps count fully, later ones by the decay."""

from __future__ import annotations

import pytest
import torch

from tokcodec.training.averages import averaged_model


def test_the_decay_grows_to_the_largest() -> None:
    net = torch.nn.Linear(1, 1)
    torch.nn.init.constant_(net.weight, 0.0)
    model = averaged_model(net, 0.2)
    torch.nn.init.constant_(net.weight, 1.0)
    wanted = 0.0
    for number in range(1, 8):
        model.update_parameters(net)
        wanted += (1 - wanted) * (1 - min(0.2, number / (9 + number)))
        assert float(model.module.weight.detach()) == pytest.approx(wanted)
    assert float(net.weight.detach()) == 1
