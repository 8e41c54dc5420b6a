"""A receipt as the page draws it: each layer's account of one token, on that layer's own scale.

What a layer says does not depend on the faders; the page multiplies it by the layer's part of the mix, so a receipt
follows a fader without asking again.  A layer that is itself a log pool has terms that are no parts of a probability:
it stands as one term, with its account in words.
"""

from typing import Any

from polyloom.compose.layered_place import LayeredContinuation
from polyloom.errors import InputError
from polyloom.explanation import Explanation, Term

OPENED = 3  # largest counts of a layer whose training lines are shown
LINES = 2  # of each of them


def receipt(place: LayeredContinuation, token: int, key: int) -> dict[str, Any]:
    """The answer to the page's question why `token` is as likely as it is."""
    names, accounts = place.model.layers, [member.explain(token) for member in place.members]
    layers = [_layer(name, account) for name, account in zip(names, accounts, strict=True)]
    return {"token": token, "piece": place.model.vocabulary.pieces[token], "key": key, "layers": layers}


def _layer(name: str, account: Explanation) -> dict[str, Any]:
    counting = sorted((leaf for leaf in _leaves(account, 1.0) if leaf[1].find is not None), key=lambda leaf: -leaf[0])
    shown = {id(term) for size, term in counting[:OPENED] if size and _kept(term)}
    parts = account.terms if account.scale == "probability" else (_whole(account),)
    return {"name": name, "p": account.probability, "terms": [_term(term, 1.0, name, shown) for term in parts]}


def _whole(account: Explanation) -> Term:
    summands = " ".join(f"{term.contribution:+.3f} {term.name}" for term in account.terms)
    return Term("log pool", account.probability, f"ln p = {summands}")


def _term(term: Term, scale: float, source: str, shown: set[int]) -> dict[str, Any]:
    """A term and what it opens into, all on the scale of the layer."""
    child = term.child if term.child is None or term.child.scale == "probability" else None
    inner = scale * term.contribution / child.total if child is not None and child.total else 0.0
    return {
        "name": term.name,
        "value": scale * term.contribution,
        "detail": term.detail,
        "terms": [_term(below, inner, source, shown) for below in child.terms] if child is not None and inner else [],
        "lines": _lines(term, source) if id(term) in shown else [],
    }


def _lines(term: Term, source: str) -> list[dict[str, str]]:
    return [
        {
            "before": seen.before,
            "word": seen.token,
            "after": seen.after,
            "source": f"{source}, document {seen.document + 1}",
        }
        for seen in term.evidence(LINES)
    ]


def _leaves(account: Explanation, scale: float) -> list[tuple[float, Term]]:
    """Every term that opens no further, with its size on the scale of the whole."""
    found: list[tuple[float, Term]] = []
    for term in account.terms:
        size = scale * abs(term.contribution)
        if term.child is None:
            found.append((size, term))
        else:
            found += _leaves(term.child, size / abs(term.child.total) if term.child.total else 0.0)
    return found


def _kept(term: Term) -> bool:
    """Whether the model kept its text, so that lines can be shown at all."""
    try:
        term.evidence(1)
    except InputError:
        return False
    return True
