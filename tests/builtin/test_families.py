from sdkit.models import sd1
from sdkit.plugins import load_manager
from sdkit.settings import Settings


def test_sd1_is_registered_under_its_name() -> None:
    entry = load_manager((), settings=Settings(plugins=("none",))).families["sd1"]
    assert entry.load() is sd1
    assert entry.name == sd1.name
    assert "Stable Diffusion 1" in entry.summary
