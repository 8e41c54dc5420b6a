"""`polyloom expert route`: what `Router` says of a text, from files of examples or from what is installed."""

from pathlib import Path

import pytest

from cli.conftest import answer, line_of, run
from polyloom.compose.routing.router.router import Router

SEA = [
    *("When is high tide?", "The harbour is full of boats", "A ship with white sails", "Waves break on the shore"),
    *("The tide is low today", "Is the harbour deep?", "The captain of the ship", "How high are the waves?"),
]
LAW = [
    *("The party shall pay a fee", "Is the contract void?", "The tenant owes the landlord", "A clause of the lease"),
    *("Who signed the contract?", "The fee is due in May", "May the landlord end it?", "Read the clause again"),
]


@pytest.fixture
def examples(here: Path) -> tuple[str, ...]:
    """The options that name both files."""
    Path("sea.txt").write_text("\n".join(SEA))
    Path("law.txt").write_text("\n".join(LAW))
    return ("--examples", "sea=sea.txt", "--examples", "law=law.txt")


def test_it_says_what_the_router_says(examples: tuple[str, ...]) -> None:
    text = "When is the tide low in the harbour?"
    found = Router.fit({"sea": SEA, "law": LAW}).route(text)
    told = answer("expert", "route", text, *examples)
    assert (told["expert"], told["best"], told["threshold"]) == ("sea", "sea", found.threshold)
    assert told["scores"] == pytest.approx(dict(found.scores))
    assert told["reasons"] == found.reasons(5)
    assert {"tide", "harbour"} & set(told["reasons"])
    first, *rows = run("expert", "route", text, *examples, "-k", 1).stdout.splitlines()
    assert first.startswith("sea because of ")
    assert [row.split() for row in rows] == [[f"{found.score:.3f}", "sea"]]


def test_reasons_are_what_the_account_says() -> None:
    found = Router.fit({"sea": SEA, "law": LAW}).route("When is the tide low?")
    why = found.explanation.terms[0].child
    assert why is not None
    said = [part for witness in why.terms if witness.child for part in witness.child.terms]
    for what, much in found.reasons(4).items():
        assert much == pytest.approx(sum(part.contribution for part in said if part.name == what))
        assert much > 0
    assert list(found.reasons(4).values()) == sorted(found.reasons(4).values(), reverse=True)
    assert len(found.reasons(1)) == 1


def test_it_abstains_and_says_so(examples: tuple[str, ...]) -> None:
    text = "zxqv wrtk"
    told = answer("expert", "route", text, *examples)
    assert told["expert"] is None
    assert told["score"] < told["threshold"]
    assert run("expert", "route", text, *examples).stdout.startswith(f"nobody because {told['best']} has 0.")


def test_it_reads_the_manifests_of_what_is_installed(here: Path) -> None:
    for name, about in (("sea", "tides, harbours and ships"), ("law", "contracts, fees and leases")):
        run("expert", "new", f"expert-{name}", "--base", "org/Tiny", "--description", f"Answers about {about}")
        run("expert", "install", f"expert-{name}", "--trust", "anyone", "--registry", "registry")
    told = answer("expert", "route", "the tides in the harbours", "--registry", "registry")
    assert told["best"] == "expert-sea"
    assert set(told["scores"]) == {"expert-sea", "expert-law"}


def test_wrong_usage(examples: tuple[str, ...]) -> None:
    assert "not both" in line_of(run("expert", "route", "x", *examples, "--registry", "r"), 2)
    assert "expected NAME=FILE, got 'sea'" in line_of(run("expert", "route", "x", "--examples", "sea"), 2)
    assert "two experts or more, got 1" in line_of(run("expert", "route", "x", *examples[:2]))
    assert "needs two experts or more, and 0 installed" in line_of(run("expert", "route", "x", "--registry", "r"))
    assert "There is no file" in line_of(run("expert", "route", "x", "--examples", "sea=none.txt"))
