from hashlib import sha256
from pathlib import Path

import torch

from experiments.data.input_format import InputFormat
from experiments.losses.teacher import Teacher
from models.networks.model_spec import model_spec_of
from tests.experiments.logits.small_teacher import ARCH, teacher


def test_a_teacher_is_the_specified_network_with_its_weights_and_input(tmp_path: Path) -> None:
    spec = teacher(tmp_path)
    found = Teacher.of(spec)
    assert found.digest == sha256((tmp_path / "model.safetensors").read_bytes()).hexdigest()[:16]
    assert found.input_format == InputFormat(resolution=24, mean=spec.mean, std=spec.std, crop_pct=spec.crop_pct)
    images = torch.rand(2, 3, 24, 24)
    assert torch.equal(found.network.eval()(images), spec.build().eval()(images))
    assert Teacher.of(model_spec_of("untrained", ARCH)).digest == "random"
