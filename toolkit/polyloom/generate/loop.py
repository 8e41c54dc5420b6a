"""The loop that writes: draw, record, advance, until `</s>` or the length asked for."""

import numpy as np

from polyloom.generate.sampling import Sampling
from polyloom.generate.trace import Generation, Step
from polyloom.protocols import Continues


def generate(continuation: Continues, sampling: Sampling | None = None) -> Generation:
    """Go on from a place in a text; the continuation moves along, so fork it first to keep the place."""
    sampling = sampling or Sampling()
    random, vocabulary = np.random.default_rng(sampling.seed), continuation.model.vocabulary
    start, steps = len(continuation.tokens), list[Step]()
    prompt = vocabulary.decode(continuation.tokens)
    while len(steps) < sampling.max_tokens:
        token = sampling.draw(continuation.distribution(), random)
        if token == vocabulary.sentence_end:
            break
        explanation = continuation.explain(token)
        shares = {term.name: term.contribution / explanation.total for term in explanation.terms}
        steps.append(Step(token, vocabulary.pieces[token], float(np.log(explanation.total)), shares))
        continuation.advance(token)
    return Generation(prompt, vocabulary.decode(continuation.tokens[start:]), tuple(steps), sampling)
