"""The table of labels: every one of A1111's with what it means there, and the way there and back."""

from __future__ import annotations

import pytest

from sdkit.errors import UnknownNameError
from sdkit.names import (
    a1111_label,
    a1111_sampler,
    a1111_schedule,
    choose,
    find_sampler,
    find_schedule,
    labels_of,
    suggestion,
)
from sdkit.plugins import load_manager
from sdkit.settings import Settings

# A1111 1.10's menu: label, its first alias, sdkit's name, what "Automatic" means
A1111 = [
    ("DPM++ 2M", "k_dpmpp_2m", "dpmpp_2m", "karras"),
    ("DPM++ SDE", "k_dpmpp_sde", "dpmpp_sde", "karras"),
    ("DPM++ 2M SDE", "k_dpmpp_2m_sde", "dpmpp_2m_sde", "exponential"),
    ("DPM++ 2M SDE Heun", "k_dpmpp_2m_sde_heun", "dpmpp_2m_sde_heun", "exponential"),
    ("DPM++ 2S a", "k_dpmpp_2s_a", "dpmpp_2s_ancestral", "karras"),
    ("DPM++ 3M SDE", "k_dpmpp_3m_sde", "dpmpp_3m_sde", "exponential"),
    ("Euler a", "k_euler_a", "euler_ancestral", "normal"),
    ("Euler a", "k_euler_ancestral", "euler_ancestral", "normal"),
    ("Euler", "k_euler", "euler", "normal"),
    ("LMS", "k_lms", "lms", "normal"),
    ("Heun", "k_heun", "heun", "normal"),
    ("DPM2", "k_dpm_2", "dpm_2", "karras"),
    ("DPM2 a", "k_dpm_2_a", "dpm_2_ancestral", "karras"),
    ("DPM fast", "k_dpm_fast", "dpm_fast", "normal"),
    ("DPM adaptive", "k_dpm_ad", "dpm_adaptive", "normal"),
    ("Restart", "restart", "restart", "karras"),
    ("DDIM", "ddim", "ddim", "ddim_uniform"),
    ("DDIM CFG++", "ddim_cfgpp", "euler_cfg_pp", "ddim_uniform"),
    ("PLMS", "plms", "ipndm", "ddim_uniform"),
    ("UniPC", "unipc", "uni_pc", "normal"),
    ("LCM", "k_lcm", "lcm", "normal"),
]
# A1111 before 1.9, one label for both, with its alias
COMBINED = [
    ("DPM++ 2M Karras", "k_dpmpp_2m_ka", "dpmpp_2m", "karras"),
    ("DPM++ SDE Karras", "k_dpmpp_sde_ka", "dpmpp_sde", "karras"),
    ("DPM++ 2M SDE Exponential", "k_dpmpp_2m_sde_exp", "dpmpp_2m_sde", "exponential"),
    ("DPM++ 2M SDE Karras", "k_dpmpp_2m_sde_ka", "dpmpp_2m_sde", "karras"),
    ("DPM++ 2M SDE Heun Karras", "k_dpmpp_2m_sde_heun_ka", "dpmpp_2m_sde_heun", "karras"),
    ("DPM++ 2M SDE Heun Exponential", "k_dpmpp_2m_sde_heun_exp", "dpmpp_2m_sde_heun", "exponential"),
    ("DPM++ 3M SDE Karras", "k_dpmpp_3m_sde_ka", "dpmpp_3m_sde", "karras"),
    ("DPM++ 3M SDE Exponential", "k_dpmpp_3m_sde_exp", "dpmpp_3m_sde", "exponential"),
    ("LMS Karras", "k_lms_ka", "lms", "karras"),
    ("DPM2 Karras", "k_dpm_2_ka", "dpm_2", "karras"),
    ("DPM2 a Karras", "k_dpm_2_a_ka", "dpm_2_ancestral", "karras"),
    ("DPM++ 2S a Karras", "k_dpmpp_2s_a_ka", "dpmpp_2s_ancestral", "karras"),
    ("DPM++ 2M Turbo", "dpmpp_2m_turbo", "dpmpp_2m", "sd_turbo"),  # Forge's
    ("DPM++ 2M SDE Turbo", "dpmpp_2m_sde_turbo", "dpmpp_2m_sde", "sd_turbo"),
    ("LCM Karras", "lcm_karras", "lcm", "karras"),
    ("DDPM Karras", "ddpm_karras", "ddpm", "karras"),
]
SCHEDULES = [
    ("Uniform", "normal"),
    ("Karras", "karras"),
    ("Exponential", "exponential"),
    ("Polyexponential", "polyexponential"),
    ("SGM Uniform", "sgm_uniform"),
    ("SGMUniform", "sgm_uniform"),
    ("KL Optimal", "kl_optimal"),
    ("Align Your Steps", "align_your_steps"),
    ("Simple", "simple"),
    ("Normal", "normal"),
    ("DDIM", "ddim_uniform"),
    ("Beta", "beta"),
    ("Turbo", "sd_turbo"),
]


def spellings(label: str) -> tuple[str, ...]:
    """How people write it."""
    return label, label.lower(), label.upper(), label.replace(" ", ""), label.replace(" ", "_"), f" {label} "


@pytest.mark.parametrize(("label", "alias", "sampler", "automatic"), A1111)
def test_every_sampler_of_a1111(label: str, alias: str, sampler: str, automatic: str) -> None:
    for text in (*spellings(label), alias):
        found = find_sampler(text)
        assert found is not None, text
        assert (found.sampler, found.schedule, found.automatic) == (sampler, None, automatic), text
    schedule = find_schedule("Automatic", label)
    assert schedule is not None
    assert schedule.schedule == automatic
    if label not in ("DDIM CFG++", "PLMS"):  # whose nearest relatives have labels of their own
        assert a1111_sampler(sampler) == label
    assert label in labels_of("sampler", sampler)


@pytest.mark.parametrize(("label", "alias", "sampler", "schedule"), COMBINED)
def test_labels_with_a_schedule(label: str, alias: str, sampler: str, schedule: str) -> None:
    for text in (*spellings(label), alias):
        found = find_sampler(text)
        assert found is not None, text
        assert (found.sampler, found.schedule) == (sampler, schedule), text
    assert a1111_label(sampler, schedule) == label


@pytest.mark.parametrize(("label", "schedule"), SCHEDULES)
def test_every_schedule_of_a1111(label: str, schedule: str) -> None:
    for text in spellings(label):
        found = find_schedule(text)
        assert found is not None, text
        assert found.schedule == schedule
    if label not in ("Uniform", "SGMUniform"):
        assert a1111_schedule(schedule) == label
    assert label in (*labels_of("schedule", schedule), "SGMUniform")


def test_every_name_comes_back_from_the_label_that_is_written_for_it() -> None:
    manager = load_manager(settings=Settings(plugins=("none",)))
    for name in manager.samplers:
        found, own = find_sampler(a1111_sampler(name)), find_sampler(name)
        assert found is not None, name
        assert own is not None, name
        assert (found.sampler, own.sampler, own.options, own.note) == (name, name, {}, "")
        for schedule in manager.schedules:
            both = find_sampler(a1111_label(name, schedule))
            assert both is not None
            assert (both.sampler, both.schedule or "normal") == (name, schedule)
    for name in manager.schedules:
        found, own = find_schedule(a1111_schedule(name)), find_schedule(name)
        assert found is not None, name
        assert own is not None, name
        assert (found.schedule, own.schedule, own.note) == (name, name, "")


def test_every_name_in_the_table_is_registered() -> None:
    manager = load_manager(settings=Settings(plugins=("none",)))
    samplers = {sampler for _, _, sampler, _ in (*A1111, *COMBINED)} - {"restart"}  # which a package brings
    assert samplers <= set(manager.samplers)
    assert {schedule for _, schedule in SCHEDULES} <= set(manager.schedules)


def test_a1111s_defaults_belong_to_its_labels_and_not_to_sdkits_names() -> None:
    for label, options in (("DPM fast", {"eta": 1.0}), ("dpm_fast", {}), ("dpm_fast_karras", {}), ("Euler a", {})):
        found = find_sampler(label)
        assert found is not None
        assert found.options == options
    theirs, ours = find_sampler("DDIM"), find_sampler("ddim")
    assert theirs is not None
    assert ours is not None
    assert (theirs.ends_early, ours.ends_early) == (True, False)
    assert (theirs.automatic, ours.automatic) == ("ddim_uniform", "ddim_uniform")


@pytest.mark.parametrize("label", ["", " ", "Karras", "My Karras", "+", "++", "k", "ka", "DPM++ 4M", "Euler b"])
def test_nobodys_labels_are_nobodys(label: str) -> None:
    assert find_sampler(label) is None


def test_automatic_without_a_known_sampler_is_the_models_own() -> None:
    for sampler in (None, "mine"):
        found = find_schedule("automatic", sampler)
        assert found is not None
        assert found.schedule == "normal"
    assert find_schedule("") is None
    assert find_schedule("mine") is None


# ── what to look up ──────────────────────────────────────────────────────────────────────────────────────────────────

SAMPLERS = ("euler", "dpmpp_2m", "dpm_fast", "DPM2")
NAMES = ("normal", "karras", "exponential", "Simple")


@pytest.mark.parametrize(
    ("sampler", "schedule", "expected"),
    [
        (None, None, (None, None, {})),
        ("dpmpp_2m", None, ("dpmpp_2m", None, {})),
        ("DPM++ 2M", None, ("dpmpp_2m", None, {})),
        ("DPM++ 2M Karras", None, ("dpmpp_2m", "karras", {})),
        ("DPM++ 2M Karras", "exponential", ("dpmpp_2m", "exponential", {})),
        ("DPM++ 2M Karras", "Exponential", ("dpmpp_2m", "exponential", {})),
        ("DPM++ 2M", "Automatic", ("dpmpp_2m", "karras", {})),
        ("dpmpp_2m", "Automatic", ("dpmpp_2m", "karras", {})),
        (None, "Automatic", (None, "normal", {})),
        (None, "Karras", (None, "karras", {})),
        ("DPM fast", None, ("dpm_fast", None, {"eta": 1.0})),
        ("dpm_fast", None, ("dpm_fast", None, {})),
        ("DPM2", "Simple", ("DPM2", "Simple", {})),  # a plugin's names go before anybody's labels
        ("Heun", "Beta", ("Heun", "Beta", {})),  # not registered: for the registry to refuse
        ("nobody's", "nobody's", ("nobody's", "nobody's", {})),
    ],
)
def test_what_is_looked_up(sampler: str | None, schedule: str | None, expected: tuple[object, object, object]) -> None:
    choice = choose(sampler, schedule, samplers=SAMPLERS, schedules=NAMES)
    assert (choice.sampler, choice.schedule, dict(choice.options)) == expected


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        (
            "sampler",
            "DPM++ 2M Karass",
            "Did you mean 'DPM++ 2M Karras' (sampler 'dpmpp_2m', schedule 'karras')?",
        ),
        ("sampler", "Eulr", ""),  # 'euler' is as near
        ("sampler", "DPM fst", "Did you mean 'DPM fast' (sampler 'dpm_fast')?"),
        ("sampler", "DPM++ 3M SD", ""),  # not registered here
        ("sampler", "nothing at all like it", ""),
        ("schedule", "Exponentail", ""),
        ("schedule", "Aling Your Steps", ""),
        ("model family", "DPM fst", ""),
    ],
)
def test_suggestions(kind: str, name: str, expected: str) -> None:
    assert suggestion(kind, name, SAMPLERS if kind == "sampler" else NAMES) == expected


def test_a_schedules_label_is_suggested() -> None:
    known = ("align_your_steps", "normal")
    assert suggestion("schedule", "Align Yuor Steps", known) == (
        "Did you mean 'Align Your Steps' (schedule 'align_your_steps')?"
    )


def test_no_label_of_one_sampler_is_another_samplers() -> None:
    manager = load_manager(settings=Settings(plugins=("none",)))
    with pytest.raises(UnknownNameError):
        _ = manager.samplers["nobody's"]
    for name in manager.samplers:
        for label in labels_of("sampler", name):
            found = find_sampler(label)
            assert found is not None
            assert found.sampler == name, label
