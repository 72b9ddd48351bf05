"The `metaug` command: thin, no logic; every command is a function of the package."

# Longer than 350 lines: one function for each command, most of it their help.

import errno
import json
import os
import shutil
import sys
import warnings
from pathlib import Path

import click

import metaug
from metaug.core.constants import BUDGETS, ENGINES, SOURCES

DATA_HELP = (
    "generated, esc10, esc50, urbansound8k, a folder with one subfolder for each class, "
    "or a CSV or Parquet with path,label[,fold,source]"
)
# what can be checked at once: looking it up would import torch, which takes seconds
SCHEME_NAMES = "none brute metric random class class-oracle classifier weight pretrained conformal vote".split()
RECIPE_NAMES = "paper modern smooth mixup".split()


class Listed(click.ParamType):
    "Values separated by commas."

    name = "list"

    def __init__(self, kind):
        self.kind = kind

    def convert(self, value, param, ctx):
        if isinstance(value, tuple):
            return value
        try:
            return tuple(self.kind(part.strip()) for part in value.split(",") if part.strip())
        except ValueError:
            self.fail(f"{value!r} is not a list of {self.kind.__name__} separated by commas", param, ctx)


class SchemeNames(Listed):
    "Names of schemes; what is no scheme, by its form, is refused at once."

    def __init__(self):
        super().__init__(str)

    def convert(self, value, param, ctx):
        schemes = super().convert(value, param, ctx)
        for scheme in schemes:
            rule = scheme.partition("@")[0]
            for control in ("random-by-class:", "random:"):
                rule = rule.removeprefix(control)
            if rule not in SCHEME_NAMES and ":" not in rule and not rule.startswith(("only-", "conformal-")):
                raise click.UsageError(
                    f"scheme must be one of {', '.join(SCHEME_NAMES)} or only-<deformation>, got {scheme}", ctx
                )
        return schemes


class Sounds(click.ParamType):
    "A collection's name, or a folder or table that exists; a mistyped one is refused at once."

    name = "sounds"

    def __init__(self, *others):
        self.others = others  # names besides files

    def convert(self, value, param, ctx):
        if value not in self.others and not os.path.exists(os.path.expanduser(value)):
            raise click.UsageError(
                f"{value}: there is no such folder or file, and it is none of {', '.join(self.others)}", ctx
            )
        return value


class Finished(click.ParamType):
    "The folder of a run, or its URL."

    name = "folder"

    def convert(self, value, param, ctx):
        if "://" not in value and not os.path.exists(value):
            raise click.UsageError(f"{value}: there is no such folder", ctx)
        return value


class Candidates(Sounds):
    "What is judged; a pipeline, module:name, is looked up later."

    def convert(self, value, param, ctx):
        return value if ":" in value else super().convert(value, param, ctx)


def _as_told(error) -> tuple[int, str]:
    "Exit status and line of an error that a person can do something about; status 0: it is none of these."
    kinds = {kind.__name__ for kind in type(error).__mro__}  # importing them takes seconds
    if "InputError" in kinds:
        return 2, str(error)
    if "TaskError" in kinds:
        return 1, str(error)
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "metaug"
        return 2, f"{error.format_message()} ({path} --help explains it)"
    if isinstance(error, ImportError) and error.name in ("muda", "soundfile", None):
        return 2, str(error)  # without a name it is said in words, as of a filesystem that isn't installed
    if isinstance(error, OSError) and error.errno not in (None, errno.EPIPE):
        # without a file it is a full disk
        return (2, f"{error.filename}: {error.strerror}") if error.filename else (1, error.strerror)
    return 0, ""


class OneLine(click.Group):
    "A command group that tells bad input in one line (exit status 2) and failed work in one line (exit status 1)."

    def invoke(self, ctx):
        from metaug.core.process import sigterm_as_interrupt

        def without_source_line(message, *_, **__):
            return f"metaug: warning: {message}\n"

        before, warnings.formatwarning = warnings.formatwarning, without_source_line

        try:
            with sigterm_as_interrupt():
                return super().invoke(ctx)
        except Exception as error:
            code, message = _as_told(error)
            if not code:
                raise
        finally:
            warnings.formatwarning = before
        click.echo(f"metaug: {message}", err=True)
        ctx.exit(code)


def _json(value) -> str:
    return json.dumps(value, indent=1, allow_nan=False)


SHORT = """Which of these sounds are worth training on?

  metaug data my_sounds                    what is there, and what to look at first
  metaug select my_sounds --out filtered   keep what your own sounds agree with; a page plays what was kept and what not
  metaug judge my_sounds                   which recordings may be mislabelled

my_sounds is a folder with one subfolder for each class. All commands: metaug --help"""


@click.group(
    cls=OneLine,
    invoke_without_command=True,
    context_settings=dict(help_option_names=["-h", "--help"], max_content_width=110),
)
@click.version_option(metaug.__version__, prog_name="metaug")
@click.pass_context
def main(ctx):
    """Which augmented, generated or downloaded sounds are worth training on?

    \b
    metaug demo                              all of it on generated sounds whose truth is known
    metaug data my_sounds                    what a collection holds
    metaug select my_sounds --out filtered   keep the candidates that your own sounds agree with
    metaug judge my_sounds                   which recordings may be mislabelled
    metaug plan --data esc10                 what the paper's experiment would take
    metaug run --data esc10 --folds 1        the paper's experiment, here one test fold of it
    metaug report runs/esc10                 what came out, with paired tests
    metaug augment --data esc10 --store S    deform all clips, nothing else

    The exit status is 0 when all is done, 1 when some work failed (what is done is kept), 2 for bad input.

    Completion by the Tab key, for this shell: eval "$(_METAUG_COMPLETE=bash_source metaug)" (or zsh_source); for
    fish: _METAUG_COMPLETE=fish_source metaug | source
    """
    if ctx.invoked_subcommand is None:
        click.echo(SHORT)


data_option = click.option("--data", type=Sounds(*SOURCES), default="generated", show_default=True, help=DATA_HELP)


def _jobs(ctx, param, value):
    "There is no work without a process."
    if value == 0:
        raise click.BadParameter("must be at least 1, or -1 for one per core, got 0", ctx, param)
    return value


jobs_option = click.option(
    "--jobs", default=-1, show_default=True, callback=_jobs, help="processes; -1: one for each core"
)
engine_option = click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default="spectral",
    show_default=True,
    help="what deforms: spectral (log-mels only, fastest), or by sound: rubberband, signalsmith (faster, without the "
    "GPL, needs python-stretch) or muda",
)
strict_option = click.option(
    "--strict", is_flag=True, help="a file that can't be read is an error; without it, it is left out and listed"
)
json_option = click.option("--json", "as_json", is_flag=True, help="for machines: one JSON object on standard output")
candidates_option = click.option(
    "--candidates",
    type=Candidates("paper", "harsh"),
    multiple=True,
    default=["paper"],
    show_default=True,
    help="what is judged: paper, harsh, a grid in FILE.yaml or .json, or module:name, a pipeline of your own "
    "(audiomentations, pedalboard, a function), made of each clip; or a folder with a subfolder for each class or a "
    "table path,label[,clip][,source][,fold] of sounds made or found elsewhere; can be given several times",
)
per_clip_option = click.option(
    "--per-clip", default=4, show_default=True, help="versions that a pipeline of your own makes of each clip"
)
background_option = click.option(
    "--background",
    multiple=True,
    type=click.Path(),
    help="sound file for the background noise, can be given several times; by default, generated street-like noise",
)


@main.command(short_help="Say what a collection holds")
@click.argument("source", type=Sounds(*SOURCES))
@click.option(
    "--download",
    is_flag=True,
    help="fetch a published collection (esc10, esc50, urbansound8k) first, checked by its checksum",
)
@click.option(
    "--picture", type=click.Path(dir_okay=False), help="draw clips, lengths and levels into this file (png, svg, pdf)"
)
@strict_option
@json_option
def data(source, download, picture, strict, as_json):
    """Say what a collection of sounds holds: classes, folds, formats, and what a person should look at.

    \b
    Examples:
      metaug data my_sounds
      metaug data esc10 --picture esc10.png
      metaug data my_sounds --json | jq '.findings'
    """
    from metaug import datasets

    if download:
        click.echo(f"in {datasets.download(source, progress=True)}", err=as_json)
    here = datasets.survey(source, strict=strict, progress=True)
    if picture:
        datasets.save_picture(here, picture)
    click.echo(_json(here.as_dict()) if as_json else here.text())


@main.command(short_help="Deform all clips into a store of log-mels")
@data_option
@click.option("--store", required=True, type=click.Path(), help="folder of the log-mel store, new or begun")
@engine_option
@background_option
@candidates_option
@per_clip_option
@click.option("--seed", default=0, show_default=True, help="where chance comes from")
@jobs_option
@click.option("--audio", type=click.Path(), help="also write each sample as FLAC and JAMS into this folder")
def augment(data, store, engine, background, candidates, per_clip, seed, jobs, audio):
    """Deform all clips into a store of log-mels.

    Example: metaug augment --data esc10 --store esc10-store --jobs 2

    By default in the paper's 20 ways. An interrupted build resumes.
    """
    import joblib

    from metaug import augmentation, datasets, features

    wanted = augmentation.read_candidates(candidates, per_clip=per_clip)
    _run_folder(store)
    if audio:
        _local_folder(audio)
    originals, grid = datasets.usable(datasets.load_clips(data), progress=True), wanted.grid
    gathered = augmentation.gather(wanted, originals, data=data, seed=seed, tell=click.echo)
    for note in gathered.notes:
        warnings.warn(note)
    clips = augmentation.with_candidates(originals, gathered)
    sounding = augmentation.sound_engine(engine)
    if audio:  # what can't be written is said before hours of work
        if Path(audio).resolve() == Path(store).resolve():
            raise datasets.InputError(f"{audio}: is to hold the store; name another folder for the sound")
        for sounds in (data, *wanted.collections):
            features.refuse_among_sounds(Path(audio), sounds)
        augmentation.claim_audio(clips, audio, engine=sounding, seed=seed, background=background, grid=grid)
    how = dict(seed=seed, background=background, grid=grid, jobs=joblib.effective_n_jobs(jobs), progress=True)
    built = augmentation.augment(clips, store, engine=engine, **how)
    click.echo(f"{len(built.samples)} samples of {len(originals)} clips in {store}")
    if audio:
        augmentation.export_audio(clips, audio, engine=sounding, **how)
        click.echo(f"sound and JAMS in {audio}")


@main.command(short_help="Show selection on generated sounds whose truth is known")
@click.option(
    "--out", type=click.Path(), default="runs/demo", show_default=True, help="folder of sounds, tables and figures"
)
@jobs_option
def demo(out, jobs):
    """Show selection on generated sounds whose truth is known: about a minute on two cores.

    Example: metaug demo

    Of 400 candidates for 200 labelled sounds, half carry a wrong label. The paper's learned metric judges them; you
    see how many of the wrong ones it found, and what training without them gives.
    """
    _local_folder(out)
    click.echo("metaug demo: generated sounds, nothing is downloaded")  # before imports that take seconds
    from metaug import curation

    done = curation.demo(out, jobs=jobs, tell=click.echo)
    click.echo("\n" + done.text(command="metaug" if shutil.which("metaug") else os.path.relpath(sys.argv[0])))


@main.command(short_help="Time metaug against the usual tools")
@click.option("--quick", is_flag=True, help="smaller pairs and fewer runs: about two minutes instead of seven or more")
@click.option(
    "--out", type=click.Path(), default="runs/bench", show_default=True, help="folder of the tables and the picture"
)
def bench(quick, out):
    """Time metaug against the usual tools, in alternation on this machine.

    Example: metaug bench --quick
    """
    from metaug import benchmarks

    def announce(line):
        click.echo(f"metaug bench: {line}", err=True)

    _local_folder(out)
    Path(out).mkdir(parents=True, exist_ok=True)  # before minutes of work, in case it cannot be written
    done = benchmarks.bench(quick=quick, tell=announce)
    click.echo(done.text())
    click.echo("\nWritten: " + " ".join(done.save(out)))


def _local_folder(out):
    "Refuse a URL where a folder of this machine is meant, before it becomes the name of one."
    from metaug.datasets import InputError

    if "://" in out:
        raise InputError(f"{out}: is a URL; name a folder of this machine")


def _run_folder(out):
    "Give a run's folder as URL or path, if there is such storage; `::`, which chains URLs, may be part of a name."
    from metaug.core.files import refuse_private_memory, storage

    if not ("::" in out and "://" not in out):
        storage(out)
    refuse_private_memory(out)
    return str(Path(out).absolute()) if "::" in out and "://" not in out else out


def protocol_options(function):
    "The options that make a `Settings`."
    for option in reversed(
        [
            data_option,
            click.option(
                "--schemes",
                type=SchemeNames(),
                default="none,brute,metric,random",
                show_default=True,
                help="ways to choose what is trained on, see above",
            ),
            click.option(
                "--k", type=Listed(int), default="5", show_default=True, help="neighbours, for schemes that have them"
            ),
            click.option(
                "--folds", type=Listed(str), default="all", show_default=True, help="test folds, e.g. 1 or 1-3,5"
            ),
            click.option(
                "--valid-folds", type=int, help="how many of the other folds serve as validation fold; all by default"
            ),
            click.option(
                "--seeds",
                type=Listed(int),
                default="0",
                show_default=True,
                help="of nets and classifiers; with several, all are trained once for each",
            ),
            click.option(
                "--recipe",
                type=click.Choice(RECIPE_NAMES),
                default="modern",
                show_default=True,
                help="paper (Adagrad, batch 256), modern (AdamW, batch 32, one cycle), "
                "smooth or mixup (modern with smoothed labels or blended patches)",
            ),
            click.option("--epochs", type=int, default=20, show_default=True, help="of the classifiers"),
            click.option("--metric-epochs", type=int, help="of the metric nets; three times --epochs by default"),
            click.option(
                "--budget",
                type=click.Choice(BUDGETS),
                default="steps",
                show_default=True,
                help="steps (as many for every scheme) or epochs (the paper's way)",
            ),
            engine_option,
            background_option,
            candidates_option,
            per_clip_option,
        ]
    ):
        function = option(function)
    return function


SCHEMES_EXPLAINED = """

    \b
    Schemes, of which --schemes takes several:
      none              the originals alone
      brute             every candidate
      metric            candidates that the paper's learned metric accepts
      random            as many of each class and deformation as metric, drawn at random
      classifier        accepted in the classification network's own embedding
      pretrained        accepted by a network that has heard AudioSet (EfficientAT)
      weight            drawn as often as the share of neighbours with its label
      conformal-KEEP    at least KEEP (0.95) of what is like the originals is kept
      class             deformations that helped the class on validation folds
      class-oracle      the same on the test folds: an upper bound that leaks
      only-stretch      one deformation alone
      RULE@JUDGE        a rule with another judge, e.g. vote@efficientat, the neighbours' majority under it
      random:SCHEME     the control of any scheme: as many of each class and deformation
      random-by-class:SCHEME  as many of each class alone
      module:name       one of your own
    """


def explains_schemes(function):
    "Put the list of schemes after a command's help."
    function.__doc__ = function.__doc__.rstrip() + SCHEMES_EXPLAINED
    return function


def _settings(folds, **options):
    from metaug.experiment import Settings, fold_numbers

    return Settings(folds=fold_numbers(folds), **options)


def _default_out(out, data):
    from metaug.experiment import run_name

    return _run_folder(out or str(Path("runs") / run_name(data)))


@main.command(short_help="Say what the paper's experiment would take")
@protocol_options
@jobs_option
@json_option
@click.option("--out", type=click.Path(), help="folder of a run that may have done some of it; runs/<data> by default")
@explains_schemes
def plan(data, jobs, out, as_json, **options):
    """Say what the experiment would take: trainings, samples, bytes and hours here, after a short calibration.

    Example: metaug plan --data esc10 --schemes none,brute,metric
    """
    from metaug import experiment

    cache = f"{_default_out(out, data)}/cache"
    expected = experiment.forecast_run(data, _settings(**options), cache, jobs=jobs)
    click.echo(_json(expected.as_dict()) if as_json else expected.text())


@main.command(short_help="Show what came out of a run")
@click.argument("folder", type=Finished())
@click.option(
    "--html",
    type=click.Path(dir_okay=False),
    help="also write the listening report to this file: one page that shows and plays what was accepted and rejected",
)
@click.option(
    "--max-mb", type=click.FloatRange(0, min_open=True), default=30, show_default=True, help="largest size of that page"
)
def report(folder, html, max_mb):
    """Show what came out of a run: accuracy with intervals, costs, paired tests, what its judges are worth.

    \b
    Examples:
      metaug report runs/esc10
      metaug report runs/esc10 --html report.html

    FOLDER is where `metaug run` wrote its tables, or a folder that holds one such folder for each test fold. The
    same is written there as CSV and figures.
    """
    from metaug import analysis
    from metaug.datasets import GENERATED_NOTE

    folder = _run_folder(folder)
    if html:
        _run_folder(html)
    results, acceptance, predictions, originals = analysis.read_run(folder)
    if "data" in results and results["data"].eq("generated").any():
        click.echo(f"{GENERATED_NOTE}\n")
    click.echo(analysis.show_report(results, predictions, originals))
    paths = analysis.save_report(results, predictions, folder, originals)
    paths += analysis.save_figures(results, acceptance, folder)
    if html:
        from metaug import listening

        paths.append(listening.listening_page(folder, html, max_mb=max_mb, progress=True))
    click.echo("\nWritten: " + " ".join(str(p) for p in paths))


@main.command(short_help="Run the paper's experiment")
@protocol_options
@jobs_option
@click.option(
    "--scheduler",
    help="address of a Dask scheduler, e.g. tcp://node1:8786, whose workers do the work; they must see --out",
)
@click.option(
    "--notebooks",
    is_flag=True,
    help="also make each test fold an executed notebook, fold01.ipynb and so on, from nbs/05_experiment.ipynb",
)
@click.option("--dry-run", is_flag=True, help="only say what would be done, and why")
@click.option(
    "--out",
    type=click.Path(),
    help="folder or fsspec URL of the tables, the figures and all finished work; runs/<data> by default",
)
@explains_schemes
def run(data, jobs, out, dry_run, scheduler, notebooks, **options):
    """Run the paper's experiment, from clips to tables and figures.

    \b
    Examples:
      metaug run --data generated --folds 1 --valid-folds 1 --epochs 6
      metaug run --data esc10 --schemes none,brute,metric,random --k 1,5 --seeds 0,1
      metaug run --data /shared/esc10 --out /shared/runs/esc10 --scheduler tcp://node1:8786

    If interrupted, the same command resumes. Each training writes a log, log.txt, into its folder under OUT/cache.
    """
    from metaug import analysis, experiment
    from metaug.datasets import GENERATED_NOTE

    settings, out = _settings(**options), _default_out(out, data)
    experiment.refuse_other_data(out, data)
    if notebooks:
        experiment.experiment_notebook(out)
    cache = f"{out}/cache"
    if dry_run:
        click.echo(experiment.dry_run(data, settings, cache))
        return
    outcome = experiment.experiment(data, settings, cache=cache, jobs=jobs, scheduler=scheduler, progress=True)
    paths = outcome.save(out) + analysis.save_figures(outcome.results, outcome.acceptance, out)
    if notebooks:
        paths += experiment.fold_notebooks(outcome, data, out, jobs=jobs, progress=True)
    if data == "generated":
        click.echo(f"{GENERATED_NOTE}\n")
    click.echo(analysis.show_summary(outcome.results))
    if worth := analysis.show_worth(outcome.originals):
        click.echo(f"\n{worth}")
    for title, ending in (("Tables", ".parquet"), ("Figures", ".png"), ("Notebooks", ".ipynb")):
        if named := [str(p) for p in paths if str(p).endswith(ending)]:
            click.echo(f"\n{title}: {' '.join(named)}")


@main.command(short_help="Keep the candidates that your own sounds agree with")
@click.argument("sounds", type=Sounds(*SOURCES))
@click.option(
    "--out", required=True, type=click.Path(), help="new folder for the result, or one that the same command has begun"
)
@click.option("--k", default=5, show_default=True, help="neighbours that vote on each candidate")
@engine_option
@background_option
@candidates_option
@per_clip_option
@click.option(
    "--judge",
    default="efficientat",
    show_default=True,
    help="efficientat (has heard AudioSet, needs no training; 4 MB, fetched once), npair (the paper's metric, learned "
    "from your sounds) or classifier, module:name of your own, or auto",
)
@click.option(
    "--rule",
    type=click.Choice(("vote", "conformal")),
    default="vote",
    show_default=True,
    help="vote: the neighbours' majority; conformal: a bound on what is lost",
)
@click.option(
    "--keep",
    default=0.95,
    show_default=True,
    help="for conformal: the least share that is kept of what is like the originals",
)
@click.option(
    "--overrule",
    type=click.Path(dir_okay=False),
    help="CSV of your own decisions, as the page saves it: clip,deformation,level,decision (accept or reject)",
)
@click.option(
    "--epochs",
    type=int,
    help="at most, of nets that are learned; by default as many as suit the number of clips",
)
@click.option("--folds", default=5, show_default=True, help="how many are made where there are none")
@click.option("--seed", default=0, show_default=True, help="of the folds that are made, and of nets that are learned")
@jobs_option
@click.option("--no-audio", is_flag=True, help="write tables and log-mels only, no sound")
@strict_option
@json_option
def select(sounds, out, no_audio, as_json, **options):
    """Filter candidates by agreement with your own labelled sounds, with a page to check every decision.

    \b
    Examples:
      metaug select my_sounds --out filtered
      metaug select my_sounds --out filtered --judge npair --no-audio
      metaug select my_sounds --out filtered --candidates generated_sounds --candidates found.csv
      metaug select my_sounds --out filtered --overrule overruled.csv
      metaug select my_sounds --out filtered --candidates harsh --candidates my_module:augment --per-clip 5
      metaug select my_sounds/list.csv --out filtered --k 3 --background street.wav --background park.flac

    SOUNDS is a folder with a subfolder for each class, or a CSV or Parquet with path,label[,fold,source]. Into OUT
    come the originals as they are and the accepted candidates, OUT/<class>/….flac (sounds from elsewhere in their own
    format), each with a JAMS of how it was made, and manifest.csv, summary.csv, report.html, and acceptance, quality,
    worth and clips as Parquet. Nothing in SOUNDS is changed. If interrupted, the same command resumes from
    OUT/.metaug-cache: log-mels and nets, about 1 MB for a clip of 5 s, which can be deleted when all is done.

    Where candidates may be wrong (generated, downloaded), choosing pays: with half of ESC-10's wrong, training on all
    gave 74.1%, on those that efficientat keeps 86.9%. On gentle deformations it did not: there keep them all.
    """
    from metaug import curation

    _local_folder(out)
    made = curation.select(
        sounds, out, audio=not no_audio, tell=None if as_json else click.echo, progress=True, **options
    )
    click.echo(_json(made.as_dict()) if as_json else made.text())


@main.command(short_help="Find recordings that may be mislabelled")
@click.argument("originals", type=Sounds(*SOURCES))
@click.argument("candidates", type=Sounds(*SOURCES), required=False)
@click.option(
    "--judge",
    default="efficientat",
    show_default=True,
    help="efficientat (has heard AudioSet, needs no training), npair (the paper's metric) or classifier, which learn "
    "from ORIGINALS first, module:name of your own, or auto",
)
@click.option(
    "--k", type=int, help="neighbours that vote on each recording; by default half of the fewest of a class, at most 20"
)
@click.option(
    "--epochs",
    type=int,
    help="at most, of nets that are learned; by default as many as suit the number of recordings",
)
@click.option("--folds", default=5, show_default=True, help="how many are made where there are none")
@click.option("--seed", default=0, show_default=True, help="of the folds that are made, and of nets that are learned")
@jobs_option
@click.option(
    "--html", type=click.Path(dir_okay=False), help="also write a page that plays what sounds like another class"
)
@click.option("--table", type=click.Path(dir_okay=False), help="also write the whole table into this CSV file")
@click.option(
    "--max-mb", type=click.FloatRange(0, min_open=True), default=30, show_default=True, help="largest size of the page"
)
@strict_option
@json_option
def judge(originals, candidates, html, table, max_mb, as_json, **options):
    """Find recordings that may be mislabelled, or sounds from elsewhere that are not of the class they claim.

    \b
    Examples:
      metaug judge my_sounds --html suspicious.html
      metaug judge my_sounds downloaded --table judged.csv
      metaug judge my_sounds --judge npair

    ORIGINALS, and CANDIDATES likewise, is a folder with a subfolder for each class, or a CSV or Parquet with
    path,label[,fold,source]. Without CANDIDATES each original is judged by those of the other folds. Nothing is
    deformed or changed; the most suspicious recording comes first, with what it sounds like instead. What a judge
    has learned is kept in metaug's cache folder, under judge, and can be deleted.
    """
    from metaug import curation

    said = curation.judge(originals, candidates, progress=True, **options)
    written = [curation.write_audit_table(said, table)] if table else []
    written += [curation.write_audit_page(said, html, max_mb=max_mb)] if html else []
    click.echo(_json(said.as_dict()) if as_json else said.text())
    if written and not as_json:
        click.echo(f"See {' and '.join(map(str, written))}")
    elif not as_json and not said.table.accepted.all():
        click.echo("To hear them, add --html suspicious.html")


if __name__ == "__main__":
    main()
