"""What travels between the stages: one frozen object per arrow, all tensors with their shapes and units.

::

    Request ─parse→ Prompt ─encode→ Conditioning ─┐
    Request ─plan─→ sigmas, noise ────────────────┴→ sampler ⇢ Step… → Latents ─decode→ Image
                             denoise(x, sigma) = guidance(model(x, sigma, branch)…) → Prediction

Glossary, the same words everywhere:

=============  =========================================================================================================
latents        what the VAE compresses pictures into, scaled to about unit variance: `[B, C, H/f, W/f]`, f = 8 for SD
sigma          standard deviation of the noise in the latents; sigmas descend along a run and end at 0
x              the noisy latents at some sigma; the name is used inside samplers only, as in the papers
denoised       the model's estimate of the noise-free latents
embedding      one encoded prompt: what cross-attention reads
conditioning   everything that the model is told, by branch: positive and negative
cond, uncond   the denoised latents that the positive and the negative branch predict
guidance       how the branches' predictions become one
run            one batch of pictures on its way through the stages; a request makes one or more runs
=============  =========================================================================================================

Nothing here imports torch; tensors appear in annotations only.
"""

from sdkit.types.conditioning import (
    Area,
    Conditioning,
    Embedding,
    SizeConditioning,
)
from sdkit.types.events import (
    Encoded,
    Event,
    Finished,
    ImagesDone,
    RunStarted,
    StepDone,
)
from sdkit.types.loras import LoraInput, LoraOptions, LoraSpec, PromptLoras
from sdkit.types.models import (
    Defaults,
    DiffusionModel,
    ModelSpec,
    PredictionType,
)
from sdkit.types.network import (
    Attend,
    AttentionPatch,
    AttentionSite,
    BlockPatch,
    BlockSite,
    CallPatches,
    NetworkCall,
    NetworkPatches,
)
from sdkit.types.patches import Patch
from sdkit.types.prompts import (
    Dialect,
    During,
    LoraReference,
    Moment,
    Prompt,
    Segment,
    TextualInversion,
    TokenChunk,
    Turn,
)
from sdkit.types.runs import (
    CancelToken,
    Latents,
    ModelSpan,
    Result,
    Run,
    RunPlan,
    Stash,
    option_of,
)
from sdkit.types.sampling import (
    BoundSampler,
    Denoiser,
    Evaluate,
    Guidance,
    Guide,
    MakeNoiseSource,
    Noise,
    NoiseKind,
    NoiseSource,
    PatchableEvaluate,
    Prediction,
    Sampler,
    Schedule,
    ScheduleParams,
    Step,
)

__all__ = [
    "Area",
    "Attend",
    "AttentionPatch",
    "AttentionSite",
    "BlockPatch",
    "BlockSite",
    "BoundSampler",
    "CallPatches",
    "CancelToken",
    "Conditioning",
    "Defaults",
    "Denoiser",
    "Dialect",
    "DiffusionModel",
    "During",
    "Embedding",
    "Encoded",
    "Evaluate",
    "Event",
    "Finished",
    "Guidance",
    "Guide",
    "ImagesDone",
    "Latents",
    "LoraInput",
    "LoraOptions",
    "LoraReference",
    "LoraSpec",
    "MakeNoiseSource",
    "ModelSpan",
    "ModelSpec",
    "Moment",
    "NetworkCall",
    "NetworkPatches",
    "Noise",
    "NoiseKind",
    "NoiseSource",
    "Patch",
    "PatchableEvaluate",
    "Prediction",
    "PredictionType",
    "Prompt",
    "PromptLoras",
    "Result",
    "Run",
    "RunPlan",
    "RunStarted",
    "Sampler",
    "Schedule",
    "ScheduleParams",
    "Segment",
    "SizeConditioning",
    "Stash",
    "Step",
    "StepDone",
    "TextualInversion",
    "TokenChunk",
    "Turn",
    "option_of",
]
