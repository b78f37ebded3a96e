"""How large a notebook runs: three sizes, chosen in one place.

settings = choose(profile, smoke=dict(steps=5), cpu=dict(steps=300), gpu=dict(steps=2000))
settings.steps
"""

from __future__ import annotations

from types import SimpleNamespace

PROFILES = ("smoke", "cpu", "gpu")


def choose(profile: str, *, smoke: dict, cpu: dict, gpu: dict | None = None) -> SimpleNamespace:
    """The settings of one profile as attributes. gpu: what differs from cpu there.

    smoke: does every cell run? (seconds). cpu: the published page, two cores. gpu: one card or
    Colab's T4. Raises ValueError for an unknown profile, or when smoke lacks a setting that cpu
    has.
    """
    check_profile(profile)
    if smoke.keys() != cpu.keys():
        raise ValueError(
            f"smoke and cpu name different settings: {sorted(smoke.keys() ^ cpu.keys())}"
        )
    return SimpleNamespace(**{"smoke": smoke, "cpu": cpu, "gpu": {**cpu, **(gpu or {})}}[profile])


def check_profile(profile: str) -> None:
    """Raise ValueError unless the profile is a known one."""
    if profile not in PROFILES:
        raise ValueError(f"unknown profile {profile!r}; there are {', '.join(PROFILES)}")
