"""`sdkit samplers --compare`: with a toy model, as table, JSON and plot, and cut short."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from .conftest import Done

Run = Callable[..., Done]
FEW = ("--sampler", "euler", "--sampler", "DPM++ 2M", "--steps", "8,4", "--reference-steps", "40")

INTERRUPTING = """
import signal
import sdkit

calls = 0

@sdkit.hookimpl
def wrap_denoiser(run):
    def around(denoise):
        def interrupting(x, sigma):
            global calls
            calls += 1
            if calls == 50:  # after euler in 4 steps, the answer in 40, and 6 of euler's 8
                signal.raise_signal(signal.SIGINT)
            return denoise(x, sigma)
        return interrupting
    return around
"""


def test_table(sdkit: Run) -> None:
    done = sdkit("samplers", "--compare", *FEW)
    assert (done.code, done.err) == (0, "")
    rows = re.findall(r"^(\w+) +(\d+) +(\d+) +([\d.e-]+)( +\*)?$", done.out, re.MULTILINE)
    assert [(name, steps, evaluations) for name, steps, evaluations, *_ in rows] == [
        ("dpmpp_2m", "4", "4"),
        ("euler", "4", "4"),
        ("dpmpp_2m", "8", "8"),
        ("euler", "8", "8"),
    ]
    assert [bool(star) for *_, star in rows][::2] == [True, float(rows[2][3]) < float(rows[0][3])]
    assert not any(star for *_, star in rows[1::2])
    assert "up to 4 evaluations of the network:" in done.out
    assert "where dpmpp_2m comes in 40 steps" in done.out


def test_json(sdkit: Run) -> None:
    done = sdkit("samplers", "--compare", "--json", "heun", "--steps", "4", "--reference-steps", "40", "--seed", "5")
    told = json.loads(done.out)
    assert told["finished"] is True
    assert told["request"] == {"schedule": "karras", "seed": 5, "count": 1}
    assert told["reference"] == {"sampler": "dpmpp_2m", "steps": 40}
    (one,) = told["measured"]
    assert 0 < one.pop("error") < 1
    assert one == {"sampler": "heun", "options": {}, "steps": 4, "evaluations": 7, "front": True}


def test_those_with_noise_are_left_out_unless_asked_for(sdkit: Run) -> None:
    short = ("--steps", "2", "--reference-steps", "4", "--json")
    told = json.loads(sdkit("samplers", "--compare", *short).out)
    measured = {one["sampler"] for one in told["measured"]}
    assert {"euler", "dpmpp_2m", "dpm_adaptive"} <= measured
    assert not measured & {"euler_ancestral", "dpmpp_sde", "lcm", "euler_cfg_pp"}
    assert told["left_out"]["euler_ancestral"] == "they add noise (--noiseless turns it off)"
    assert told["left_out"]["euler_cfg_pp"] == "their guidance grows with the number of steps"

    (one,) = json.loads(sdkit("samplers", "--compare", "euler_ancestral", *short).out)["measured"]
    assert one["options"] == {"eta": 0.0}

    more = json.loads(sdkit("samplers", "--compare", "--noiseless", *short).out)
    assert {"euler_ancestral", "dpmpp_sde"} <= {one["sampler"] for one in more["measured"]}
    assert {"ddpm", "lcm"} <= set(more["left_out"])


def test_plot(sdkit: Run, here: Path) -> None:
    done = sdkit("samplers", "--compare", *FEW, "-o", "plot.svg")
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1] == "plot.svg"
    assert "<svg" in (here / "plot.svg").read_text("utf-8")
    again = sdkit("samplers", "--compare", *FEW, "-o", "plot.svg")
    assert (again.code, again.out) == (3, "")
    assert "exists already" in again.err


def test_interrupted(sdkit: Run, here: Path) -> None:
    (here / "interrupting.py").write_text(INTERRUPTING, "utf-8")
    done = sdkit("samplers", "--compare", *FEW, "--json", "--plugin", "interrupting.py", "-o", "plot.svg")
    assert done.code == 130
    assert done.err.strip() == "cancelled; 1 of 4 measurements were made"
    told = json.loads(done.out)
    assert told["finished"] is False
    assert [(one["sampler"], one["steps"]) for one in told["measured"]] == [("euler", 4)]
    assert (here / "plot.svg").exists()


def test_mistakes(sdkit: Run) -> None:
    for arguments, said in (
        (("--sampler", "ddpm"), "sampler 'ddpm' cannot be measured: they always add noise"),
        (("--sampler", "eulr"), "There is no sampler named 'eulr'. Did you mean 'euler'?"),
        (("--schedule", "karas"), "There is no schedule named 'karas'. Did you mean 'karras'?"),
        (("--steps", "4,x"), "--steps takes numbers of steps with commas between, such as 4,8,16, not '4,x'"),
        (("--steps", "0"), "--steps takes numbers of steps with commas between, such as 4,8,16, not '0'"),
    ):
        done = sdkit("samplers", "--compare", *arguments)
        assert (done.code, done.out) == (2, "")
        assert said in done.err
