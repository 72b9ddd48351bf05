"The deformations of a clip, by four engines."

from ..core.moved import renamed
from ..core.constants import DEFORMATIONS, ENGINES, WEIGHTS
from ..datasets.sounds import pcm16
from .engines import compand, load_muda, muda, rubber_band, signalsmith, sound_engine
from .spectral import PHASE_LOSS, log_mel_at, pitch_mel, stretch_mel
from .background import Recording, generated_street, load_background, mix, noise_segment
from .grids import (
    GRIDS,
    HARSH_GRID,
    PAPER_GRID,
    Deformation,
    Grid,
    Making,
    check_grid,
    deformer_of,
    grid_of,
    grid_table,
    read_grid,
    union,
)
from .candidates import (
    Candidates,
    Gathered,
    collection_names,
    gather,
    made_names,
    pipeline_grid,
    read_candidates,
    with_candidates,
)
from .deformers import (
    AUGMENT_VERSION,
    DEFORMERS,
    BackgroundNoise,
    DynamicRangeCompression,
    LogspaceTimeStretch,
    PitchShift,
    TimeStretch,
    pack,
    sample_rng,
)
from .samples import augment, deform, deform_clip, store_attrs
from .pipelines import PipelineError, run_pipeline
from .provenance import MAX_JAMS, MAX_STEPS, jams_of, read_history, replay
from .export import DEFORMED_NAME, claim_audio, deformed_name, export_audio

__all__ = [
    "AUGMENT_VERSION",
    "DEFORMATIONS",
    "DEFORMED_NAME",
    "DEFORMERS",
    "ENGINES",
    "GRIDS",
    "HARSH_GRID",
    "MAX_JAMS",
    "MAX_STEPS",
    "PAPER_GRID",
    "PHASE_LOSS",
    "WEIGHTS",
    "BackgroundNoise",
    "Candidates",
    "Deformation",
    "DynamicRangeCompression",
    "Gathered",
    "Grid",
    "LogspaceTimeStretch",
    "Making",
    "PipelineError",
    "PitchShift",
    "Recording",
    "TimeStretch",
    "augment",
    "check_grid",
    "claim_audio",
    "collection_names",
    "compand",
    "deform",
    "deform_clip",
    "deformed_name",
    "deformer_of",
    "export_audio",
    "gather",
    "generated_street",
    "grid_of",
    "grid_table",
    "jams_of",
    "load_background",
    "load_muda",
    "log_mel_at",
    "made_names",
    "mix",
    "muda",
    "noise_segment",
    "pack",
    "pcm16",
    "pipeline_grid",
    "pitch_mel",
    "read_candidates",
    "read_grid",
    "read_history",
    "replay",
    "rubber_band",
    "run_pipeline",
    "sample_rng",
    "signalsmith",
    "sound_engine",
    "store_attrs",
    "stretch_mel",
    "union",
    "with_candidates",
]

__getattr__ = renamed(
    __name__,
    {
        "read_mel": "log_mel_at",
    },
)
