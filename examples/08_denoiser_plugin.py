"""Ten lines that change every picture: a function around each evaluation of the model."""

from dataclasses import replace

import sdkit
from sdkit.images import contact_sheet


class Mirror:
    """Makes pictures symmetrical: at high noise, the model's answer is averaged with its mirror image."""

    @sdkit.hookimpl
    def wrap_denoiser(self, run):
        def wrap(denoise):
            def mirrored(x, sigma):
                prediction = denoise(x, sigma)
                both = (prediction.denoised + prediction.denoised.flip(-1)) / 2
                return replace(prediction, denoised=both) if sigma > 0.5 else prediction

            return mirrored

        return wrap


pipe = sdkit.Pipeline.load()
prompt = "a red circle on the left on a blue background"
plain = pipe(prompt, seed=7).images[0]
mirrored = pipe.using(Mirror())(prompt, seed=7).images[0]
contact_sheet([plain, mirrored], captions=["plain", "with Mirror"]).save("08_denoiser_plugin.png", overwrite=True)
