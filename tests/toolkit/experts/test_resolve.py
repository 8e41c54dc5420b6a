"""The resolver against a search through every choice, a thousand times; the order of loading against its definition."""

import itertools

import pytest

from polyloom import InputError
from polyloom.experts.bench_resolve import generated, possible, stands
from polyloom.experts.manifest import Manifest
from polyloom.experts.resolve import Conflict, Offer, load_order, resolve
from polyloom.experts.version import Requirement, Version
from toolkit.experts.samples import two


def offer(text: str, requires: str = "", incompatible: str = "", order: int = 10) -> Offer:
    name, version = text.split("@")
    rules = (tuple(map(Requirement.parse, given.split())) for given in (requires, incompatible))
    return Offer(name, Version.parse(version), *rules, order=order)


def test_a_thousand_generated_sets_every_conflict_found_and_none_false() -> None:
    conflicts = 0
    for seed in range(1000):
        wanted, offers = generated(seed)
        if possible(wanted, offers):
            assert stands(wanted, resolve(wanted, offers)), seed
            continue
        conflicts += 1
        with pytest.raises(Conflict, match="expert-"):
            resolve(wanted, offers)
    assert 250 < conflicts < 750


def test_nothing_is_chosen_that_nobody_asked_for() -> None:
    offers = [offer("expert-a@1.0.0", "expert-b"), offer("expert-b@1.0.0"), offer("expert-c@1.0.0")]
    assert set(resolve([Requirement("expert-a")], offers)) == {"expert-a", "expert-b"}


def test_the_newest_is_chosen_or_the_one_that_is_there() -> None:
    offers = [offer(f"expert-a@1.{n}.0") for n in (9, 10, 2)]
    wanted = [Requirement("expert-a")]
    assert str(resolve(wanted, offers)["expert-a"]) == "expert-a 1.10.0"
    assert str(resolve(wanted, offers, {"expert-a": Version.parse("1.2.0")})["expert-a"]) == "expert-a 1.2.0"


def test_a_conflict_says_who_wants_what_and_what_there_is() -> None:
    offers = [
        offer("expert-a@1.0.0", "expert-c@>=2"),
        offer("expert-b@1.0.0", "", "expert-c@>1"),
        offer("expert-c@2.0.0"),
    ]
    with pytest.raises(Conflict) as caught:
        resolve([Requirement("expert-a"), Requirement("expert-b")], offers)
    assert set(caught.value.reasons) == {
        "expert-a 1.0.0 requires expert-c@>=2.0.0",
        "expert-b 1.0.0 cannot stand beside expert-c@>1.0.0",
        "of expert-c there is 2.0.0",
    }
    with pytest.raises(InputError, match="what is asked for requires expert-x; of expert-x there is none"):
        resolve([Requirement("expert-x")], offers)


def test_loading_goes_by_need_then_place_then_name() -> None:
    offers = [
        offer("expert-task@1.0.0", "expert-tech", order=1),
        offer("expert-tech@1.0.0", order=6),
        offer("expert-z@1.0.0", order=2),
        offer("expert-y@1.0.0", order=2),
    ]
    for given in itertools.permutations(offers):
        assert [one.name[7:] for one in load_order(given)] == ["y", "z", "tech", "task"]
    with pytest.raises(Conflict, match="in a circle"):
        load_order([offer("expert-a@1.0.0", "expert-b"), offer("expert-b@1.0.0", "expert-a")])


@pytest.mark.parametrize(
    ("capabilities", "order"),
    [
        (["format:json"], 2),
        (["language:en", "tech:neo4j"], 6),
        (["domain:law", "format:json"], 8),
        (["task:x"], 10),
        ([], 10),
    ],
)
def test_a_place_that_is_not_stated_follows_from_the_capabilities(capabilities: list[str], order: int) -> None:
    assert Offer.of(Manifest(two(capabilities=capabilities, constraints={}))).order == order
    assert Offer.of(Manifest(two(capabilities=capabilities))).order == 6
