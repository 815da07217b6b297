"""The pipeline: wires the stages, owns the step loop. No maths, no files."""

from sdkit.pipeline.pipeline import Pipeline

__all__ = ["Pipeline"]
