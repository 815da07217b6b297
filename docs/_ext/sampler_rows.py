"""What is registered in the box, as Markdown tables with sources; no Sphinx in here, so that tests can import it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdkit.names import a1111_sampler, a1111_schedule
from sdkit.plugins import Entry, Manager, SamplerEntry, load_manager
from sdkit.settings import Settings

SAMPLER_PAPERS: Mapping[str, tuple[str, ...]] = {
    "euler": ("2206.00364",),
    "heun": ("2206.00364",),
    "ddim": ("2010.02502",),
    "heunpp2": (),
    "dpm_2": ("2206.00364", "2206.00927"),
    "dpm_fast": ("2206.00927",),
    "dpm_adaptive": ("2206.00927",),
    "dpmpp_2m": ("2211.01095",),
    "res_multistep": ("2308.02157",),
    "res_multistep_ancestral": ("2308.02157",),
    "lms": (),
    "ipndm": ("2204.13902", "2202.09778"),
    "ipndm_v": ("2204.13902",),
    "deis": ("2204.13902",),
    "gradient_estimation": ("2306.04848",),
    "uni_pc": ("2302.04867",),
    "uni_pc_bh2": ("2302.04867",),
    "euler_ancestral": ("2006.11239",),
    "dpm_2_ancestral": ("2206.00927",),
    "dpmpp_2s_ancestral": ("2211.01095",),
    "ddpm": ("2006.11239",),
    "lcm": ("2310.04378", "2303.01469"),
    "tcd": ("2402.19159",),
    "dpmpp_sde": ("2211.01095",),
    "dpmpp_2m_sde": ("2211.01095",),
    "dpmpp_2m_sde_heun": ("2211.01095",),
    "dpmpp_3m_sde": ("2211.01095",),
    "er_sde": ("2309.06169",),
    "seeds_2": ("2305.14267",),
    "seeds_3": ("2305.14267",),
    "exp_heun_2_x0": ("2305.14267",),
    "exp_heun_2_x0_sde": ("2305.14267",),
    "sa_solver": ("2309.05019",),
    "sa_solver_pece": ("2309.05019",),
    "euler_cfg_pp": ("2406.08070",),
    "euler_ancestral_cfg_pp": ("2406.08070",),
    "dpmpp_2s_ancestral_cfg_pp": ("2406.08070",),
    "dpmpp_2m_cfg_pp": ("2406.08070",),
    "res_multistep_cfg_pp": ("2406.08070", "2308.02157"),
    "res_multistep_ancestral_cfg_pp": ("2406.08070", "2308.02157"),
    "gradient_estimation_cfg_pp": ("2406.08070", "2306.04848"),
}
"""arXiv numbers; none where there is no paper, or a textbook. A test compares them with what the code cites."""
SCHEDULE_PAPERS: Mapping[str, tuple[str, ...]] = {
    "normal": (),
    "karras": ("2206.00364",),
    "exponential": (),
    "sgm_uniform": (),
    "simple": (),
    "ddim_uniform": (),
    "beta": ("2407.12173",),
    "linear_quadratic": (),
    "kl_optimal": ("2404.14507",),
    "polyexponential": (),
    "align_your_steps": ("2404.14507",),
    "sd_turbo": ("2311.17042",),
    "laplace": ("2407.03297",),
    "vp": ("2011.13456", "2206.00364"),
}


def sampler_table() -> list[str]:
    """A row per sampler, in the order of registration."""
    rows = [
        "| sampler | A1111's name | order | evaluations | noise | options | paper |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, entry in manager().samplers.items():
        label = a1111_sampler(name)
        cost = "as it chooses" if entry.adaptive else f"{entry.evaluations:g}"
        cells = [f"`{name}`", "" if label == name else label, f"{entry.order:g}", cost, noise(entry)]
        rows.append(f"| {' | '.join([*cells, options(entry), papers(SAMPLER_PAPERS[name])])} |")
    return rows


def schedule_table() -> list[str]:
    """A row per schedule."""
    rows = [
        "| schedule | A1111's name | how it spaces the sigmas | options | paper |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, entry in manager().schedules.items():
        label = a1111_schedule(name)
        cells = [f"`{name}`", "" if label == name else label, entry.summary]
        rows.append(f"| {' | '.join([*cells, options(entry), papers(SCHEDULE_PAPERS[name])])} |")
    return rows


def manager() -> Manager:
    """What is in the box, without the plugins that happen to be installed."""
    return load_manager(settings=Settings(plugins=("none",)))


def noise(entry: SamplerEntry) -> str:
    """What noise it adds; and which option makes it do so, where it does not on its own."""
    fields = entry.options.model_fields if entry.options else {}
    switch = [name for name in ("eta", "s_churn") if name in fields and fields[name].default == 0]
    return f"{entry.noise}, only with `{switch[0]}`" if switch else entry.noise


def options(entry: Entry[Any]) -> str:
    """`eta=1`, `s_noise=1`: the options with their defaults."""
    model = getattr(entry, "options", None)
    fields = model.model_fields if model is not None else {}
    return ", ".join(f"`{name}={_text(field.default)}`" for name, field in fields.items())


def papers(numbers: tuple[str, ...]) -> str:
    """Links to arXiv."""
    return ", ".join(f"[{number}](https://arxiv.org/abs/{number})" for number in numbers)


def _text(value: object) -> str:
    if isinstance(value, float) and not isinstance(value, bool):
        return f"{value:g}"
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)
