import numpy as np
import pytest

from uad_bench.datasets.phantom.scanner import InversionRecovery, SpinEcho, rician, shorten
from uad_bench.datasets.phantom.tissue import TISSUES

FLAIR = InversionRecovery(tr=9000, te=125, ti=2500)


def test_a_spin_echo_after_full_recovery_decays_by_e_every_t2():
    assert SpinEcho(tr=1e9, te=80).signal(0.8, np.array(900.0), np.array(80.0)) == pytest.approx(0.8 / np.e)


def test_a_spin_echo_repeated_every_t1_ln_2_has_recovered_half():
    assert SpinEcho(tr=900 * np.log(2), te=0).signal(1.0, np.array(900.0), np.array(80.0)) == pytest.approx(0.5)


def test_an_inversion_time_of_t1_ln_2_nulls_the_tissue():
    sequence = InversionRecovery(tr=1e9, te=10, ti=4000 * np.log(2))
    assert sequence.signal(1.0, np.array(4000.0), np.array(2000.0)) == pytest.approx(0, abs=1e-12)


def test_an_inversion_without_waiting_has_the_full_magnitude():
    assert InversionRecovery(tr=1e9, te=0, ti=0).signal(0.7, np.array(900.0), np.array(70.0)) == pytest.approx(0.7)


def test_contrast_agent_adds_to_both_relaxation_rates():
    t1, t2 = shorten(np.array(1000.0), np.array(100.0), contrast=np.array(1.0))
    assert (t1, t2) == (pytest.approx(1 / 0.0055), pytest.approx(1 / 0.0155))


def test_noise_alone_is_rayleigh_distributed():
    noise = rician(np.zeros(400_000, dtype=np.float32), 2.0, np.random.default_rng(0))
    assert noise.mean() == pytest.approx(2 * np.sqrt(np.pi / 2), rel=0.005)
    assert noise.std() == pytest.approx(2 * np.sqrt(2 - np.pi / 2), rel=0.005)


def test_the_second_moment_of_a_noisy_signal_is_s_squared_plus_two_sigma_squared():
    noisy = rician(np.full(400_000, 3.0, dtype=np.float32), 0.5, np.random.default_rng(1))
    assert np.mean(noisy.astype(np.float64) ** 2) == pytest.approx(9 + 2 * 0.25, rel=0.005)


@pytest.mark.parametrize(
    ("sequence", "brightest_first"),
    [
        (SpinEcho(tr=560, te=10), ("white", "grey", "csf")),
        (SpinEcho(tr=5000, te=98), ("csf", "oedema", "grey", "white")),
        (FLAIR, ("oedema", "grey", "white", "csf")),
    ],
    ids=["t1", "t2", "flair"],
)
def test_tissues_are_ordered_as_on_real_images(sequence, brightest_first):
    signals = [nominal(sequence, name) for name in brightest_first]
    assert signals == sorted(signals, reverse=True)


@pytest.mark.parametrize("name", ["oedema", "core", "rim", "necrosis", "mismatch", "plaque"])
def test_no_common_healthy_tissue_relates_the_modalities_as_a_lesion_does(name):
    for healthy in ("grey", "white", "nuclei", "csf", "vessel", "dura"):
        assert np.abs(log_signals(name) - log_signals(healthy)).max() > np.log(1.2), healthy


def test_a_mismatch_glioma_is_as_bright_as_grey_matter_on_flair_only():
    difference = log_signals("mismatch") - log_signals("grey")
    assert abs(difference[2]) < 0.1
    assert difference[1] > 0.4


def nominal(sequence, name):
    tissue = TISSUES[name]
    return float(sequence.signal(tissue.pd, np.array(tissue.t1), np.array(tissue.t2)))


def log_signals(name):
    """T1w, T2w, FLAIR."""
    return np.log([nominal(sequence, name) for sequence in (SpinEcho(560, 10), SpinEcho(5000, 98), FLAIR)])
