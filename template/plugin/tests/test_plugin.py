"""With the plugin and without: the pictures must differ where they should, and nowhere else."""

import sdkit_example
import torch

from sdkit.testing import make_pipeline


def test_frames_the_picture_and_leaves_its_inside_alone():
    plain = make_pipeline()("a red circle", seed=7).images[0].pixels
    framed = make_pipeline(plugins=[sdkit_example])("a red circle", seed=7).images[0].pixels
    width = plain.shape[2] // 16
    inside = slice(width, -width)
    assert torch.equal(framed[:, inside, inside], plain[:, inside, inside])
    assert framed[:, :width].min() == framed[:, :, -width:].min() == 1
    assert not torch.equal(framed, plain)
