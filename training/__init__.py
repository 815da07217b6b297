"""How the embedded model was made: a small world of flat shapes, and a latent diffusion model trained on it.

Run ``python -m training --help``; ``RECORD.md`` is the written record of the run behind the shipped file.
"""
