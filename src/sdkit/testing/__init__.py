"""For tests of plugins: a model with no weights, pipelines around it, analytic denoisers, and a check for samplers.

::

    from sdkit.testing import make_pipeline

    def test_my_plugin():
        plain, loud = make_pipeline(), make_pipeline(plugins=[my_plugin])
        assert not torch.equal(plain("red", seed=1).images[0].pixels, loud("red", seed=1).images[0].pixels)
"""

from sdkit.testing.pipelines import make_pipeline
from sdkit.testing.toy import ToyModel

__all__ = ["ToyModel", "make_pipeline"]
