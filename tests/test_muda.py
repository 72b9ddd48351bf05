"""The deformations against muda itself: same states, same lengths, same sound; and muda's breakage, met in one place."""

import json
import os
import shutil
import subprocess
import sys

import jams
import librosa
import numpy as np
import pandas as pd
import pytest
import soundfile

from metaug import augmentation
from metaug.augmentation import (
    DEFORMATIONS,
    BackgroundNoise,
    DynamicRangeCompression,
    LogspaceTimeStretch,
    PitchShift,
    Recording,
    TimeStretch,
    compand,
    deform,
    jams_of,
    pack,
    read_history,
    replay,
)
from metaug.datasets import InputError, load_clips, read_audio
from metaug.features import log_mel

muda = augmentation.muda
PITCHES = [*DEFORMATIONS["pitch1"], *DEFORMATIONS["pitch2"]]


def needs(*programs):
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing), reason=f"program not installed: {' '.join(missing)}")


@pytest.fixture(scope="module")
def sound():
    "Two seconds: a tone that swells and dies away, clicks, noise."
    rng, t = np.random.default_rng(3), np.arange(88200) / 44100
    y = 0.4 * np.sin(2 * np.pi * 700 * t) * np.sin(np.pi * t / 2) ** 2 + 0.02 * rng.standard_normal(len(t))
    y[::22050] += 0.4
    return y.astype(np.float32)


@pytest.fixture(scope="module")
def real_clips(real_data):
    "Ten real recordings, one of each class, three seconds of each."
    clips = load_clips(real_data("esc10"))
    return [(clip.clip, read_audio(clip.path)[:132300]) for clip in clips.groupby("label").nth(20).itertuples()]


# -- muda's breakage ---------------------------------------------------------------------------------------------------


def run_python(code):
    return subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)


def test_soundfile_overwritten_by_pysoundfile_is_told_with_the_command(monkeypatch):
    monkeypatch.setattr(soundfile, "__version__", "0.9.0.post1")
    with pytest.raises(ImportError, match="pip uninstall -y pysoundfile && pip install --force-reinstall soundfile"):
        augmentation.load_muda()


def test_muda_loads_without_pkg_resources_and_jsonpickle():
    hide = """
import sys, importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *a: None if name in ("pkg_resources", "jsonpickle") else found(name, *a)
import metaug.augmentation as a
assert not {"pkg_resources", "jsonpickle"} & set(sys.modules), "stand-ins must go again"
print(a.muda.deformers.PRESETS["radio"][0])
"""
    done = run_python(hide)
    assert done.stdout.strip() == "0.01,1", done.stderr


def test_muda_itself_records_the_last_shift_for_all_and_we_do_not(sound):
    jam = pack(jams.JAMS(), sound)
    assert {state["n_semitones"] for state in list(muda.deformers.PitchShift(PITCHES).states(jam))} == {
        PITCHES[-1]
    }  # if this fails, muda is mended
    assert [state["n_semitones"] for state in list(PitchShift(PITCHES).states(jam))] == PITCHES


def test_list_of_transform_has_its_own_sound_and_history(sound):
    out = list(PitchShift([-2, 2]).transform(pack(jams.JAMS(), sound)))
    assert [jam.sandbox.muda.history[0]["state"]["n_semitones"] for jam in out] == [-2, 2]
    assert not np.array_equal(out[0].sandbox.muda._audio["y"], out[1].sandbox.muda._audio["y"])


def test_deforming_again_stamps_todays_versions_and_keeps_history(sound):
    first = next(TimeStretch(1.1).transform(pack(jams.JAMS(), sound)))
    first.sandbox.muda.version = dict(muda="0.1.1", librosa="0.4.2", jams="0.2.1", pysoundfile="0.8.1")
    second = next(PitchShift(1).transform(pack(first, first.sandbox.muda._audio["y"])))
    assert (
        second.sandbox.muda.version["muda"] == muda.version.version
        and second.sandbox.muda.version["librosa"] != "0.4.2"
    )
    assert [step["transformer"]["__class__"] for step in second.sandbox.muda.history] == ["TimeStretch", "PitchShift"]


def test_mudas_own_noise_breaks_and_ours_runs_its_code(sound, tmp_path):
    soundfile.write(tmp_path / "n.wav", np.random.default_rng(0).uniform(-1, 1, 200_000), 22050)
    jam = pack(jams.JAMS(), sound)
    with pytest.raises(TypeError):  # if this fails, muda is mended
        next(muda.deformers.BackgroundNoise(files=str(tmp_path / "n.wav")).transform(jam))
    out = next(BackgroundNoise(background=[tmp_path / "n.wav"], engine="muda", rng=0).transform(jam))
    assert (
        len(out.sandbox.muda._audio["y"]) == len(sound)
        and muda.deformers.background.slice_clip.__module__ == "muda.deformers.background"
    )


@pytest.mark.parametrize(
    "deformer", [TimeStretch(1.1, engine="spectral"), PitchShift(1, engine="spectral")], ids=["stretch", "pitch"]
)
def test_spectral_does_not_pass_off_the_original_as_deformed(deformer, sound):
    "muda takes a NotImplementedError of `audio` for a deformer that leaves the sound alone, and would write it into the history all the same."
    with pytest.raises(InputError, match="spectral makes no sound"):
        next(deformer.transform(pack(jams.JAMS(), sound)))


def test_input_is_left_alone(sound):
    before = sound.copy()
    for deformation in DEFORMATIONS:
        for engine in ("spectral", "rubberband"):
            deform(sound, deformation=deformation, level=1, engine=engine)
    assert np.array_equal(sound, before)


# -- states ------------------------------------------------------------------------------------------------------------


def test_states_are_mudas(sound):
    jam = pack(jams.JAMS(), sound)
    assert list(TimeStretch(DEFORMATIONS["stretch"]).states(jam)) == list(
        muda.deformers.TimeStretch(DEFORMATIONS["stretch"]).states(jam)
    )
    assert list(LogspaceTimeStretch(4, -0.3, 0.3).states(jam)) == list(
        muda.deformers.LogspaceTimeStretch(4, -0.3, 0.3).states(jam)
    )
    assert list(PitchShift(PITCHES).states(jam)) == [
        dict(state) for state in muda.deformers.PitchShift(PITCHES).states(jam)
    ]
    assert list(DynamicRangeCompression(DEFORMATIONS["drc"]).states(jam)) == list(
        muda.deformers.DynamicRangeCompression(DEFORMATIONS["drc"]).states(jam)
    )


def test_noise_states_have_mudas_fields_and_ranges(sound):
    jam, recording = pack(jams.JAMS(), sound), Recording("n.wav", np.ones(100_000, np.float32), 44100)
    states = list(BackgroundNoise(200, background=[recording], rng=1).states(jam))
    assert {tuple(state) for state in states} == {("filename", "weight", "start", "stop")}
    weights, starts = np.array([state["weight"] for state in states]), np.array([state["start"] for state in states])
    assert 0.1 <= weights.min() < 0.12 and 0.48 < weights.max() <= 0.5
    assert 0 <= starts.min() < 1000 and 10_800 < starts.max() <= 100_000 - len(sound)
    assert all(state["stop"] - state["start"] == len(sound) for state in states)


PUBLISHED = {
    "stretch": "stretch",
    "pitch1": "pitch",
    "pitch2": "pitch3-",
    "drc": "drc",
    "bgnoise": "bgnoise",
}  # what their files are called


def published(folder, deformation, level):
    return sorted(folder.glob(f"fold1/{deformation}/jams/*_{PUBLISHED[deformation]}{level}.jams"))


def test_order_and_values_are_the_published_ones(real_data):
    folder, key = (
        real_data("urbansound8k_jams"),
        {"stretch": "rate", "pitch1": "n_semitones", "pitch2": "n_semitones", "drc": "preset"},
    )
    for deformation, values in DEFORMATIONS.items():
        for level, value in enumerate(values):
            files = published(folder, deformation, level)
            states = [read_history(file)[0][0][1] for file in files]
            assert len(files) == 10
            if deformation == "bgnoise":
                assert {state["filename"] for state in states} == {states[0]["filename"]}
            else:
                assert [state[key[deformation]] for state in states] == [value] * 10


# -- sound -------------------------------------------------------------------------------------------------------------


@needs("rubberband")
@pytest.mark.parametrize("n", [1, 2, 5, 100, 1023, 1024, 1025, 2205, 2403, 15262, 44100])
def test_lengths_are_mudas_to_the_sample(n):
    y = (0.1 * np.random.default_rng(n).standard_normal(n)).astype(np.float32)
    for deformation, levels in [("stretch", range(4)), ("pitch1", [0]), ("pitch2", [3])]:
        for level in levels:
            reference = np.atleast_1d(deform(y, deformation=deformation, level=level, engine="muda"))
            ours = deform(y, deformation=deformation, level=level, engine="rubberband")
            assert len(ours) == len(reference)
            assert deform(y, deformation=deformation, level=level).shape == log_mel(reference).shape


@needs("rubberband")
def test_rubberband_is_mudas_sound(real_clips):
    for _, y in real_clips[::3]:
        for deformation, level in [("stretch", 1), ("pitch1", 0), ("pitch2", 3)]:
            difference = deform(y, deformation=deformation, level=level, engine="rubberband") - deform(
                y, deformation=deformation, level=level, engine="muda"
            )
            assert abs(difference).max() < 1e-4, "three 16-bit steps"


@needs("rubberband")
def test_clipping_gives_the_same_gain(sound):
    loud = np.sign(sound) * 0.999
    for deformation, level in [("stretch", 3), ("pitch1", 0)]:
        ours, reference = (
            deform(loud, deformation=deformation, level=level, engine=engine) for engine in ("rubberband", "muda")
        )
        assert abs(ours - reference).max() < 1e-3


@needs("rubberband")
def test_log_mels_are_near_mudas(real_clips):
    "The limits are the numbers of the measurement that chose the engines: 2.82 dB for a stretch, 2.75 dB for a shift."
    found = []
    for _, y in real_clips:
        for deformation, level in [("stretch", 0), ("stretch", 3), ("pitch1", 2), ("pitch2", 0)]:
            reference = log_mel(deform(y, deformation=deformation, level=level, engine="muda"))
            rubberband = log_mel(deform(y, deformation=deformation, level=level, engine="rubberband"))
            found.append(
                (
                    deformation[:5],
                    abs(rubberband - reference).mean(),
                    abs(deform(y, deformation=deformation, level=level) - reference).mean(),
                )
            )
    table = pd.DataFrame(found, columns=["kind", "rubberband", "spectral"]).groupby("kind").mean()
    assert (table.rubberband < 0.01).all(), table
    assert table.spectral["stret"] <= 2.82 and table.spectral["pitch"] <= 2.75, table


@needs("sox")
@pytest.mark.parametrize("preset", sorted(augmentation.muda.deformers.PRESETS))
def test_compand_is_sox(sound, real_clips, preset):
    rng = np.random.default_rng(0)
    sweep = np.linspace(0, 0.98, 66150) * np.sin(np.arange(66150) / 9)
    for y in [
        sound,
        rng.uniform(-1, 1, 9000),
        sweep,
        np.ones(1),
        sound[:3000],
        np.zeros(500),
        *[y for _, y in real_clips[::4]],
    ]:
        y = np.asarray(y, np.float32)
        ours, reference = compand(y, preset=preset), muda.deformers.sox.drc(y, 44100, preset)
        assert ours.shape == np.shape(reference) and abs(ours - reference).max() < 1e-3


@needs("sox")
def test_compand_follows_the_sampling_rate(sound):
    for sr in (8000, 96000):
        assert abs(compand(sound, sr=sr, preset="speech") - muda.deformers.sox.drc(sound, sr, "speech")).max() < 1e-3


@pytest.mark.parametrize("channels, sr", [(1, 44100), (1, 22050), (2, 48000)])
def test_noise_is_mudas_formula_exactly(sound, tmp_path, channels, sr):
    file = tmp_path / "street.wav"
    soundfile.write(file, np.random.default_rng(0).uniform(-1, 1, (5 * sr, channels)), sr, subtype="PCM_16")
    for seed in range(3):
        jam = pack(jams.JAMS(), sound)
        deformer = BackgroundNoise(background=[file], rng=seed)
        state = next(deformer.states(jam))
        ours = deformer._transform(jam, state).sandbox.muda._audio["y"]
        with soundfile.SoundFile(file) as f:  # muda's slice_clip, with librosa called as it wants today
            f.seek(state["start"])
            noise = librosa.to_mono(f.read(state["stop"] - state["start"]).T)
        if sr != 44100:
            noise = librosa.resample(noise, orig_sr=sr, target_sr=44100)
        noise = librosa.util.fix_length(noise, size=len(sound))
        normal = librosa.util.normalize
        expected = (1.0 - state["weight"]) * normal(sound) + state["weight"] * normal(noise)
        if channels == 1:
            assert np.array_equal(ours, expected.astype(np.float32))
        assert abs(ours - expected).max() < 1e-6


# -- JAMS and replay ---------------------------------------------------------------------------------------------------


def test_every_jams_is_read_by_jams_and_muda_and_replays(sound, tmp_path):
    soundfile.write(tmp_path / "clip.wav", sound, 44100)
    y = read_audio(tmp_path / "clip.wav")
    for engine in ("spectral", "rubberband"):
        mels, rows = augmentation.deform_clip(y, clip="a/clip", engine=engine, seed=5)
        for X, row in zip(mels, rows):
            jams_of(row, seconds=2.0, label="dog", seed=5).save(str(tmp_path / "s.jams"))
            jam = jams.load(str(tmp_path / "s.jams"))
            rate = row["rate"] or 1
            assert jam.annotations[0].data[0].value == "dog"
            assert jam.annotations[0].data[0].duration == pytest.approx(2 / rate) == jam.file_metadata.duration
            assert len(
                muda.load_jam_audio(str(tmp_path / "s.jams"), str(tmp_path / "clip.wav")).sandbox.muda.history
            ) == (row["deformation"] != "original")
            again = replay(tmp_path / "s.jams", tmp_path / "clip.wav")
            assert np.array_equal(again if engine == "spectral" else log_mel(again), X)


def test_history_is_mudas(sound):
    "muda's own replay, on a file of ours, gives our sound: names and parameters are its own."
    if shutil.which("rubberband") is None:
        pytest.skip("program not installed: rubberband")
    jam = next(TimeStretch([1.2], engine="rubberband").transform(pack(jams.JAMS(), sound)))
    again = muda.replay(jam, pack(jams.JAMS(), sound))
    assert abs(again.sandbox.muda._audio["y"] - jam.sandbox.muda._audio["y"]).max() < 1e-3


def test_annotations_given_are_adapted(sound):
    base = jams.JAMS()
    base.file_metadata.duration = 2.0
    chord = jams.Annotation(namespace="chord", time=0, duration=2)
    chord.append(time=0.5, duration=1, value="C:maj", confidence=1)
    base.annotations.append(chord)
    rows = augmentation.deform_clip(sound, clip="c")[1]
    stretched = jams_of(rows[1], seconds=2.0, jam=base)
    assert (
        stretched.annotations[0].data[0].time == pytest.approx(0.5 / 2**-0.3)
        and base.annotations[0].data[0].time == 0.5
    )


TONAL = [
    ("chord", "G#:min7/b3", {1: "A:min7/b3", 2: "A#:min7/b3", -1: "G:min7/b3"}),
    ("chord", "N", {1: "N", 2: "N", -1: "N"}),
    ("chord", "Fbb:7(b9)", {1: "E:7(b9)", 2: "F:7(b9)", -1: "D:7(b9)"}),
    ("chord_harte", "E:maj", {1: "F:maj", 2: "F#:maj", -1: "D#:maj"}),
    ("key_mode", "Bb:dorian", {1: "B:dorian", 2: "C:dorian", -1: "A:dorian"}),
    (
        "pitch_class",
        dict(tonic="A", pitch=9),
        {1: dict(tonic="A#", pitch=9), 2: dict(tonic="B", pitch=9), -1: dict(tonic="G#", pitch=9)},
    ),
    (
        "chord_roman",
        dict(tonic="F#", chord="bVII"),
        {1: dict(tonic="G", chord="bVII"), 2: dict(tonic="G#", chord="bVII"), -1: dict(tonic="F", chord="bVII")},
    ),
]


@pytest.mark.parametrize(("namespace", "value", "shifted"), TONAL)
def test_chords_and_keys_are_transposed_as_jams_spells_them(namespace, value, shifted, sound, tmp_path):
    base = jams.JAMS()
    base.file_metadata.duration = 2.0
    annotation = jams.Annotation(namespace=namespace, time=0, duration=2)
    annotation.append(time=0.5, duration=1, value=value, confidence=1)
    base.annotations.append(annotation)
    for row in augmentation.deform_clip(sound, clip="c")[1]:
        if row["n_semitones"] not in shifted:
            continue
        jam = jams_of(row, seconds=2.0, jam=base)
        jam.validate()  # a `♯` is refused
        assert jam.annotations[0].data[0].value == shifted[row["n_semitones"]]
        (tmp_path / "x.jams").write_text(jam.dumps())
        assert read_history(tmp_path / "x.jams")[0][0][0] == "PitchShift"
        if shutil.which("rubberband"):
            muda.replay(jam, pack(jams.JAMS.loads(base.dumps()), sound))  # needs the tuning in the state
    assert base.annotations[0].data[0].value == value


def test_a_jams_without_chords_has_no_tuning_that_nobody_measured(sound):
    row = next(row for row in augmentation.deform_clip(sound, clip="c")[1] if row["n_semitones"] == 1)
    assert jams_of(row, seconds=2.0).sandbox.muda.history[0]["state"] == dict(n_semitones=1)


@pytest.mark.parametrize("n_samples", [0, -1, 1.5, "2"])
def test_no_samples_of_noise_are_refused_as_by_muda(n_samples):
    with pytest.raises(ValueError, match="n_samples must be"):
        BackgroundNoise(n_samples=n_samples)


def test_deformers_are_serialised_whole(sound, tmp_path):
    soundfile.write(tmp_path / "rain.wav", sound, 44100)
    deformers = [
        TimeStretch([1.1, 0.9], engine="muda"),
        LogspaceTimeStretch(3, engine="spectral"),
        PitchShift([1, -2.5], tuning=False),
        DynamicRangeCompression("radio", engine="muda"),
        BackgroundNoise(2, rng=3),
        BackgroundNoise(background=tmp_path / "rain.wav", engine="muda"),
        muda.Pipeline(steps=[("a", TimeStretch(1.2, engine="spectral")), ("b", BackgroundNoise(rng=0))]),
    ]
    for deformer in deformers:
        written = muda.serialize(deformer)
        again = muda.deserialize(written)
        assert type(again) is type(deformer) and muda.serialize(again) == written
    noise = [
        next(o.transform(pack(jams.JAMS(), sound)))
        for o in (deformers[4], muda.deserialize(muda.serialize(deformers[4])))
    ]
    assert np.array_equal(*(jam.sandbox.muda._audio["y"] for jam in noise))
    assert "engine" not in noise[0].sandbox.muda.history[0]["transformer"]["params"]


def test_published_files_replay(real_data):
    folder, audio = real_data("urbansound8k_jams"), real_data("urbansound8k") / "audio" / "fold1"
    stem = next(
        path.stem
        for path in sorted((folder / "fold1" / "original" / "jams").glob("*.jams"))
        if (audio / f"{path.stem}.wav").exists()
    )
    y = read_audio(audio / f"{stem}.wav")
    names = {
        read_history(published(folder, "bgnoise", level)[0])[0][0][1]["filename"].split("/")[-1] for level in range(4)
    }
    background = [
        Recording(name, np.random.default_rng(len(name)).uniform(-1, 1, 500_000).astype(np.float32), 44100)
        for name in names
    ]
    for deformation, values in DEFORMATIONS.items():
        for level in range(len(values)):
            file = folder / "fold1" / deformation / "jams" / f"{stem}_{PUBLISHED[deformation]}{level}.jams"
            if deformation != "bgnoise":
                assert np.array_equal(
                    replay(file, audio / f"{stem}.wav", engine="spectral"),
                    deform(y, deformation=deformation, level=level),
                )
                continue
            with pytest.warns(UserWarning, match="doesn't say where"):
                first = replay(file, y, engine="spectral", background=background, seed=1)
            with pytest.warns(UserWarning, match="doesn't say where"):
                assert np.array_equal(replay(file, y, engine="spectral", background=background, seed=1), first)
            with pytest.raises(InputError, match="is not among the recordings given"):
                replay(file, y, engine="spectral")


GOOD = {"transformer": {"__class__": "TimeStretch", "params": {"rate": [1.1]}}, "state": {"rate": 1.1}}
NOISE = {
    "transformer": {"__class__": "BackgroundNoise", "params": {"files": ["/etc/passwd"], "n_samples": 1}},
    "state": {"filename": "/etc/passwd", "weight": 0.3, "start": 0, "stop": 1},
}


def changed(step, path, value):
    step = json.loads(json.dumps(step))
    part = step
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    return step


@pytest.mark.parametrize(
    "step, why",
    [
        (changed(GOOD, ["transformer", "__class__"], "IRConvolution"), "transformer must be one of"),
        (changed(GOOD, ["transformer", "__class__"], "os.system"), "transformer must be one of"),
        (changed(GOOD, ["transformer", "__class__"], {"py/type": "os.system"}), "py/object"),
        (changed(GOOD, ["transformer", "params"], {"rate": {"py/object": "subprocess.Popen"}}), "py/object"),
        (changed(GOOD, ["transformer", "params"], {"rate": "1.1"}), "rate is not a value"),
        (changed(GOOD, ["transformer", "params"], {"command": 1}), "'command' is not a field"),
        (changed(GOOD, ["transformer", "params"], [1]), "must be an object"),
        (changed(GOOD, ["state"], {}), "rate is missing"),
        (changed(GOOD, ["state", "rate"], 1e-9), "rate is not a value"),
        (changed(GOOD, ["state", "rate"], float("nan")), "rate is not a value"),
        (changed(GOOD, ["state", "rate"], True), "rate is not a value"),
        (changed(GOOD, ["state", "extra"], 1), "'extra' is not a field"),
        (NOISE, "passwd is not among the recordings given"),
        (changed(NOISE, ["state", "filename"], "../generated-street-0"), "stop must be"),
        (changed(NOISE, ["state", "stop"], 2**39), "passwd is not among"),
        ({"transformer": 1}, "holds no history"),
        ("step", "holds no history"),
    ],
)
def test_hostile_jams_are_refused_in_one_line(step, why, tmp_path, sound):
    (tmp_path / "x.jams").write_text(json.dumps({"sandbox": {"muda": {"history": [step]}}}))
    with pytest.raises(InputError, match=why) as refused:
        replay(tmp_path / "x.jams", sound)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "[" * 100_000, "{}", "null", '{"sandbox": 3}', "\x00\xff", "[1, 2]"])
def test_files_that_are_no_jams_are_refused(text, tmp_path, sound):
    (tmp_path / "x.jams").write_text(text, encoding="latin-1")
    with pytest.raises(InputError):
        replay(tmp_path / "x.jams", sound)
    with pytest.raises(InputError):
        replay(tmp_path / "none.jams", sound)


def test_hostile_notes_do_no_harm(tmp_path, sound):
    (tmp_path / "x.jams").write_text(
        json.dumps({"sandbox": {"muda": {"history": [GOOD]}, "metaug": {"engine": "os.system"}}})
    )
    with pytest.raises(InputError, match="engine must be one of"):
        replay(tmp_path / "x.jams", sound)


def test_two_processes_do_not_spoil_librosas_compiled_functions(tmp_path):
    "numba #10128: without the lock in `metaug.features` calling them dies of a segmentation fault, one time in three."
    fresh = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    both = [
        subprocess.Popen([sys.executable, "-W", "ignore", "-c", f"{first}; import metaug.features"], env=fresh)
        for first in ("pass", "import numba; numba.njit(lambda: 0)()")
    ]
    assert [process.wait() for process in both] == [0, 0]
    call = "import librosa, numpy; librosa.estimate_tuning(y=numpy.sin(numpy.arange(44100.0)), sr=44100)"
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", call], env=fresh).returncode == 0
