"""Samplers, one module per family of methods: generators over `(denoise, x, sigmas, noise)` that yield `Step`s.

Reads like the papers: x is the state at sigma, `maths` names what several methods share, history is a local variable.
After each yield a sampler goes on from `step.x`, which somebody may have changed.
"""
