import pytest

import sdkit.models
from sdkit.plugins import load_manager
from sdkit.settings import Settings


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("sd1", "Stable Diffusion 1"),
        ("sd2", "Stable Diffusion 2"),
        ("sdxl", "Stable Diffusion XL"),
        ("sdxl_refiner", "XL refiner"),
    ],
)
def test_families_are_registered_under_their_names(name: str, says: str) -> None:
    entry = load_manager((), settings=Settings(plugins=("none",))).families[name]
    family = getattr(sdkit.models, name)
    assert entry.load() is family
    assert family.name == name
    assert says in entry.summary
