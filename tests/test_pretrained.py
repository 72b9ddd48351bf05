"The judge that needs no training: its log-mel and network against the same maths written out, batches, odd sounds, and every way in which its weights can fail to be there."

import hashlib
import http.server
import os
import pickle
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
import soxr
import torch
import torch.nn.functional as F

import metaug.judging
from metaug.datasets import InputError, read_audio
from metaug.judging import (
    deformed_log_mel, efficientat, embed, embed_deformed, embed_log_mels, judge_log_mel, mel_triangles, pre_emphasis, pretrained, weights_file,
)  # fmt: skip

FILE = "mn04_as_mAP_432.pt"
BLOCKS = [  # expanded channels (0: no expansion), channels out, kernel, stride, channels that squeezing leaves (0: none), hard swish or ReLU
    (0, 8, 3, 1, 0, "RE"), (24, 16, 3, 2, 0, "RE"), (32, 16, 3, 1, 0, "RE"), (32, 16, 5, 2, 8, "RE"), (48, 16, 5, 1, 16, "RE"),
    (48, 16, 5, 1, 16, "RE"), (96, 32, 3, 2, 0, "HS"), (80, 32, 3, 1, 0, "HS"), (72, 32, 3, 1, 0, "HS"), (72, 32, 3, 1, 0, "HS"),
    (192, 48, 3, 1, 48, "HS"), (272, 48, 3, 1, 72, "HS"), (272, 64, 5, 2, 72, "HS"), (384, 64, 5, 1, 96, "HS"), (384, 64, 5, 1, 96, "HS"),
]  # fmt: skip


# ---------------------------------------------------------------- the same maths, written out


def written_out_log_mel(y: np.ndarray) -> np.ndarray:
    "Log-mel of a waveform at 32 kHz, in float64 and plain loops."
    y = np.concatenate([np.asarray(y, float), np.zeros(max(0, 32000 - len(y)))])
    y = np.array([y[i] - 0.97 * y[i - 1] for i in range(1, len(y))])
    mirrored = np.concatenate([y[512:0:-1], y, y[-2:-514:-1]])
    window = np.zeros(1024)
    window[112:912] = [0.5 - 0.5 * np.cos(2 * np.pi * i / 799) for i in range(800)]
    frames = 1 + len(y) // 320
    power = np.array([np.abs(np.fft.rfft(mirrored[320 * t : 320 * t + 1024] * window)) ** 2 for t in range(frames)])
    scale = lambda f: 1127 * np.log(1 + f / 700)
    corners = [scale(15000) * i / 129 for i in range(130)]
    out = np.zeros((128, frames))
    for band in range(128):
        low, middle, high = corners[band : band + 3]
        for k in range(513):
            at = scale(k * 32000 / 1024)
            if low < at < high:
                out[band] += power[:, k] * min((at - low) / (middle - low), (high - at) / (high - middle))
    return (np.log(out + 1e-5) + 4.5) / 5


def written_out_embedding(state: dict, log_mel: np.ndarray) -> np.ndarray:
    "Embedding of a log-mel by functions alone, straight from the checkpoint's keys."
    act = {"RE": F.relu, "HS": lambda x: x * (x + 3).clamp(0, 6) / 6, "": lambda x: x}

    def convolve(x, name, which, stride=1, groups=1):
        weight = state[f"{name}.0.weight"]
        x = F.conv2d(x, weight, stride=stride, padding=(weight.shape[-1] - 1) // 2, groups=groups)
        mean, variance, gain, shift = (
            state[f"{name}.1.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return act[which]((x - mean) / torch.sqrt(variance + 1e-3) * gain + shift)

    x = convolve(torch.tensor(log_mel, dtype=torch.float32)[None, None], "features.0", "HS", stride=2)
    for number, (expanded, out, _, stride, squeezed, which) in enumerate(BLOCKS, 1):
        name, i, z = f"features.{number}.block", 0, x
        if expanded:
            z, i = convolve(z, f"{name}.0", which), 1
        z, i = convolve(z, f"{name}.{i}", which, stride, groups=z.shape[1]), i + 1
        if squeezed:
            layer = f"{name}.{i}.conc_se_layers.0"
            s = F.relu(F.linear(z.mean((2, 3)), state[f"{layer}.fc1.weight"], state[f"{layer}.fc1.bias"]))
            s = F.linear(s, state[f"{layer}.fc2.weight"], state[f"{layer}.fc2.bias"])
            z, i = z / (1 + torch.exp(-s))[:, :, None, None], i + 1
        z = convolve(z, f"{name}.{i}", "")
        x = x + z if stride == 1 and x.shape[1] == out else z
    return convolve(x, "features.16", "HS").mean((2, 3))[0].numpy()


def random_checkpoint(seed: int = 0) -> dict:
    "Weights in the names and shapes of the published file, drawn at random, with batch norms that do something."
    draw, state = torch.Generator().manual_seed(seed), {}

    def put(name, out, inputs, kernel):
        state[f"{name}.0.weight"] = (
            torch.randn(out, inputs, kernel, kernel, generator=draw) * (2 / (inputs * kernel**2)) ** 0.5
        )
        state[f"{name}.1.weight"] = 1 + 0.1 * torch.randn(out, generator=draw)
        state[f"{name}.1.bias"] = 0.1 * torch.randn(out, generator=draw)
        state[f"{name}.1.running_mean"] = 0.1 * torch.randn(out, generator=draw)
        state[f"{name}.1.running_var"] = 0.5 + torch.rand(out, generator=draw)
        state[f"{name}.1.num_batches_tracked"] = torch.tensor(7)

    put("features.0", 8, 1, 3)
    channels = 8
    for number, (expanded, out, kernel, _, squeezed, _) in enumerate(BLOCKS, 1):
        name, i, inside = f"features.{number}.block", 0, expanded or channels
        if expanded:
            put(f"{name}.0", expanded, channels, 1)
            i = 1
        put(f"{name}.{i}", inside, 1, kernel)
        if squeezed:
            i += 1
            for layer, shape in (("fc1", (squeezed, inside)), ("fc2", (inside, squeezed))):
                state[f"{name}.{i}.conc_se_layers.0.{layer}.weight"] = (
                    torch.randn(shape, generator=draw) / shape[1] ** 0.5
                )
                state[f"{name}.{i}.conc_se_layers.0.{layer}.bias"] = 0.1 * torch.randn(shape[0], generator=draw)
        put(f"{name}.{i + 1}", out, inside, 1)
        channels = out
    put("features.16", 384, channels, 1)
    state["features.16.1.weight"] *= (
        0.1  # embeddings as large as those of the published weights, which stay under 2 or so
    )
    return state | {"classifier.2.weight": torch.zeros(512, 384), "classifier.2.bias": torch.zeros(512)}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    "A folder with a random checkpoint, and its state."
    folder = tmp_path_factory.mktemp("models")
    torch.save(random_checkpoint(), folder / FILE)
    return folder, random_checkpoint()


def know(monkeypatch, content: bytes, url: str = "http://127.0.0.1:9/never.pt") -> None:
    "Make a content the published one."
    monkeypatch.setattr(pretrained, "_MN04", pretrained._Weights(FILE, url, hashlib.sha256(content).hexdigest()))


@pytest.fixture
def state(checkpoint, monkeypatch) -> dict:
    "The random checkpoint's state; `efficientat` finds and accepts its file."
    folder, state = checkpoint
    know(monkeypatch, (folder / FILE).read_bytes())
    monkeypatch.setenv("METAUG_MODELS", str(folder))
    return state


def noise(n: int, seed: int = 0) -> np.ndarray:
    "A waveform with something at all frequencies, peak 1."
    y = np.random.default_rng(seed).standard_normal(n) * np.exp(-np.arange(n) / 20000)
    return (y / np.abs(y).max()).astype(np.float32)


# ---------------------------------------------------------------- log-mel


@pytest.mark.parametrize("n", [32000, 32319, 32321, 50001])
def test_the_log_mel_is_the_one_written_out(n):
    y = noise(n)
    np.testing.assert_allclose(judge_log_mel(y, 32000), written_out_log_mel(y), atol=1e-4)


@pytest.mark.parametrize("n", [1, 2, 320, 31999])
def test_zeros_follow_a_short_clip(n):
    y = np.ones(n, np.float32)
    np.testing.assert_allclose(judge_log_mel(y, 32000), written_out_log_mel(y), atol=1e-4)
    assert np.array_equal(judge_log_mel(y, 32000), judge_log_mel(np.pad(y, (0, 32000 - n)), 32000))


def test_the_log_mel_is_torch_stft():
    y = torch.from_numpy(pre_emphasis(noise(40000), 32000))
    power = (
        torch.stft(
            y,
            1024,
            320,
            800,
            torch.hann_window(800, periodic=False),
            center=True,
            pad_mode="reflect",
            return_complex=True,
        ).abs()
        ** 2
    )
    expected = ((torch.from_numpy(mel_triangles().copy()).T @ power + 1e-5).log() + 4.5) / 5
    np.testing.assert_allclose(judge_log_mel(noise(40000), 32000), expected.numpy(), atol=1e-4)


def test_another_rate_is_resampled_by_soxr():
    y = noise(48000)
    np.testing.assert_allclose(
        judge_log_mel(y, 44100), judge_log_mel(soxr.resample(y, 44100, 32000), 32000, peak=None), atol=1e-5
    )


@pytest.mark.parametrize("sample_rate", [1000, 8000, 22050, 192000, 1_000_000])
def test_every_rate_works_for_one_sample(sample_rate):
    assert judge_log_mel([0.5], sample_rate).shape == (128, 100)
    assert np.isfinite(judge_log_mel([0.5], sample_rate)).all()


@pytest.mark.parametrize("gain", [1e-30, 0.01, 0.5, 1e4])
def test_the_level_does_not_matter(gain):
    np.testing.assert_allclose(judge_log_mel(noise(40000) * gain, 32000), judge_log_mel(noise(40000), 32000), atol=1e-4)


def test_the_level_can_be_kept():
    y = 0.01 * noise(40000)
    np.testing.assert_allclose(judge_log_mel(y, 32000, peak=None), written_out_log_mel(y), atol=1e-4)
    np.testing.assert_allclose(judge_log_mel(y, 32000, peak=0.01), written_out_log_mel(y), atol=1e-4)


@pytest.mark.parametrize("peak", [1.0, 0.1, None])
def test_silence_stays_silence(peak):
    np.testing.assert_allclose(judge_log_mel(np.zeros(64000), 32000, peak=peak), (np.log(1e-5) + 4.5) / 5, atol=1e-6)


def test_integers_are_samples_too():
    y = np.round(noise(40000) * 32767).astype(np.int16)
    np.testing.assert_allclose(judge_log_mel(y, 32000), judge_log_mel(y / 32767, 32000), atol=1e-3)


def test_the_input_is_left_alone():
    y = noise(40000) * np.float32(0.5)
    before = y.copy()
    judge_log_mel(y, 32000)
    judge_log_mel(y, 32000, peak=None)
    assert np.array_equal(y, before)


BAD_SOUNDS = [
    ({"samples": np.zeros((2, 9))}, r"samples must be one channel of numbers, \(n,\) with n > 0, got float64 \(2, 9\)"),
    ({"samples": []}, "n > 0"),
    ({"samples": 0.5}, "one channel"),
    ({"samples": ["a"]}, "one channel of numbers"),
    ({"samples": np.ones(9, complex)}, "one channel of numbers"),
    ({"samples": [0.0, np.nan]}, "samples must be finite"),
    ({"samples": [0.0, 1e300]}, "samples must be finite"),
    ({"sample_rate": 0}, "sample_rate must be from 1000 to 1000000 Hz, got 0"),
    ({"sample_rate": np.nan}, "sample_rate must be"),
    ({"sample_rate": 10**9}, "sample_rate must be"),
    ({"peak": 0}, "peak must be > 0"),
    ({"peak": np.nan}, "peak must be > 0"),
    ({"peak": np.inf}, "peak must be > 0"),
]


@pytest.mark.parametrize("wrong, message", BAD_SOUNDS)
def test_what_is_no_sound_is_refused(wrong, message):
    with warnings.catch_warnings(), pytest.raises(InputError, match=message):
        warnings.simplefilter("error")
        judge_log_mel(**({"samples": noise(100), "sample_rate": 32000} | wrong))


# ---------------------------------------------------------------- stretched and shifted


def test_no_deformation_is_the_log_mel():
    assert np.array_equal(deformed_log_mel(pre_emphasis(noise(40000), 32000)), judge_log_mel(noise(40000), 32000))


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8123, 1.2311, 2.0, 3.7, 10.0])
@pytest.mark.parametrize("seconds", [0.001, 0.4, 1.0, 3.3])
def test_frames_of_a_stretched_sound(rate, seconds):
    n = int(32000 * seconds)
    out = deformed_log_mel(pre_emphasis(noise(n), 32000), rate=rate)
    assert abs(out.shape[1] - (1 + max(n / rate - 1, 31999) // 320)) <= 1
    assert np.isfinite(out).all()


@pytest.mark.parametrize("semitones", [-24, -3.5, 1, 12, 24])
@pytest.mark.parametrize("n", [1, 300, 32000, 50000])
def test_frames_of_a_shifted_sound(semitones, n):
    out = deformed_log_mel(pre_emphasis(noise(n), 32000), semitones=semitones)
    assert out.shape == (128, 1 + max(n - 1, 31999) // 320)
    assert np.isfinite(out).all()


@pytest.mark.parametrize("semitones", [-12, -3.5, 2, 7, 12])
def test_a_shifted_tone_is_the_tone_at_the_other_pitch(semitones):
    tones = lambda factor: sum(
        np.sin(2 * np.pi * f * factor * np.arange(64000) / 32000) / 4 for f in (500, 1100, 2500, 6000)
    )
    shifted = deformed_log_mel(pre_emphasis(tones(1), 32000, peak=None), semitones=semitones)
    played = judge_log_mel(tones(2 ** (semitones / 12)), 32000, peak=None)
    loud = played.mean(1) > np.sort(played.mean(1))[-8]
    assert (
        np.abs(shifted - played)[loud, 5:-5].max() < 0.15
    )  # at an octave without the correction of the pre-emphasis it would be 0.28


def test_a_stretched_click_train_has_its_clicks_nearer():
    y = np.zeros(96000)
    y[8000::16000] = 1
    loud = deformed_log_mel(pre_emphasis(y, 32000), rate=2.0).mean(0) > (np.log(1e-5) + 4.5) / 5 + 0.05
    assert np.flatnonzero(loud[1:] & ~loud[:-1]).tolist() == pytest.approx([11 + 25 * i for i in range(6)], abs=2)


def test_silence_follows_a_short_stretched_clip():
    out = deformed_log_mel(pre_emphasis(noise(48000), 32000), rate=3.0)  # half a second is left
    silence = (np.log(1e-5) + 4.5) / 5
    assert out.shape == (128, 100) and (out[:, :48].max(0) > silence + 0.5).all()
    np.testing.assert_allclose(out[:, 52:], silence, atol=1e-5)


@pytest.mark.parametrize(
    "wrong", [{"rate": 0}, {"rate": np.nan}, {"rate": 11}, {"semitones": 25}, {"semitones": np.nan}]
)
def test_a_deformation_out_of_range_is_refused(wrong, state):
    ((name, value),) = wrong.items()
    with pytest.raises(InputError, match=f"{name} must be from .* to .*, got {value}"):
        deformed_log_mel(pre_emphasis(noise(100), 32000), **wrong)
    with pytest.raises(InputError, match=f"{name} must be from"):
        embed_deformed("efficientat", noise(100), 32000, [wrong])


# ---------------------------------------------------------------- network and embedding


@pytest.mark.parametrize("n", [160000, 32000, 70000])
def test_the_embedding_is_the_one_written_out(state, n):
    y = noise(n)
    expected = written_out_embedding(state, written_out_log_mel(y))
    assert np.ptp(expected) > 0.5  # the random network says something
    out = embed("efficientat", y, 32000)
    assert (out.shape, out.dtype) == ((384,), np.float32)
    np.testing.assert_allclose(out, expected, atol=1e-4)


def test_batches_change_nothing(state):
    sounds = [noise(n, seed) for seed, n in enumerate([160000] * 11 + [33000, 500, 64000, 64001, 160000, 1])]
    together = embed("efficientat", sounds, 32000)
    alone = np.array([embed("efficientat", y, 32000) for y in sounds])
    assert together.shape == (len(sounds), 384)
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(embed("efficientat", tuple(sounds[::-1]), 32000)[::-1], alone, atol=1e-5)


def test_many_lengths_do_not_wait_for_ever(state, monkeypatch):
    monkeypatch.setattr(pretrained, "_WAITING", 500)
    sounds = [noise(32000 + 320 * i, i) for i in range(12)]
    batches = [len(batch) for batch in pretrained._batches_of_one_length([judge_log_mel(y, 32000) for y in sounds])]
    assert batches == [1] * 12
    np.testing.assert_allclose(
        embed("efficientat", sounds, 32000), [embed("efficientat", y, 32000) for y in sounds], atol=1e-5
    )


def test_a_long_clip_is_the_mean_of_its_pieces(state):
    log_mel = judge_log_mel(np.concatenate([noise(160000, i) for i in range(5)]), 32000)
    assert log_mel.shape == (128, 2500)
    pieces = [log_mel[:, :834], log_mel[:, 834:1667], log_mel[:, 1667:]]
    network, shapes = efficientat(), []
    hook = network.register_forward_pre_hook(lambda _, inputs: shapes.append(tuple(inputs[0].shape)))
    long = embed_log_mels(network, [log_mel])
    hook.remove()
    expected = sum(piece.shape[1] / 2500 * written_out_embedding(state, piece) for piece in pieces)
    np.testing.assert_allclose(long[0], expected, atol=1e-4)
    assert sorted(shapes) == [(1, 1, 128, 834), (2, 1, 128, 833)]


def test_ten_seconds_are_one_piece(state):
    log_mel = judge_log_mel(noise(320000), 32000)
    assert log_mel.shape == (128, 1000)
    np.testing.assert_allclose(
        embed_log_mels(efficientat(), [log_mel])[0], written_out_embedding(state, log_mel), atol=1e-4
    )


def test_silence_and_little_sound_have_embeddings(state):
    silent = embed("efficientat", [np.zeros(160000), np.zeros(1), [1e-45], [0.5]], 32000)
    assert np.isfinite(silent).all()
    np.testing.assert_allclose(silent[1], silent[2], atol=1e-5)


def test_an_empty_list_is_an_empty_matrix(state):
    assert embed("efficientat", [], 32000).shape == (0, 384)
    assert embed_deformed("efficientat", noise(9), 32000, []).shape == (0, 384)


def test_deformed_embeddings_are_those_of_deformed_log_mels(state):
    y = noise(70000)
    deformations = [{}, {"rate": 0.8}, {"semitones": 2}, {"rate": 1.2, "semitones": -3.5}]
    out = embed_deformed("efficientat", 0.1 * y, 32000, iter(deformations))
    emphasised = pre_emphasis(y, 32000)
    expected = [embed_log_mels(efficientat(), [deformed_log_mel(emphasised, **how)])[0] for how in deformations]
    np.testing.assert_allclose(out, expected, atol=1e-4)
    np.testing.assert_allclose(out[0], embed("efficientat", y, 32000), atol=1e-4)
    assert np.abs(out[1:] - out[0]).max(1).min() > 1e-3


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: embed("paann", noise(9), 32000), "judge must be efficientat, got paann"),
        (lambda: embed_deformed("paann", noise(9), 32000, []), "judge must be efficientat, got paann"),
        (lambda: embed("efficientat", np.zeros((3, 9)), 32000), r"one channel of numbers, .* got float64 \(3, 9\)"),
        (lambda: embed("efficientat", [0.1, 0.2], 32000), "one channel"),
        (lambda: embed("efficientat", [noise(9), []], 32000), "n > 0"),
        (
            lambda: embed_deformed("efficientat", noise(9), 32000, [{"speed": 2}]),
            "must be given by rate and semitones, got speed",
        ),
        (lambda: embed_log_mels(efficientat(), [np.zeros((64, 9))]), r"shape \(128, frames\) .* got \(64, 9\)"),
        (lambda: embed_log_mels(efficientat(), [np.zeros((128, 0))]), r"got \(128, 0\)"),
    ],
)
def test_what_can_not_be_embedded_is_refused(state, call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_loading_leaves_the_global_generator_alone_and_happens_once(state):
    pretrained._load_network.cache_clear()
    before = torch.get_rng_state()
    network = efficientat()
    assert torch.equal(torch.get_rng_state(), before)
    assert efficientat() is network
    assert not any(weight.requires_grad for weight in network.parameters())


def test_a_changed_file_is_read_again(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("METAUG_MODELS", str(tmp_path))
    (tmp_path / FILE).write_bytes((checkpoint[0] / FILE).read_bytes())
    know(monkeypatch, (tmp_path / FILE).read_bytes())
    first = embed("efficientat", noise(9), 32000)
    torch.save(random_checkpoint(1), tmp_path / FILE)
    with pytest.raises(InputError, match="sha256 must be"):
        embed("efficientat", noise(9), 32000)
    know(monkeypatch, (tmp_path / FILE).read_bytes())
    assert not np.allclose(embed("efficientat", noise(9), 32000), first)


# ---------------------------------------------------------------- the weights file


REMEDY = "put it as mn04_as_mAP_432.pt into the folder that METAUG_MODELS names, or use --judge npair, which learns from the sounds alone"


@pytest.fixture
def offered(tmp_path, monkeypatch):
    "A server on loopback for what is put into a dict, an address, and an empty cache folder: (contents by path, address, cache)."
    contents = {}

    class Quiet(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, body, promised = contents.get(self.path, (404, b"", 0))
            self.send_response(status)
            self.send_header("Content-Length", str(promised))
            self.end_headers()
            self.wfile.write(body)

        def do_CONNECT(self):
            self.send_error(502)

        def log_message(self, *args):
            "Say nothing."

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("METAUG_MODELS", raising=False)
    monkeypatch.setenv("METAUG_CACHE", str(tmp_path / "cache"))
    yield contents, f"http://127.0.0.1:{server.server_port}", tmp_path / "cache"
    server.shutdown()
    server.server_close()


def refused(call) -> str:
    "The one line with which a call is refused."
    with pytest.raises(InputError) as caught:
        call()
    line = str(caught.value)
    assert "\n" not in line and line.endswith(REMEDY)
    return line


def files_under(folder) -> list:
    "All files below a folder."
    return [path for path in folder.rglob("*") if path.is_file()]


def test_the_published_file_is_the_documented_one():
    assert pretrained._MN04 == (
        FILE,
        "https://github.com/fschmid56/EfficientAT/releases/download/v0.0.1/mn04_as_mAP_432.pt",
        "899a8c6217063f6941793102a2780b3dd788ab11fce468d9cf5f0577c453321c",
    )


def test_the_weights_are_fetched_once(offered, checkpoint, monkeypatch):
    contents, address, cache = offered
    content = (checkpoint[0] / FILE).read_bytes()
    contents["/w.pt"] = 200, content, len(content)
    know(monkeypatch, content, f"{address}/w.pt")
    assert weights_file() == cache / "models" / FILE
    assert files_under(cache) == [cache / "models" / FILE]
    contents.clear()
    assert embed("efficientat", noise(9), 32000).shape == (384,)


def test_the_named_folder_comes_first(offered, checkpoint, monkeypatch):
    monkeypatch.setenv("METAUG_MODELS", str(checkpoint[0]))
    assert weights_file() == checkpoint[0] / FILE
    assert files_under(offered[2]) == []


def test_a_named_folder_without_the_file(offered, tmp_path, monkeypatch):
    monkeypatch.setenv("METAUG_MODELS", str(tmp_path / "there"))
    line = refused(efficientat)
    assert line.startswith(
        f"{tmp_path / 'there' / FILE}: no such file, but METAUG_MODELS names its folder; download https://github.com/"
    )


@pytest.mark.parametrize(
    "answer, why",
    [
        ((200, b"<html>log in first</html>", 25), "what came has a wrong checksum"),
        ((200, b"half", 8000), "ChunkedEncodingError|ConnectionError|wrong checksum"),
        ((404, b"", 0), "HTTPError"),
        ((503, b"", 0), "HTTPError"),
    ],
)
def test_what_a_server_can_get_wrong(offered, monkeypatch, answer, why):
    contents, address, cache = offered
    contents["/w.pt"] = answer
    know(monkeypatch, b"the right content", f"{address}/w.pt")
    line = refused(efficientat)
    assert line.startswith(f"{FILE} could not be fetched into {cache / 'models'} (")
    assert any(reason in line for reason in why.split("|"))
    assert files_under(cache) == []


def test_no_network(offered, monkeypatch):
    know(monkeypatch, b"", "http://127.0.0.1:9/w.pt")
    assert "(ConnectionError)" in refused(efficientat)
    assert files_under(offered[2]) == []


def test_a_proxy_that_refuses(offered, monkeypatch):
    _, address, cache = offered
    monkeypatch.setenv("HTTPS_PROXY", address)
    know(monkeypatch, b"", "https://example.org/w.pt")
    assert "(ProxyError)" in refused(efficientat)
    assert files_under(cache) == []


def test_a_cache_that_can_not_be_written(offered, checkpoint, tmp_path, monkeypatch):
    contents, address, _ = offered
    content = (checkpoint[0] / FILE).read_bytes()
    contents["/w.pt"] = 200, content, len(content)
    know(monkeypatch, content, f"{address}/w.pt")
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("METAUG_CACHE", str(tmp_path / "file"))
    assert str(tmp_path / "file" / "models") in refused(efficientat)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root can write anywhere")
def test_a_read_only_cache(offered, checkpoint, monkeypatch):
    contents, address, cache = offered
    content = (checkpoint[0] / FILE).read_bytes()
    contents["/w.pt"] = 200, content, len(content)
    know(monkeypatch, content, f"{address}/w.pt")
    cache.mkdir()
    cache.chmod(0o555)
    assert str(cache / "models") in refused(efficientat)
    assert list(cache.iterdir()) == []


def test_a_read_only_cache_even_for_root(offered, checkpoint, monkeypatch):
    def denied(path, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(path))

    know(monkeypatch, b"", f"{offered[1]}/w.pt")
    monkeypatch.setattr("pooch.utils.os.makedirs", denied)
    assert "(Permission" in refused(efficientat)


class Exploit:
    "Writes a file when it is unpickled."

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("content", [b"", b"text", pickle.dumps({"features.0.0.weight": 1})])
def test_another_content_is_refused(tmp_path, monkeypatch, content):
    monkeypatch.setenv("METAUG_MODELS", str(tmp_path))
    (tmp_path / FILE).write_bytes(content)
    line = refused(efficientat)
    assert (
        line.startswith(f"{tmp_path / FILE}: sha256 must be 899a8c62") and hashlib.sha256(content).hexdigest() in line
    )


def test_code_in_the_file_never_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("METAUG_MODELS", str(tmp_path))
    content = pickle.dumps(Exploit(tmp_path / "ran"), protocol=2)
    (tmp_path / FILE).write_bytes(content)
    monkeypatch.setattr(torch, "load", lambda *args, **kwargs: pytest.fail("it was opened"))
    refused(efficientat)
    monkeypatch.undo()
    monkeypatch.setenv("METAUG_MODELS", str(tmp_path))
    know(monkeypatch, content)  # not even if its checksum were right
    with pytest.raises(pickle.UnpicklingError):
        efficientat()
    assert not (tmp_path / "ran").exists()


def test_a_folder_in_the_files_place(tmp_path, monkeypatch):
    monkeypatch.setenv("METAUG_MODELS", str(tmp_path))
    (tmp_path / FILE).mkdir()
    assert "no such file" in refused(efficientat)


# ---------------------------------------------------------------- the face


def run_python(code: str, root) -> str:
    "Run code in a fresh interpreter in which every warning is an error of its own; what it printed."
    environment = os.environ | {"PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def test_the_face_and_log_mels_need_no_torch(root):
    code = "import sys, metaug.judging as j; j.judge_log_mel([0.5], 8000); print('torch' in sys.modules)"
    assert run_python(code, root) == "False"


def test_importing_the_network_warns_of_nothing_and_needs_no_torchvision(root):
    code = "import sys, metaug.judging as j; print(j.embed.__module__, 'torchvision' in sys.modules)"
    assert run_python(code, root) == "metaug.judging.pretrained False"


def test_the_face_hands_on_every_public_name():
    from metaug.judging import calibration, embeddings, front_end

    rooms = calibration, embeddings, front_end, pretrained
    assert metaug.judging.__all__ == sorted(sum((room.__all__ for room in rooms), [])) == dir(metaug.judging)
    assert all(getattr(metaug.judging, name).__doc__ for name in metaug.judging.__all__ if not name.isupper())
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        metaug.judging.nothing


# ---------------------------------------------------------------- real weights, real sound


@pytest.fixture
def real(real_data, monkeypatch):
    "The published weights, and ESC-10's files with their labels and folds."
    monkeypatch.setenv("METAUG_MODELS", str(real_data("models")))
    files = sorted(real_data("esc10").glob("*/*.ogg"))
    return files, np.array([path.parent.name for path in files]), np.array([int(path.name[0]) for path in files])


def test_real_weights_give_what_is_written_out(real, real_data):
    y = read_audio(real[0][0], sr=32000)
    state = torch.load(real_data("models") / FILE, weights_only=True)
    expected = written_out_embedding(state, written_out_log_mel(y / np.abs(y).max()))
    np.testing.assert_allclose(embed("efficientat", y, 32000), expected, atol=1e-4)


def test_neighbours_recognise_esc10(real):
    from sklearn.neighbors import KNeighborsClassifier

    files, labels, folds = real
    vectors = embed("efficientat", [read_audio(path) for path in files], 44100)
    right = 0
    for fold in range(1, 6):
        neighbours = KNeighborsClassifier(
            5, metric="cosine", weights=lambda distance: 1 - 1e-6 * distance
        )  # a tie to the nearer
        neighbours.fit(vectors[folds != fold], labels[folds != fold])
        right += (neighbours.predict(vectors[folds == fold]) == labels[folds == fold]).sum()
    assert right / len(files) >= 0.98


def test_deformed_embeddings_are_near_those_of_rubber_bands_sound(real):
    from metaug.augmentation import rubber_band

    cosines = []
    for path in real[0][::100]:
        y = read_audio(path)
        for how in ({"rate": 2**-0.3}, {"rate": 2**0.3}, {"semitones": -2}, {"semitones": 2}):
            made, read = (
                embed("efficientat", rubber_band(y, **how), 44100),
                embed_deformed("efficientat", y, 44100, [how])[0],
            )
            cosines.append(made @ read / np.linalg.norm(made) / np.linalg.norm(read))
    assert np.median(cosines) > 0.95
