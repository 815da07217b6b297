import subprocess
import sys
from pathlib import Path

import torch

from sdkit.models import detect_family, open_checkpoint, sd1
from sdkit.models.tokenizer import plain_prompt
from sdkit.testing.models import random_checkpoint, shared_checkpoint


def test_the_same_arguments_give_the_same_file_and_the_global_generator_is_left_alone(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    first = random_checkpoint(tmp_path / "a.safetensors", seed=3).read_bytes()
    assert first == random_checkpoint(tmp_path / "deep" / "b.safetensors", seed=3).read_bytes()
    assert first != random_checkpoint(tmp_path / "c.safetensors", seed=4).read_bytes()
    assert torch.equal(torch.get_rng_state(), before)


def test_it_is_small_and_its_outputs_are_neither_dead_nor_wild() -> None:
    path = shared_checkpoint()
    assert path == shared_checkpoint()
    vocabulary = 2 * 49408 * 32
    assert path.stat().st_size - vocabulary < 3_000_000
    file = open_checkpoint(path)
    model = sd1.load(file, detect_family(file, [sd1])[1], device=torch.device("cpu"))
    x = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    noise = model.predict(x, 500.0, model.encode_text(plain_prompt("a red circle")))
    assert 0.1 < noise.std() < 3
    assert 0.05 < model.decode(x).std() < 0.5


def test_the_models_room_is_imported_without_torch_and_names_what_it_has() -> None:
    program = (
        "import sys, sdkit.models as models; assert 'torch' not in sys.modules; "
        "assert set(models.__all__) <= set(dir(models)); "
        "assert all(getattr(models, name) is not None for name in models.__all__)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
