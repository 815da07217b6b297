"""For tests of plugins: a model with no weights, pipelines around it, analytic denoisers, and a check for samplers.

::

    from sdkit.testing import make_pipeline

    def test_my_plugin():
        plain, loud = make_pipeline(), make_pipeline(plugins=[my_plugin])
        assert not torch.equal(plain("red", seed=1).images[0].pixels, loud("red", seed=1).images[0].pixels)
"""

from sdkit.testing.denoisers import (
    ConstantDenoiser,
    GaussianDenoiser,
    GuidedDenoiser,
    MixtureDenoiser,
    RecordingDenoiser,
    log_sigmas,
)
from sdkit.testing.models import Kind, random_checkpoint, shared_checkpoint
from sdkit.testing.pipelines import make_pipeline
from sdkit.testing.samplers import SamplerFunction, assert_sampler_ok
from sdkit.testing.toy import ToyModel

__all__ = [
    "ConstantDenoiser",
    "GaussianDenoiser",
    "GuidedDenoiser",
    "Kind",
    "MixtureDenoiser",
    "RecordingDenoiser",
    "SamplerFunction",
    "ToyModel",
    "assert_sampler_ok",
    "log_sigmas",
    "make_pipeline",
    "random_checkpoint",
    "shared_checkpoint",
]
