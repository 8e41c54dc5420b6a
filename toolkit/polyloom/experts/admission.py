"""Who is let in: how much a package must be believed before it is installed.

    trust       lets in
    "known"     what a publisher in the trust store signed
    "first"     also what a publisher signed who is not in it, and is from then on
    "anyone"    also what nobody vouches for

Nothing lets in a wrong key, a revoked one, or a package that was changed after it was signed.
"""

from collections.abc import Iterable
from typing import Literal, TypeAlias

from polyloom.errors import FileError, InputError
from polyloom.experts.package import Package, sound
from polyloom.experts.signing import Verdict, judge
from polyloom.experts.trust import TrustStore

Trust: TypeAlias = Literal["known", "first", "anyone"]
ADMITTED: dict[str, tuple[str, ...]] = {
    "known": ("trusted",),
    "first": ("trusted", "unknown"),
    "anyone": ("trusted", "unknown", "unsigned"),
}
ADVICE = {
    "unsigned": 'If you know where it comes from, install it with trust="anyone".',
    "unknown": "Compare the key with one that the publisher gave you, and add it to the trust store.",
    "wrong key": "Ask the publisher whether there is a new key. Nothing installs this before it is in the trust store.",
    "revoked": "Ask the publisher for a package that is signed anew.",
    "tampered": "Fetch the package again.",
}


class Untrusted(FileError):  # noqa: N818 - "untrusted" already says that it is an error
    """A package that is not believed enough to be installed; `verdict` says why."""

    def __init__(self, name: str, verdict: Verdict) -> None:
        self.verdict = verdict
        key = f" (key {verdict.key.text})" if verdict.key else ""
        super().__init__(f"{name} was not installed. It is {verdict}{key}. {ADVICE[verdict.state]}")


def check_trust(trust: str) -> None:
    """InputError, naming those that there are, for a trust that there is not."""
    if trust not in ADMITTED:
        raise InputError(f"Expected trust to be one of {', '.join(ADMITTED)}, got {trust!r}.")


def admitted(packages: Iterable[Package], store: TrustStore, trust: Trust) -> tuple[TrustStore, list[str]]:
    """Whom to believe after this, and the state of each package.  Untrusted for the first that is not admitted."""
    states: list[str] = []
    for package in packages:
        verdict = judge(sound(package, package.manifest.name), store)
        if verdict.state not in ADMITTED[trust]:
            raise Untrusted(package.manifest.name, verdict)
        if trust == "first" and verdict.state == "unknown" and verdict.publisher and verdict.key:
            store = store.with_key(verdict.publisher, verdict.key)
            verdict = judge(package, store)
        states.append(verdict.state)
    return store, states
