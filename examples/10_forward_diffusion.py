"""Forward diffusion: what training shows the model. A picture's latents, under more and more noise."""

import sdkit
from sdkit.images import contact_sheet

pipe = sdkit.Pipeline.load()
picture = pipe("a black stick figure on an orange background", seed=2).images[0]
latents = pipe.encode_image(picture)
sigmas = (0.0, 0.3, 0.7, 1.5, 4.0, 14.6)
noisy = [pipe.decode(pipe.add_noise(latents, sigma, seed=0))[0] for sigma in sigmas]
captions = [f"sigma {sigma}" for sigma in sigmas]
contact_sheet(noisy, columns=3, captions=captions).save("10_forward_diffusion.png", overwrite=True)
