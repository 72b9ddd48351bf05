"""Building a store: the same bytes however it is built, killed, doubled or broken; odd clips; sound for other tools."""

import hashlib
import struct
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jams
import librosa
import numpy as np
import pandas as pd
import pedalboard
import pytest
import soundfile
from joblib.externals.loky import get_reusable_executor

from metaug.datasets import generated
from metaug import augmentation
from metaug.augmentation import (
    DEFORMATIONS,
    Recording,
    augment,
    deform,
    deform_clip,
    export_audio,
    generated_street,
    jams_of,
    load_background,
    replay,
)
from metaug.datasets import InputError, load_clips, read_audio
from metaug.features import LogMelStore, log_mel

KILLS = int(os.environ.get("METAUG_KILLS", 3))


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    "Twelve short clips in two classes, one of them without a whole frame."
    folder, rng = tmp_path_factory.mktemp("clips"), np.random.default_rng(0)
    for i in range(12):
        n = 500 if i == 5 else int(rng.integers(4000, 40000))
        y = 0.3 * np.sin(np.arange(n) * (0.02 + 0.01 * i)) + 0.05 * rng.standard_normal(n)
        path = folder / ("hum" if i % 2 else "beep") / f"{i:02d}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, y, 44100)
    return load_clips(folder, n_folds=2)


def test_a_store_goes_on_where_its_clips_have_been_moved(clips, tmp_path):
    few = clips.head(2).assign(path=[str(tmp_path / "old" / f"{i}.wav") for i in range(2)])
    (tmp_path / "old").mkdir()
    for here, there in zip(clips.path, few.path):
        shutil.copy(here, there)
    store = LogMelStore.create(tmp_path / "s", few, attrs=augmentation.store_attrs())
    (tmp_path / "old").rename(tmp_path / "new")
    moved = few.assign(path=few.path.str.replace("/old/", "/new/"))
    assert not augment(moved, tmp_path / "s", progress=False).missing()
    assert LogMelStore.open(tmp_path / "s").clips.path.tolist() == moved.path.tolist() != store.clips.path.tolist()
    for name, value in dict(fold=[7, 7], source=["x", "x"], seconds=[9.0, 9.0]).items():
        with pytest.raises(InputError, match=f"was made when {name} of .* was .*, not"):
            augment(moved.assign(**{name: value}), tmp_path / "s", progress=False)


@pytest.fixture(scope="module")
def undisturbed(clips, tmp_path_factory):
    "Checksums of a store built at one go."
    path = tmp_path_factory.mktemp("whole") / "store"
    augment(clips, path, progress=False)
    return checksums(path)


def checksums(path):
    "Every file of a store, without the copies that reading makes."
    return {
        str(f.relative_to(path)): hashlib.sha256(f.read_bytes()).hexdigest()
        for f in sorted(Path(path).rglob("*"))
        if f.is_file() and f.name not in ("samples.parquet", "frames.npy")
    }


def building(clips, path, jobs=1):
    "A process of its own that builds the store."
    clips.to_parquet(Path(path).parent / "clips.parquet")
    code = f"import pandas as pd; from metaug.augmentation import augment; augment(pd.read_parquet({str(Path(path).parent / 'clips.parquet')!r}), {str(path)!r}, jobs={jobs}, progress=False)"
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code], start_new_session=True, stderr=subprocess.PIPE, text=True
    )


# -- the same, whatever happens ----------------------------------------------------------------------------------------


def test_jobs_and_order_change_no_byte(clips, undisturbed, tmp_path):
    augment(clips, tmp_path / "two", jobs=2, progress=False)
    assert checksums(tmp_path / "two") == undisturbed


def test_resumed_build_is_the_same_and_done_clips_are_skipped(clips, undisturbed, tmp_path):
    store = augment(clips, tmp_path / "s", progress=False)
    for index in (0, 7):
        store.drop(index)
    before = {f: f.stat().st_mtime_ns for f in (tmp_path / "s" / "mels" / "c").rglob("*") if f.is_file()}
    augment(clips, tmp_path / "s", progress=False)
    assert checksums(tmp_path / "s") == undisturbed
    assert all(f.stat().st_mtime_ns == changed for f, changed in before.items())


def test_a_sample_depends_on_nothing_but_its_name_and_the_seed(clips, tmp_path):
    few = clips.iloc[[3, 8]].reset_index(drop=True)
    alone = augment(few, tmp_path / "few", seed=4, progress=False)
    y = read_audio(clips.path[8])
    for j, (deformation, level) in enumerate(((d, l) for d in DEFORMATIONS for l in range(4)), start=22):
        X = deform(y, deformation=deformation, level=level, seed=4, clip=clips["clip"][8])
        assert np.array_equal(alone.read(j), X.astype(np.float16).astype(np.float32))


def test_seeds_and_clips_get_noise_of_their_own():
    y = np.sin(np.arange(30000) / 5).astype(np.float32)
    weights = {
        json.loads(row["state"])["weight"]
        for seed in (0, 1)
        for clip in "ab"
        for row in deform_clip(y, clip=clip, seed=seed)[1][17:]
    }
    assert len(weights) == 16


def test_other_settings_are_refused(clips, tmp_path):
    few = clips.iloc[:1]
    augment(few, tmp_path / "s", progress=False)
    soundfile.write(tmp_path / "n.wav", np.random.default_rng(0).uniform(-1, 1, 99999), 44100)
    for other in (dict(seed=1), dict(engine="rubberband"), dict(background=[tmp_path / "n.wav"])):
        with pytest.raises(InputError, match="was made with"):
            augment(few, tmp_path / "s", progress=False, **other)


def test_killed_at_random_moments(clips, undisturbed, tmp_path):
    "Three kills by default, twenty with METAUG_KILLS=20."
    chance, began = random.Random(0), 0
    for kill in range(KILLS):
        path = tmp_path / f"s{kill}"
        build = building(clips, path, jobs=1 + kill % 2)
        while build.poll() is None and not (path / "mels").exists():
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.8 + 3 * (kill % 2)))  # with two jobs, workers have to start first
        os.killpg(build.pid, signal.SIGKILL)
        build.communicate()
        began += any(path.rglob("mels/c/*"))
        store = augment(clips, path, progress=False)
        assert checksums(path) == undisturbed, "no orphan either"
        assert len(store.samples) == 21 * len(clips) and store.samples.row.is_unique and store.verify() == []
    assert KILLS < 20 or began > KILLS / 4, "some kills must come while clips are written"


def test_two_builds_at_once(clips, undisturbed, tmp_path):
    builds = [building(clips, tmp_path / "s") for _ in range(2)]
    for build in builds:
        _, errors = build.communicate(timeout=120)
        assert build.returncode == 0, errors
    assert checksums(tmp_path / "s") == undisturbed


def test_a_flipped_byte_is_found_named_and_mended_alone(clips, undisturbed, tmp_path):
    store = augment(clips, tmp_path / "s", progress=False)
    shard = tmp_path / "s" / "mels" / "c" / "2" / "0" / "0"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    assert store.verify() == [clips["clip"][2]]
    with pytest.raises(InputError, match=f"{clips['clip'][2]} is damaged"):
        [store.read(row) for row in range(42, 63)]
    store.drop(2)
    augment(clips, tmp_path / "s", progress=False)
    assert checksums(tmp_path / "s") == undisturbed


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0 or shutil.which("mount") is None,
    reason="needs the right to mount a small file system",
)
def test_full_disk_is_one_line_and_the_store_stays_valid(clips, undisturbed, tmp_path):
    small, room = tmp_path / "small", 400
    small.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={room}k", "tmpfs", str(small)], capture_output=True
    ).returncode:
        pytest.skip("needs the right to mount a small file system")
    try:
        with pytest.raises(InputError, match="No space left on device") as full:
            augment(clips, small / "s", progress=False)
        assert "\n" not in str(full.value)
        store = LogMelStore.open(str(small / "s"))
        assert 0 < len(store.missing()) < len(clips) and store.verify() == []
        shutil.copytree(small / "s", tmp_path / "s")
    finally:
        subprocess.run(["umount", str(small)], check=True)
    augment(clips, tmp_path / "s", progress=False)
    assert checksums(tmp_path / "s") == undisturbed


def test_a_clip_that_cannot_be_read_is_named_and_the_others_are_made(clips, tmp_path):
    broken = clips.copy()
    (tmp_path / "bad.wav").write_text("no sound")
    broken.loc[4, "path"] = str(tmp_path / "bad.wav")
    with pytest.raises(InputError, match=f"1 of 12 clips could not be made.*{clips['clip'][4]}"):
        augment(broken, tmp_path / "s", progress=False)
    assert LogMelStore.open(str(tmp_path / "s")).missing() == [4]


# -- odd clips ---------------------------------------------------------------------------------------------------------

N = 30000
ODD = {
    "silence": np.zeros(N),
    "one sample": np.ones(1),
    "0.05 s": np.sin(np.arange(2205) / 9),
    "DC": np.full(N, 0.8),
    "square": np.sign(np.sin(np.arange(N) / 30)),
    "one click": np.eye(1, N, 500)[0],
    "denormal": np.full(N, 1e-40),
    "silent start": np.r_[np.zeros(N), np.ones(9)],
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("engine", ["spectral", "rubberband", "signalsmith"])
def test_odd_clips_have_a_defined_result(name, engine):
    y = ODD[name].astype(np.float32)
    mels, rows = deform_clip(y, clip=name, engine=engine)
    assert [X.shape for X in mels] == [(128, max(1, round(len(y) / (row["rate"] or 1)) // 1024)) for row in rows]
    for X in mels:
        assert X.dtype == np.float32 and np.isfinite(X).all() and X.max() - X.min() <= 80.001 and X.min() >= -100.001


@pytest.mark.parametrize("sr, channels", [(192_000, 1), (8000, 1), (44100, 6)])
def test_odd_files_go_through(sr, channels, tmp_path):
    (tmp_path / "a").mkdir()
    soundfile.write(tmp_path / "a" / "x.wav", 0.4 * np.sin(np.arange(sr)[:, None] / np.arange(5, 5 + channels)), sr)
    y = read_audio(tmp_path / "a" / "x.wav")
    assert abs(len(y) - 44100) <= 1 and all(np.isfinite(X).all() for X in deform_clip(y, clip="x")[0])


@pytest.mark.parametrize("y", [[0, np.nan], [np.inf], [], [[0.0]]])
def test_what_is_no_waveform_is_refused(y):
    for call in (lambda: deform(np.array(y), deformation="drc", level=0), lambda: deform_clip(np.array(y), clip="x")):
        with pytest.raises(InputError, match="waveform must"):
            call()


def test_nan_inside_a_file_is_named_and_nothing_of_it_is_stored(tmp_path):
    (tmp_path / "c").mkdir()
    for i in range(4):
        soundfile.write(
            tmp_path / "c" / f"{i}.wav", np.r_[np.zeros(5000), np.nan if i == 2 else 0.5], 44100, subtype="FLOAT"
        )
    clips = pd.DataFrame(
        {
            "clip": [f"c/{i}" for i in range(4)],
            "path": [str(tmp_path / "c" / f"{i}.wav") for i in range(4)],
            "label": "c",
            "fold": 1,
            "source": "s",
            "seconds": 5001 / 44100,
        }
    )
    with pytest.raises(InputError, match="c/2"):
        augment(clips, tmp_path / "s", progress=False)
    assert LogMelStore.open(str(tmp_path / "s")).missing() == [2]


def test_wrong_values_are_one_line():
    y = np.ones(2000, np.float32)
    for wrong, why in [
        (dict(level=4), "level must be 0 to 3"),
        (dict(level=-1), "level must be"),
        (dict(deformation="x"), "deformation must be"),
        (dict(engine="x"), "engine must be"),
        (dict(sr=0), "sr must be > 0"),
        (dict(seed=-1), "seed must be >= 0"),
    ]:
        with pytest.raises(InputError, match=why):
            deform(y, **{"deformation": "stretch", "level": 0, **wrong})


# -- background noise --------------------------------------------------------------------------------------------------


def test_levels_take_recordings_in_turn():
    y = np.sin(np.arange(20000) / 9).astype(np.float32)
    noises = [
        Recording(f"n{i}", np.random.default_rng(i).uniform(-1, 1, 90000).astype(np.float32), 44100) for i in range(9)
    ]
    used = lambda n: [row["noise"] for row in deform_clip(y, clip="c", background=noises[:n])[1][17:]]
    assert used(1) == ["n0"] * 4 and used(3) == ["n0", "n1", "n2", "n0"] and used(4) == ["n0", "n1", "n2", "n3"]
    assert [int(name[1]) % 4 for name in used(9)] == [0, 1, 2, 3]
    starts = [row["noise_start"] for row in deform_clip(y, clip="c", background=noises[:1])[1][17:]]
    assert len(set(starts)) == 4


def test_noise_start_is_in_seconds(tmp_path):
    soundfile.write(tmp_path / "n.wav", np.random.default_rng(0).uniform(-1, 1, 40000), 8000)
    row = deform_clip(np.ones(2000, np.float32), clip="c", background=[tmp_path / "n.wav"])[1][17]
    assert row["noise_start"] == json.loads(row["state"])["start"] / 8000


def test_a_recording_is_its_samples_at_their_rate():
    samples = np.random.default_rng(0).uniform(-1, 1, 9000).astype(np.float32)
    assert (
        Recording("n", samples, 44100).digest
        != Recording("n", samples, 22050).digest
        == Recording("m", samples, 22050).digest
    )


def test_the_history_names_the_recording_that_was_drawn():
    y = np.sin(np.arange(30001) / 9).astype(np.float32)
    noises = [
        Recording(f"n{i}", np.random.default_rng(i).uniform(-1, 1, 90000).astype(np.float32), 44100) for i in range(40)
    ]
    for row in deform_clip(y, clip="c", background=noises)[1][17:]:
        step = jams_of(row, seconds=len(y) / 44100, background=noises).sandbox.muda.history[-1]
        assert (
            step["transformer"]["params"]["files"]
            == [step["state"]["filename"]]
            == [json.loads(row["state"])["filename"]]
        )


@pytest.mark.parametrize("n", [15000, 15001])
def test_noise_is_replayed_at_another_rate(tmp_path, n):
    noise = Recording("n", np.random.default_rng(0).uniform(-1, 1, 90000).astype(np.float32), 44100)
    row = deform_clip(np.sin(np.arange(30001) / 9).astype(np.float32), clip="c", background=[noise])[1][17]
    (tmp_path / "c.jams").write_text(jams_of(row, seconds=30001 / 44100, background=[noise]).dumps())
    y = np.sin(np.arange(n) * 2 / 9).astype(np.float32)
    assert len(replay(tmp_path / "c.jams", y, sr=22050, engine="rubberband", background=[noise])) == n
    with pytest.raises(InputError, match="stop must be"):
        replay(tmp_path / "c.jams", y[:-2], sr=22050, engine="rubberband", background=[noise])


def test_short_recordings_are_repeated():
    y, short = (
        np.sin(np.arange(30000) / 9).astype(np.float32),
        Recording("short", np.random.default_rng(0).uniform(-1, 1, 1000).astype(np.float32), 44100),
    )
    assert np.isfinite(deform(y, deformation="bgnoise", level=0, background=[short])).all()


def test_a_changed_file_is_read_again(tmp_path):
    for value in (0.1, 0.2):
        y = value + 0.01 * np.sin(np.arange(6000 + int(10 * value)))
        soundfile.write(tmp_path / "n.wav", y, 44100)
        assert load_background([tmp_path / "n.wav"])[0].samples[0] == pytest.approx(value, abs=1e-3)


@pytest.mark.parametrize(
    "name, why",
    [("silent.wav", "is silent"), ("one.wav", "must last"), ("cut.wav", "cut short"), ("piped.flac", "no length"),
     ("joined.mp3", "can be read"), ("folder", "is a folder"), ("", "empty"), ("gone.wav", "no such file"),
     ("text.wav", "not a sound file"), ("unfinished.wav", "unfinished")],
)  # fmt: skip
def test_recordings_get_the_checks_that_clips_get(tmp_path, name, why):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 3 * 44100)
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.wav").write_text("no sound")
    soundfile.write(tmp_path / "silent.wav", np.zeros(44100), 44100)
    soundfile.write(tmp_path / "one.wav", noise[:1], 44100)
    for whole in ("n.wav", "n.flac", "n.mp3"):
        soundfile.write(tmp_path / whole, noise, 44100)
    data = bytearray((tmp_path / "n.wav").read_bytes())
    (tmp_path / "cut.wav").write_bytes(data[:90_000])
    struct.pack_into("<I", data, data.index(b"data") + 4, 0)
    (tmp_path / "unfinished.wav").write_bytes(data)
    (tmp_path / "joined.mp3").write_bytes((tmp_path / "n.mp3").read_bytes() * 2)
    data = bytearray((tmp_path / "n.flac").read_bytes())
    struct.pack_into(">Q", data, 18, struct.unpack_from(">Q", data, 18)[0] >> 36 << 36)
    (tmp_path / "piped.flac").write_bytes(data)
    with pytest.raises(InputError, match=why):
        load_background([tmp_path / name if name else ""])


def test_generated_noise_is_always_the_same():
    sums = [
        hashlib.sha256((generated_street(j).samples * 1000).round().astype(np.int16).tobytes()).hexdigest()
        for j in range(4)
    ]
    generated_street.cache_clear()
    assert (
        sums
        == [
            hashlib.sha256((generated_street(j).samples * 1000).round().astype(np.int16).tobytes()).hexdigest()
            for j in range(4)
        ]
        and len(set(sums)) == 4
    )


# -- sound for other tools ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["rubberband", "signalsmith"])
def test_export_is_whole_resumable_and_replays(clips, tmp_path, engine):
    few, how = clips.iloc[:2].reset_index(drop=True), dict(engine=engine, progress=False)
    folder = export_audio(few, tmp_path / "audio", seed=3, **how)
    before = {f: f.stat().st_mtime_ns for f in folder.rglob("*") if f.is_file()}
    assert (
        folder / ".metaug.json" in before
        and len([f for f in before if f.name != ".metaug.json"]) == 2 * 21 * 2
        and not list(folder.rglob("*.partial"))
    )
    export_audio(few, folder, seed=3, **how)
    with pytest.raises(InputError, match=r"was made from other seed \(3, not 4\)"):
        export_audio(few, folder, seed=4, **how)
    assert before == {f: f.stat().st_mtime_ns for f in folder.rglob("*") if f.is_file()}
    for file in sorted(folder.rglob("*.jams"))[:21]:
        jam, sound = jams.load(str(file)), read_audio(file.with_suffix(".flac"))
        assert jam.file_metadata.duration == pytest.approx(len(sound) / 44100, abs=1e-4)
        assert np.array_equal(augmentation.pcm16(replay(file, few.path[0])), sound)


def test_export_stays_in_its_folder(clips, tmp_path):
    with pytest.raises(InputError, match="must not lead out"):
        export_audio(clips.iloc[:1].assign(clip="../x"), tmp_path / "a", progress=False)
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="was not made by metaug augment"):
        export_audio(clips, tmp_path, progress=False)
    twins = clips.iloc[:2].assign(clip=["a", "a_drc0"])
    with pytest.raises(InputError, match="a_drc0: a deformed a will have this name"):
        export_audio(twins, tmp_path / "a", progress=False)
    among = Path(clips.path.iloc[0]).parent
    with pytest.raises(InputError, match="holds the sound"):
        export_audio(clips, among, progress=False)
    assert not (tmp_path / "a").exists() and not (among / ".metaug.json").exists()
    with pytest.raises(InputError, match="engine must be one of rubberband, signalsmith, muda"):
        export_audio(clips, tmp_path / "a", engine="spectral")


# -- a new deformation -------------------------------------------------------------------------------------------------


OWN_DEFORMERS = """
import numpy as np
from metaug.augmentation import muda


class Reverse(muda.BaseTransformer):
    def __init__(self, part=1.0):
        super().__init__()
        self.part = part

    def states(self, jam):
        yield dict(part=self.part)

    def audio(self, mudabox, state):
        n = int(len(mudabox._audio["y"]) * state["part"])
        mudabox._audio["y"][:n] = mudabox._audio["y"][:n][::-1].copy()


class Gain(muda.BaseTransformer):
    def __init__(self, most, *, rng):
        super().__init__()
        self.most, self._rng = most, rng

    def states(self, jam):
        yield dict(decibels=float(self._rng.uniform(-self.most, self.most)))

    def audio(self, mudabox, state):
        mudabox._audio["y"] = mudabox._audio["y"] * 10 ** (state["decibels"] / 20)


def jitter(samples, sample_rate):
    return samples + 0.01 * np.random.standard_normal(len(samples)).astype(np.float32)


def sometimes_nothing(samples, sample_rate):
    return None if np.random.uniform() < 0.5 else samples
"""


@pytest.fixture
def own_deformers(tmp_path, monkeypatch):
    "A module of one's own that every process finds."
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "own_deformers.py").write_text(OWN_DEFORMERS)
    monkeypatch.syspath_prepend(tmp_path / "modules")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"), prepend=os.pathsep)
    get_reusable_executor().shutdown()  # workers of tests before know nothing of the folder
    grid = tmp_path / "grid.yaml"
    grid.write_text("own_deformers:Reverse: [0.25, 1.0]\nlouder: {deformer: 'own_deformers:Gain', values: [3, 6, 9]}\n")
    yield grid
    sys.modules.pop("own_deformers", None)


def test_a_file_and_a_class_make_a_deformation(own_deformers):
    y, grid = np.sin(np.arange(20000) ** 1.5 / 900).astype(np.float32), augmentation.read_grid(own_deformers)
    assert grid.names == ["Reverse", "louder"] and grid.versions == 6
    assert np.array_equal(deform(y, deformation="Reverse", level=1, engine="rubberband", grid=grid), y[::-1])
    assert np.array_equal(deform(y, deformation="Reverse", level=1, grid=grid), log_mel(y[::-1]))
    louder = [deform(y, deformation="louder", level=2, clip=clip, grid=grid) for clip in ("a", "b", "a")]
    assert np.array_equal(louder[0], louder[2]) and not np.array_equal(louder[0], louder[1])


def test_a_pipeline_gives_the_same_sound_with_one_worker_or_two(own_deformers, tmp_path):
    clips = load_clips("generated").iloc[::40].reset_index(drop=True)
    grid = augmentation.union(
        [augmentation.read_grid(own_deformers), augmentation.pipeline_grid("own_deformers:jitter", per_clip=3)]
    )
    one, two = (augment(clips, tmp_path / f"store{jobs}", grid=grid, jobs=jobs, progress=False) for jobs in (1, 2))
    assert len(one.samples) == len(clips) * grid.versions == len(clips) * 9
    for a, b in zip(one, two):
        assert np.array_equal(a, b)
    assert one.samples.deformation.unique().tolist() == ["original", "Reverse", "louder", "jitter"]


def test_a_version_that_a_pipeline_fails_to_make_costs_only_itself(own_deformers, tmp_path):
    clips = load_clips("generated").iloc[::40].reset_index(drop=True)
    grid = augmentation.pipeline_grid("own_deformers:sometimes_nothing", per_clip=6)
    with pytest.warns(UserWarning, match="are left out: .*: the pipeline gave nothing"):
        store = augment(clips, tmp_path / "store", grid=grid, progress=False)
    counts = store.samples.groupby("clip").size()
    assert store.missing() == [] and 5 < counts.sum() < 5 * 7 and counts.max() <= 7
    assert sum(1 for _ in store) == counts.sum() and store.verify() == []


def test_generated_noise_is_kept_and_a_damaged_file_made_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("METAUG_CACHE", str(tmp_path))
    made = generated._kept_street(0, 1.0)
    kept = tmp_path / "street-v1-0-1s.npy"
    whole = kept.read_bytes()
    for damaged in (b"", whole[:100], whole[:-1], np.zeros(3).tobytes(), b"PK\x03\x04" + whole):
        kept.write_bytes(damaged)
        assert np.array_equal(generated._kept_street(0, 1.0), made) and kept.read_bytes() == whole
    monkeypatch.setenv("METAUG_CACHE", str(kept))  # a file, so nothing can be kept there
    assert np.array_equal(generated._kept_street(0, 1.0), made)


# -- Signalsmith Stretch -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 5, 100, 1023, 1025, 15262, 44100])
def test_signalsmiths_lengths_are_rubber_bands(n):
    y = (0.1 * np.random.default_rng(n).standard_normal(n)).astype(np.float32)
    for deformation, level in [("stretch", 0), ("stretch", 3), ("pitch2", 0)]:
        how = dict(deformation=deformation, level=level)
        assert len(deform(y, engine="signalsmith", **how)) == len(deform(y, engine="rubberband", **how))


def harmonics(hertz, seconds=1.5):
    t = np.arange(int(44100 * seconds)) / 44100
    return (0.3 * sum(np.sin(2 * np.pi * hertz * n * t) / n for n in (1, 2, 3))).astype(np.float32)


@pytest.mark.parametrize("semitones", [-24, -3.5, -1, 2, 3.5, 12])
def test_signalsmith_shifts_by_the_semitones_asked_for(semitones):
    "Within ten cents, by YIN's estimate."
    expected = 440 * 2 ** (semitones / 12)
    shifted = augmentation.signalsmith(harmonics(440), semitones=semitones)
    found = np.median(librosa.yin(shifted, fmin=0.7 * expected, fmax=1.5 * expected, sr=44100))
    assert abs(1200 * np.log2(found / expected)) < 10


@pytest.mark.parametrize("rate", [0.5, 0.81, 1.23, 2])
def test_signalsmith_stretches_time_and_keeps_the_pitch(rate):
    clicks = np.zeros(88200, np.float32)
    clicks[[22050, 66150]] = 0.9
    out = augmentation.signalsmith(clicks, rate=rate)
    first, second = (half.argmax() for half in np.split(abs(out[: len(out) // 2 * 2]), 2))
    assert abs(np.array([first, second + len(out) // 2]) * rate - [22050, 66150]).max() < 220, "five milliseconds"
    found = np.median(librosa.yin(augmentation.signalsmith(harmonics(440), rate=rate), fmin=300, fmax=600, sr=44100))
    assert abs(1200 * np.log2(found / 440)) < 10


def test_signalsmith_is_as_near_to_rubber_band_as_rubber_bands_finer_engine():
    "Within a tenth: 2.9 dB, both for a stretch and for a shift, on generated sounds; 2.9 and 3.2 on ESC-10."
    clips, rows = load_clips("generated").path[::40], []
    for y in (read_audio(path)[:44100] for path in clips):
        for how in (dict(rate=2**-0.3), dict(rate=2**0.3), dict(semitones=-3.5), dict(semitones=3.5)):
            nearest = log_mel(augmentation.rubber_band(y, **how))
            stretch_and_shift = how.get("rate", 1.0), how.get("semitones", 0.0)
            finer = pedalboard.time_stretch(y, 44100.0, *stretch_and_shift, high_quality=True, preserve_formants=False)
            far = log_mel(np.resize(finer.ravel(), round(len(y) / how.get("rate", 1.0))))
            own = log_mel(augmentation.signalsmith(y, **how))
            rows.append((*how, abs(own - nearest).mean(), abs(far - nearest).mean()))
    table = pd.DataFrame(rows, columns=["kind", "signalsmith", "finer"]).groupby("kind").mean()
    assert (table.signalsmith < 1.1 * table.finer).all() and (table.signalsmith < 3.5).all(), table


def test_signalsmith_gives_the_same_store_in_any_process(clips, tmp_path):
    few = clips.head(3)
    one, two = (augment(few, tmp_path / str(jobs), engine="signalsmith", jobs=jobs, progress=False) for jobs in (1, 2))
    for row in range(len(one.samples)):
        assert np.array_equal(one.read(row), two.read(row))


def test_rates_at_which_rubber_band_never_comes_back_are_refused():
    with pytest.raises(InputError, match="sr must be >= 1000"):
        augmentation.rubber_band(np.zeros(10, np.float32), sr=100, rate=0.9)
