"""`polyloom music`: from MIDI files to a model, to new tunes, to sound, and what harmony says of chords.

A model of music is any model whose vocabulary is a `MidiVocabulary`, or has one behind its text (`BlockVocabulary`), so
`compose` and `inspect` take it too.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeAlias

import numpy as np
import typer

from polyloom.association.model import AssociationModel
from polyloom.cli.models import opened, unknown_words
from polyloom.cli.options import Force, Json, ModelFile, Output
from polyloom.cli.output import check_free, note, print_json
from polyloom.compose.recipe import replay
from polyloom.compose.recipe_file import carried_recipe
from polyloom.errors import FileError, InputError
from polyloom.generate.sampling import Sampling
from polyloom.generate.trace import Generation
from polyloom.model import LanguageModel
from polyloom.music.abc import read_abc, style, tunes_in
from polyloom.music.augment import KEYS, augmented
from polyloom.music.blocks import BlockVocabulary, MusicVocabulary
from polyloom.music.constraints import AT_ONCE, keeping
from polyloom.music.midi import read_midi
from polyloom.music.schemes import Scheme
from polyloom.music.score import Score
from polyloom.music.synth import RATE, write_wav
from polyloom.music.theory.explaining import Level, explain
from polyloom.music.vocabulary import MidiVocabulary
from polyloom.music.written import score_of, write_music
from polyloom.tokens.vocabulary import SENTENCE_END, Ids
from polyloom.tokens.word import WordVocabulary

ABC = ".abc"

app = typer.Typer(add_completion=False, rich_markup_mode="markdown", no_args_is_help=True)

Files: TypeAlias = Annotated[
    list[Path], typer.Argument(metavar="FILE", help="MIDI, tunes in ABC, or folders of these.", show_default=False)
]
File: TypeAlias = Annotated[Path, typer.Argument(metavar="FILE", help="MIDI, or a tune in ABC.", show_default=False)]
SchemeName: TypeAlias = Annotated[Scheme, typer.Option(help="How music is told: see polyloom.music.schemes.")]
Grid: TypeAlias = Annotated[int, typer.Option(help="Steps a beat.")]


@app.callback()
def music() -> None:
    """Tunes: as tokens, as models, as sound."""


@app.command()
def tokenize(file: File, scheme: SchemeName = "remi", grid: Grid = 24, as_json: Json = False) -> None:
    """Print the tokens of a file, and how far the grid moved its notes.

    For example:

        polyloom music tokenize tune.mid
        polyloom music tokenize tune.mid --scheme chords --json
    """
    vocabulary, score = MidiVocabulary(scheme, grid), _first(file)
    ids, rounding = vocabulary.tokens(score), vocabulary.quantised(score)[1]
    for said in score.report:
        note(f"{file}: {said}")
    if as_json:
        facts = {"mean": rounding.mean, "most": rounding.most, "shortest": rounding.shortest}
        print_json({"file": str(file), "notes": len(score), "tokens": ids.tolist(), "moved": facts})
    else:
        typer.echo(vocabulary.decode(ids))
        note(f"{len(score):,} notes, {len(ids):,} tokens; onsets moved by at most {rounding.most:.3g} beats")


@app.command()
def train(
    files: Files,
    output: Output,
    scheme: SchemeName = "remi",
    grid: Grid = 24,
    order: Annotated[int, typer.Option(min=1, help="Tokens of the longest n-gram.")] = 8,
    keys: Annotated[bool, typer.Option("--keys", help="Learn each tune in all twelve keys.")] = False,
    captions: Annotated[bool, typer.Option("--captions", help="Under its style: R: in ABC, else its folder.")] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Learn an association model of tunes.

    For example:

        polyloom music train nottingham/ -o folk.psam
        polyloom music train mine.abc -o mine.psam --keys --captions
    """
    check_free(output, force, files)
    music = MidiVocabulary(scheme, grid)
    scores = [told for file in _listed(files) for told in _read(file)]
    if not scores:
        raise InputError("No file holds music that can be read.")
    told = [(caption, other) for caption, score in scores for other in augmented(score, KEYS if keys else (0,))]
    if captions:
        vocabulary = BlockVocabulary(WordVocabulary.train(caption for caption, _ in told), music)
        tunes = [vocabulary.captioned(caption, score) for caption, score in told]
    else:
        vocabulary = music
        tunes = [_ended(music, score) for _, score in told]
    model = AssociationModel.fit(tunes, vocabulary, order=order)
    model.save(output)
    facts = {"model": str(output), "tunes": len(scores), "tokens": model.tokens_counted}
    if as_json:
        print_json(facts)
    else:
        typer.echo(f"{output}: {len(scores):,} tunes, {model.tokens_counted:,} tokens of {vocabulary!r}")


@app.command()
def generate(
    model: ModelFile,
    output: Output,
    begin: Annotated[Path | None, typer.Option(metavar="FILE", help="Go on from this tune.")] = None,
    tokens: Annotated[int, typer.Option(min=1, help="At most so many.")] = 400,
    temperature: Annotated[float, typer.Option(min=0)] = 0.9,
    min_p: Annotated[float, typer.Option(min=0, max=1, help="Leave out what is far less likely.")] = 0.05,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    key: Annotated[str | None, typer.Option(help="Keep to a key, such as 'A minor'.")] = None,
    low: Annotated[int, typer.Option(help="Lowest pitch.")] = 0,
    high: Annotated[int, typer.Option(help="Highest pitch.")] = 127,
    caption: Annotated[str, typer.Option(help="For a model that learned with --captions, such as 'blues'.")] = "",
    force: Force = False,
) -> None:
    """Write a tune as MIDI, or as sound if FILE ends in .wav; the file carries its recipe.

    For example:

        polyloom music generate folk.psam -o tune.mid --seed 3
        polyloom music generate folk.psam -o tune.wav --key G --low 55 --high 84
        polyloom music generate mine.psam -o tune.mid --caption blues
    """
    check_free(output, force, [begin] if begin else [])
    loaded = opened(model)
    vocabulary = _vocabulary(loaded)
    begun = Score.of([]) if begin is None else _first(begin)
    if isinstance(vocabulary, BlockVocabulary):
        unknown_words(vocabulary.text, caption)
        prompt = vocabulary.opening(caption, begun)
    elif caption:
        raise InputError(f"{model} has learned no captions. Train one that has: polyloom music train --captions.")
    else:
        prompt = vocabulary.tokens(begun)
    sampling = Sampling(temperature=temperature, max_tokens=tokens, seed=seed, min_p=min_p)
    kept = keeping(sampling, vocabulary, caption, key=key, low=low, high=high, longest=AT_ONCE)
    _save(loaded.generate(prompt, kept), output)


@app.command()
def remake(
    model: ModelFile,
    recipe: Annotated[
        Path, typer.Argument(metavar="FILE", help="What `generate` wrote, or a recipe.", show_default=False)
    ],
    output: Output,
    force: Force = False,
) -> None:
    """Write a tune again from the recipe that its file carries: from the same model the same bytes.

    For example:

        polyloom music remake folk.psam tune.mid -o again.mid
    """
    check_free(output, force, [recipe])
    _save(replay(recipe, opened(model)), output)


@app.command(name="explain")
def explain_chords(
    chords: Annotated[list[str], typer.Argument(metavar="CHORD", help="One, or several one after another.")],
    level: Annotated[Level, typer.Option(help="For whom.")] = "student",
    key: Annotated[str | None, typer.Option(help="The key; by default the likeliest.")] = None,
    as_json: Json = False,
) -> None:
    """Say what chords are, and what they do.

    For example:

        polyloom music explain G7
        polyloom music explain Dm7 G7 Cmaj7 --level musician
    """
    said = explain(chords[0] if len(chords) == 1 else chords, level, key)
    if as_json:
        print_json({"text": str(said), "facts": said.facts})
    else:
        typer.echo(str(said))


@app.command()
def render(
    file: File,
    output: Output,
    rate: Annotated[int, typer.Option(help="Samples a second.")] = RATE,
    force: Force = False,
) -> None:
    """Write a file as sound: WAV, the same samples each time, and the recipe if the file carries one.

    For example:

        polyloom music render tune.mid -o tune.wav
    """
    check_free(output, force, [file])
    score = _first(file)
    write_wav(score, output, rate, None if file.suffix.lower() == ABC else carried_recipe(file))
    typer.echo(f"{output}: {score!r}")


def _read(file: Path) -> list[tuple[str, Score]]:
    """What one of many files holds, each score after its style; a note for what cannot be read."""
    found: list[tuple[str, Score]] = []
    for n, tune in enumerate(_tunes(file), 1):
        try:
            found.append(_told(file, n, tune))
        except (FileError, InputError) as error:
            note(str(error))
    return found


def _first(file: Path) -> Score:
    """The score of a file, the first one of several; InputError if there is none."""
    tunes = _tunes(file)
    if not tunes:
        raise InputError(f"{file} holds no tune.")
    if len(tunes) > 1:
        note(f"{file} holds {len(tunes)} tunes; this is the first.")
    return _told(file, 1, tunes[0])[1]


def _told(file: Path, n: int, tune: str | None) -> tuple[str, Score]:
    """The style of the n-th tune of a file, what R: says or the name of the folder, and its score."""
    folder = file.resolve().parent.name
    if tune is None:
        return folder, read_midi(file)
    try:
        return style(tune) or folder, read_abc(tune)
    except InputError as error:
        raise InputError(f"{file}, tune {n}: {error}") from None


def _tunes(file: Path) -> Sequence[str | None]:
    """The tunes of a file in ABC; of MIDI one that is no text."""
    return tunes_in(file.read_bytes()) if file.suffix.lower() == ABC else [None]


def _listed(files: list[Path]) -> list[Path]:
    kinds = (".mid", ".midi", ABC)
    return [
        one
        for file in files
        for one in (sorted(p for p in file.rglob("*") if p.suffix.lower() in kinds) if file.is_dir() else [file])
    ]


def _ended(vocabulary: MidiVocabulary, score: Score) -> Ids:
    return np.append(vocabulary.tokens(score), [vocabulary.id_of(SENTENCE_END)]).astype(np.int64)


def _vocabulary(model: LanguageModel) -> MusicVocabulary:
    if not isinstance(model.vocabulary, MusicVocabulary):
        raise InputError(
            f"The model speaks {model.vocabulary!r}, not music. Train one: polyloom music train FILE -o FILE."
        )
    return model.vocabulary


def _save(written: Generation, output: Path) -> None:
    """A tune and what it began with, as a file that says how it was made."""
    write_music(written, output)
    typer.echo(f"{output}: {score_of(written)!r}")
