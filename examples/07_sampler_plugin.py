"""A sampler of your own, in a plugin: Euler that overshoots a little."""

import itertools

import sdkit
from sdkit.images import contact_sheet


def bold_euler(denoise, x, sigmas, noise, /):
    """Euler's step, taken 4 % too far towards the model's estimate."""
    for i, (sigma, sigma_next) in enumerate(itertools.pairwise(sigmas)):
        prediction = denoise(x, sigma)
        step = sdkit.Step(
            index=i,
            sigma=sigma,
            sigma_next=sigma_next,
            x_in=x,
            prediction=prediction,
            x=x + 1.04 * (x - prediction.denoised) / sigma * (sigma_next - sigma),
        )
        yield step
        x = step.x  # plugins may have changed it


class Bold:
    """The whole plugin."""

    @sdkit.hookimpl
    def register_samplers(self, register):
        register("bold_euler", bold_euler, order=1, summary="Euler that overshoots.")


pipe = sdkit.Pipeline.load(plugins=[Bold()])
prompt = "a purple diamond on a yellow background"
images = [pipe(prompt, sampler=sampler, seed=6).images[0] for sampler in ("euler", "bold_euler")]
contact_sheet(images, captions=["euler", "bold_euler"]).save("07_sampler_plugin.png", overwrite=True)
