"""What a returning topic gains: a person comes back to something that was spoken of in earlier sessions.

Schema-Guided Dialogue (Rastogi et al., "Towards scalable multi-domain conversational agents", 2020): each dialogue is
about one service, which is its topic.  Of each service the first `EARLIER` dialogues are sessions that were remembered,
a day apart, the last `JUDGED` are judged, one turn after the other, each turn remembered before the next; what lies
between trains the base.  Both mixes remember the session itself; one has no long-term memory and no topics.

The bar is for a topic that the base was never trained on.  The other row is for a base that knows the topic from many
more dialogues than the memory does.  Weights are the default ones, the same everywhere; the vocabulary is closed over
all.
"""

import json
import math
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np

from polyloom.association.model import AssociationModel
from polyloom.cli.rows import Row
from polyloom.compose.layered import Layered
from polyloom.documents import Ids
from polyloom.memory.settings import DAY
from polyloom.memory.store import MemoryStore
from polyloom.model import Floats, LanguageModel
from polyloom.tokens.vocabulary import SENTENCE_END
from polyloom.tokens.word import WordVocabulary

Dialogue: TypeAlias = list[tuple[str, str]]  # who said what

FILES = "data/text/dialogue_sgd/dialogues_*.json"
MISSING = f"needs dialogues: polyloom bench --shared DIR, a folder that holds {FILES}"
EARLIER, JUDGED = 6, 4  # dialogues of a service
SHORT = ("working", "session")  # layers that both mixes have
START = 1_600_000_000.0


def rows(shared: Path | None) -> Iterator[Row]:
    """Perplexity with long-term memory against without, in about a minute."""
    services = _services(shared)
    name = "a returning topic, perplexity lower by"
    if not services:
        yield _row(name, None, None, "value >= 10", MISSING)
        return
    for knows, bar in ((False, "value >= 10"), (True, None)):
        found = _judged(services, knows)
        what = f"{name}, {'a topic the base knows' if knows else 'a topic new to the base'}"
        yield _row(what, *found, bar, f"{len(services)} services of Schema-Guided Dialogue, geometric mean")


def _judged(services: Mapping[str, list[Dialogue]], knows: bool) -> tuple[float, float]:
    """Mean ln perplexity over services, with and without."""
    vocabulary = WordVocabulary.train(said for all in services.values() for one in all for _, said in one)
    scores = list[Floats]()
    with tempfile.TemporaryDirectory() as folder, MemoryStore(folder, vocabulary) as memory:
        for n in range(EARLIER):
            for m, (service, all) in enumerate(services.items()):
                for who, said in all[n]:
                    memory.remember(said, f"{service} {n}", service, role=who, at=START + (n + m / 100) * DAY)
        for service, all in services.items():
            known = [one for name in services if knows or name != service for one in services[name][EARLIER:-JUDGED]]
            base = AssociationModel.fit([_tokens(one, vocabulary) for one in known], vocabulary, progress=False)
            judged = [_session(memory, base, one) for one in all[-JUDGED:]]
            scores.append(-np.concatenate(judged, axis=1).mean(1))
    ours, theirs = np.mean(scores, axis=0).tolist()
    return ours, theirs


def _session(memory: MemoryStore, base: LanguageModel, dialogue: Dialogue) -> Floats:
    """ln p of every token of a session, with and without, float64 (2, T); the session is forgotten at the end."""
    found, text, prompt = list[Floats](), np.empty(0, np.int64), ""
    for n, (who, said) in enumerate(dialogue):
        mix = memory.model(base, "now", prompt or None)
        without = Layered(base, {name: layer for name, layer in memory.layers("now").items() if name in SHORT})
        turn = memory.remember(said, "now", role=who, at=START + (EARLIER + 1) * DAY + n)
        text, prompt = np.concatenate([text, turn.tokens]), said
        found.append(np.stack([model.log_likelihood(text)[-len(turn.tokens) :] for model in (mix, without)]))
    memory.forget(session="now")
    return np.concatenate(found, axis=1)


def _services(shared: Path | None) -> dict[str, list[Dialogue]]:
    """The dialogues of each service that has enough of them."""
    found = dict[str, list[Dialogue]]()
    for path in [] if shared is None else sorted(shared.glob(FILES)):
        for dialogue in json.loads(path.read_text(encoding="utf-8")):
            said = [(turn["speaker"].lower(), turn["utterance"]) for turn in dialogue["turns"]]
            found.setdefault(" and ".join(dialogue["services"]), []).append(said)
    return {name: all for name, all in sorted(found.items()) if len(all) > EARLIER + JUDGED}


def _tokens(dialogue: Dialogue, vocabulary: WordVocabulary) -> Ids:
    """A dialogue as one document, `</s>` after each turn."""
    end = vocabulary.id_of(SENTENCE_END)
    return np.concatenate([np.append(vocabulary.encode(said), end) for _, said in dialogue])


def _row(name: str, ours: float | None, theirs: float | None, bar: str | None, reason: str) -> Row:
    if ours is None or theirs is None:
        return Row(group="memory", name=name, value=None, unit="%", better="higher", bar=bar, reason=reason)
    told = f"{math.exp(ours):.2f} with, {math.exp(theirs):.2f} without; {reason}"
    lower = 100 * (1 - math.exp(ours - theirs))
    return Row(group="memory", name=name, value=lower, unit="%", better="higher", bar=bar, reason=told)
