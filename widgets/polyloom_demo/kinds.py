"""What the demo shows, as a table: kinds of views, each with examples to click.

An example makes a widget from the models of the house.  The first one is what a visitor sees when a tab opens.  To some
kinds a visitor may bring files.  Tabs and explanations stand in `layout`, the drawing is the widgets' own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from polyloom.errors import InputError
from polyloom.generate.sampling import Sampling
from polyloom_datasets.catalogue import load
from polyloom_demo import music, uploads
from polyloom_demo.library import BROUGHT, Library
from polyloom_demo.uploads import Upload, composed, opening
from polyloom_widgets.attention.attention import AttentionView
from polyloom_widgets.base.widget import Widget
from polyloom_widgets.generation.generation import GenerationView
from polyloom_widgets.listen.listen import ListenAB
from polyloom_widgets.mixer.mixer import Mixer
from polyloom_widgets.roll.roll import PianoRoll
from polyloom_widgets.routing.routing import RoutingView


@dataclass(frozen=True)
class Example:
    """A button, and the widget behind it."""

    label: str
    make: Callable[[Library], Widget]


@dataclass(frozen=True)
class Files:
    """What may be brought: its endings, how many files and bytes, what is said of them, and the widget over them."""

    endings: tuple[str, ...]
    count: int
    most: int
    told: str
    make: Callable[[Sequence[Upload], Library], Widget]


def _desk(prompt: str, **weights: float) -> Callable[[Library], Widget]:
    def make(library: Library) -> Widget:
        mix = library.mix
        mix = mix.with_weights({name: weights.get(name, 0.0) for name in mix.layers}) if weights else mix
        return Mixer(mix, prompt, cast("Any", library.held_out))

    return make


def _attention(text: str, second: str | None = None) -> Callable[[Library], Widget]:
    return lambda library: AttentionView(library.transformer(), text, second=second)


def _speakers(text: str) -> Callable[[Library], Widget]:
    return lambda library: RoutingView(library.routed, text)


def _question(text: str) -> Callable[[Library], Widget]:
    return lambda library: RoutingView(library.router, text)


def _writing(prompt: str, **weights: float) -> Callable[[Library], Widget]:
    def make(library: Library) -> Widget:
        mix = library.mix.with_weights(weights) if weights else library.mix
        others = {f"only {name}": library.mix.models[name] for name in ("sea", "contracts", "lullabies")}
        view = GenerationView(mix, prompt, Sampling(temperature=0.4, seed=1, max_tokens=40), mixes=others)
        view.write()
        return view

    return make


def _styles(library: Library) -> Widget:
    return Mixer(library.styles.mix, music.PROMPT, cast("Any", library.styles.judge))


def _pair(library: Library) -> Widget:
    return ListenAB(*library.styles.pair, names=("all equal", "more blues"))


def _brought(*names: str) -> Callable[[Library], Widget]:
    """What a visitor would get who brought these texts."""

    def make(library: Library) -> Widget:
        mix, held_out = library.woven(names)
        return Mixer(mix, opening({name: load(name).text for name in names}), cast("Any", held_out))

    return make


KINDS: dict[str, tuple[Example, ...]] = {
    "mix": (
        Example("Five voices", _desk("At night the")),
        Example("A contract at sea", _desk("The Tenant shall", sea=1.0, contracts=0.6)),
        Example("A recipe to fall asleep by", _desk("Stir the", kitchen=1.0, lullabies=1.0)),
    ),
    "attend": (
        Example("One sentence", _attention("At night the boats come home to the harbour.")),
        Example("A word that comes back", _attention("The Tenant pays the rent, and the Tenant keeps the key.")),
        Example("Two texts", _attention("Stir the soup and add the salt.", "Stir the soup and hoist the sail.")),
    ),
    "route": (
        Example("Who speaks?", _speakers("Stir the soup. At night the tide comes in. The Tenant shall pay the rent.")),
        Example("Who should answer?", _question("Who is liable if the boat sinks in the harbour?")),
        Example("A question with two sides", _question("Is there salt in the soup or in the waves?")),
    ),
    "compose": (Example("Two texts, woven", _brought(*BROUGHT[0])), Example("Three", _brought(*BROUGHT[1]))),
    "generate": (
        Example("Mostly sea", _writing("the captain said", sea=3.0)),
        Example("Five voices", _writing("At night the")),
        Example("Mostly contracts", _writing("The Buyer may", contracts=3.0)),
    ),
    "music": (
        Example("Four styles", _styles),
        Example("A tune, note by note", lambda library: PianoRoll(library.styles.tune)),
        Example("Two mixes, blind", _pair),
    ),
}
FILES: dict[str, Files] = {
    "compose": Files(
        uploads.ENDINGS, uploads.FILES, uploads.ALL,
        f"texts (.txt) or models (.psam, .psamc), {uploads.FILES} at most. They stay on this server while you look.",
        lambda files, _: composed(files),
    ),
    "music": Files(
        music.ENDINGS, 1, music.SIZE,
        "a tune (.mid, .abc) becomes a fifth fader. It stays on this server while you look.",
        lambda files, library: music.tuned(files, library.styles),
    ),
}  # fmt: skip


def made(kind: object, number: object, library: Library) -> Widget:
    """The widget of an example; InputError if there is none such, Waiting if it cannot be made yet."""
    examples = KINDS.get(kind) if isinstance(kind, str) else None
    if examples is None:
        raise InputError(f"There is no view {kind!r}; there are {', '.join(KINDS)}.")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < len(examples):
        raise InputError(f"There is no example {number!r}: they are 0 … {len(examples) - 1}.")
    return examples[number].make(library)


def brought(kind: object, files: Sequence[Upload], library: Library) -> Widget:
    """The widget over files of a visitor; InputError if they are no good there, Waiting if it cannot be made yet."""
    found = FILES.get(kind) if isinstance(kind, str) else None
    if found is None:
        raise InputError(f"No files can be brought to {kind!r}; they can to {', '.join(FILES)}.")
    return found.make(files, library)
