"""Routing: who speaks by hand, what accounts open into, what is asked of whom, what a file holds, what is refused."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import polyloom
from contract import distribution, nodes, teacher_forced
from polyloom import (
    Blend,
    ByFunction,
    ByKeyword,
    ByLanguage,
    ByLikelihood,
    Cascade,
    FileError,
    InputError,
    LanguageModel,
    Layer,
    Layered,
    Routed,
    Sampling,
    VocabularyMismatch,
    WordVocabulary,
)
from polyloom.compose.routing.policy import policy_of
from polyloom.compose.weave import HeldOut
from toolkit.compose.constant import Constant, random_models
from toolkit.compose.damaged import refused
from toolkit.compose.dense import Dense
from toolkit.compose.test_hybrid import COUNTS, OTHERS, WORDS

A, B, C = random_models(1, 3, size=7)  # speak </s>, <unk> and a … e
MODELS: dict[str, LanguageModel] = {"a": A, "b": B, "c": C}
FLAT = WordVocabulary(A.vocabulary.pieces)


def vowel(text: str) -> str | None:
    """The last letter, if it is the name of a member."""
    return text[-1] if text[-1:] in MODELS else None


# policies


def test_a_policy_makes_shares_of_scores() -> None:
    scores, fallback = np.array([[0.2, 0.5, 0.3], [1, 1, 0], [0, 0, 0], [0, 0, 8]]), np.array([0.0, 1, 0])
    wanted = {
        "blend": [[0.2, 0.5, 0.3], [0.5, 0.5, 0], [0, 1, 0], [0, 0, 1]],
        "best": [[0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]],
    }
    for name, shares in wanted.items():
        np.testing.assert_allclose(policy_of(name).shares(scores, fallback), shares)
    two = [[0, 0.625, 0.375], [0.5, 0.5, 0], [0, 1, 0], [0, 0, 1]]
    np.testing.assert_allclose(Blend(2).shares(scores, fallback), two)
    np.testing.assert_allclose(Blend(9).shares(scores, fallback), wanted["blend"])


def test_those_who_speak_go_on_until_another_leads_by_more() -> None:
    said = ["", "a", "b", "bb", "bbb", "c", "", "cc"]
    scores = {"": {}, "a": {"a": 1}, "b": {"a": 1, "b": 1.4}, "bb": {"a": 1, "b": 1.6}, "bbb": {"b": 1}}
    scores |= {"c": {"b": 0, "c": 0.5}, "cc": {"b": 0, "c": 0.6}}
    routed = Routed(lambda text: scores[said[text.count("a")]], MODELS, policy="best", hysteresis=0.5, fallback="c")
    place, spoken = routed.begin(), list[str]()
    for _ in said:
        spoken += [name for name, share in place.weights.items() if share]
        if len(spoken) < len(said):
            place.advance("a")
    assert spoken == ["c", "a", "a", "b", "b", "b", "b", "c"]
    held = routed.policy.held(np.array([0.0, 0.1, 0.2]), np.ones(3) / 3, 0.5, np.array([1.0, 0, 0]))
    assert held.tolist() == [1, 0, 0]  # its own score is 0, and nobody leads by enough


# choosers and shares


def test_a_function_names_who_speaks() -> None:
    routed = Routed(vowel, MODELS, fallback="b")
    for prompt, name in (([], "b"), ([2], "a"), ([2, 3], "b"), ([4], "c"), ([4, 5], "b")):
        place = routed.begin(prompt)
        assert place.weights == {other: float(other == name) for other in MODELS}
        np.testing.assert_allclose(distribution(place), distribution(MODELS[name].begin(prompt)), rtol=1e-12)
    ids = np.random.default_rng(1).integers(0, 7, 50)
    by_hand = [teacher_forced(model, ids) for model in MODELS.values()]
    spoken = ["abc".index(vowel(routed.vocabulary.decode(ids[:at])) or "b") for at in range(50)]
    np.testing.assert_allclose(teacher_forced(routed, ids), [by_hand[k][at] for at, k in enumerate(spoken)])
    assert "ByFunction(vowel), all at each token" in repr(routed)


def test_who_spoke_before_each_token() -> None:
    mix, text = Routed(vowel, MODELS), A.ids("a b c d")
    shares = mix.spoken(text)
    assert shares.shape == (len(text), 3)
    for at, row in enumerate(shares):
        assert list(mix.begin(text[:at]).weights.values()) == row.tolist()


def test_without_a_fallback_all_speak_where_nobody_is_chosen() -> None:
    place = Routed(lambda text: None, MODELS).begin([3])
    assert place.weights == pytest.approx(dict.fromkeys(MODELS, 1 / 3))
    assert "undecided, so 3 of 3 members" in str(place.explain(0))


def test_scores_are_blended() -> None:
    routed = Routed(lambda text: {"a": 1, "c": 3}, MODELS)
    mix = Layered(A, {"c": Layer(C, 3)})
    np.testing.assert_allclose(distribution(routed.begin([2])), distribution(mix.begin([2])), rtol=1e-12)
    assert routed.begin([2]).shares(0) == pytest.approx(routed.begin([2]).explain(0).shares())
    assert routed.begin([2, 3]).shares(0, ago=1) == pytest.approx(routed.begin([2]).shares(0))


def test_of_a_window_only_the_end_is_seen() -> None:
    seen: list[str] = []
    place = Routed(ByFunction(lambda text: seen.append(text), window=3), MODELS).begin([2, 3, 4, 5])
    place.distribution()
    assert seen == [A.vocabulary.decode([2, 3, 4, 5])[-3:]]


def test_keywords_are_whole_words_of_any_case() -> None:
    chooser = ByKeyword({"sea": ["tide", "low tide", "Sail"], "law": ["party  of the first part"]})
    said = chooser.route("Low\ntide: SAIL! The party of the first part, tides and sailors.")
    assert said.scores == pytest.approx({"sea": 2 / 3, "law": 1 / 3})
    assert (said.name, said.score) == ("sea", pytest.approx(2 / 3))
    assert [term.detail for term in said.explanation.terms] == [
        "2 found: low\ntide, sail",
        "1 found: party of the first part",
    ]
    nothing = chooser.route("tides")
    assert (nothing.name, nothing.score, nothing.explanation.total) == (None, 0.0, 0.0)
    assert repr(chooser) == "ByKeyword(sea: 3, law: 1)"


def test_per_prompt_the_prompt_decides_for_good() -> None:
    routed = Routed(vowel, MODELS, per="prompt", fallback="c")
    place = routed.begin([2])
    place.extend([3, 4])
    place.advance(3)
    fork, back, behind = place.fork(), place.back(2), place.back(4)
    for each in (place, fork, back):
        assert each.weights["a"] == 1
    assert behind.weights["c"] == 1
    assert place.explain(0).terms[-1].child == routed.begin([2]).explain(0).terms[-1].child
    np.testing.assert_allclose(teacher_forced(routed, np.array([2, 2])), teacher_forced(C, np.array([2, 2])))


# a cascade


class Watched(Dense):
    """A network that counts how often it is asked."""

    asked = 0

    def row(self, before: np.ndarray) -> np.ndarray:
        self.asked += 1
        return super().row(before)


def entropy(row: np.ndarray) -> float:
    return -float((np.exp(row) * row).sum())


def test_a_cascade_asks_the_large_one_only_where_the_small_one_is_unsure() -> None:
    large, text = Watched(WORDS, 5), np.random.default_rng(2).integers(0, WORDS.size, 80)
    unsure = np.array([entropy(row) for row in teacher_forced(COUNTS, text)])
    routed = Routed(Cascade("counts", "large", float(np.median(unsure))), {"counts": COUNTS, "large": large})
    place = routed.begin()
    for at, token in enumerate(text.tolist()):
        assert place.weights["large"] == (unsure[at] > np.median(unsure))
        place.distribution()
        place.advance(token)
    assert large.asked == 40
    said = routed.begin(text[:10]).explain(0).terms[-1].child
    assert said is not None
    assert f"{unsure[10]:.3f} nats, {np.median(unsure):g} allowed" in str(said)


@pytest.mark.parametrize("budget", [0, 0.1, 0.333, 1])
def test_a_budget_is_kept_and_used(budget: float) -> None:
    members, text = {"small": COUNTS, "large": OTHERS}, np.random.default_rng(3).integers(0, WORDS.size, 300)
    cascade = Cascade("small", "large").fit_threshold(members, [text[:100], text[100:]], budget)
    unsure = [entropy(row) for part in (text[:100], text[100:]) for row in teacher_forced(COUNTS, part)]
    share = np.mean([one > cascade.threshold for one in unsure])
    assert budget - 0.02 <= share <= budget


def test_a_threshold_lies_between_what_it_parts() -> None:
    flat = Constant(FLAT, np.full((8, 7), -math.log(7)))
    members = {"small": flat, "large": A}
    assert Cascade("small", "large").fit_threshold(members, [np.array([1, 2, 3])], 0.5).threshold == math.inf
    assert Cascade("small", "large").fit_threshold(members, [np.array([1, 2, 3])], 1).threshold == 0


# accounts


def test_an_account_opens_into_the_members_and_the_decision(sea: Any, lullabies: Any) -> None:
    routed = Routed(ByKeyword({"sea": ["tide"], "lullabies": ["moon"]}), {"sea": sea, "lullabies": lullabies})
    place = routed.begin("the tide and the moon and the tide")
    account = place.explain("tide")
    first, second, decision = account.terms
    assert (first.child, second.child) == (sea.explain(place.tokens, "tide"), lullabies.explain(place.tokens, "tide"))
    assert first.contribution == pytest.approx(2 / 3 * sea.explain(place.tokens, "tide").probability)
    assert decision.decides
    assert decision.contribution == 0
    assert decision.child is not None
    assert [term.contribution for term in decision.child.terms] == pytest.approx([2 / 3, 1 / 3])
    assert set(account.shares()) == {"sea", "lullabies"}
    assert account.evidence() == sea.explain(place.tokens, "tide").evidence()
    printed = str(account)
    assert "routing: 2 of 2 members, chosen by ByKeyword(sea: 1, lullabies: 1)" in printed
    assert "0.666667  sea: 2 found: tide" in printed
    assert "2 found: tide" in account._repr_html_()  # pyright: ignore[reportPrivateUsage]
    against = place.explain("tide", against="moon").terms[-1]
    assert against.decides
    assert against.child is not None
    assert against.child.total == 0


def test_who_is_silent_is_not_asked() -> None:
    account = Routed(lambda text: "a", MODELS).begin().explain(0)
    assert [(term.name, term.detail) for term in account.terms[1:3]] == [("b", "silent"), ("c", "silent")]
    assert all(term.child is None for term in account.terms[1:3])
    assert "a alone" in account.terms[-1].detail


# what it is for


def test_five_voices_are_told_apart(woven: tuple[Layered, HeldOut]) -> None:
    """Nearer to somebody who knows the voices than any fixed mix; and whoever is asked about salt is in the kitchen."""
    mix, held_out = woven
    ids = np.concatenate([held_out[name][0] for name in mix.models for _ in range(2)])
    voice = np.repeat(np.arange(5), [2 * len(held_out[name][0]) for name in mix.models])
    told = mix.member_log_likelihoods(ids)
    oracle = told[voice, np.arange(len(ids))].mean()
    by_likelihood = Routed(ByLikelihood(0.02), mix.models).log_likelihood(ids).mean()
    fixed = mix.fit_weights([ids]).log_likelihood(ids).mean()
    assert fixed < by_likelihood
    assert oracle - by_likelihood < 0.15
    words = {"kitchen": ["salt", "butter"], "sea": ["tide", "sail"]}
    cook = Routed(ByKeyword(words), mix.models, policy="best", per="prompt")
    written = cook.generate("the salt and the butter", Sampling(max_tokens=8, seed=2))
    assert all(step.shares["kitchen"] == pytest.approx(1) for step in written.steps)


# files


CHOOSERS: dict[str, Callable[[], Any]] = {
    "likelihood": lambda: ByLikelihood(0.03, {"sea": 2, "lullabies": 1}),
    "no prior": lambda: ByLikelihood(),
    "keyword": lambda: ByKeyword({"sea": ["tide", "sail"]}, window=None),
    "language": lambda: ByLanguage({"sea": "en", "lullabies": "de"}, window=77),
    "cascade": lambda: Cascade("lullabies", "sea", 2.5),
    "never": lambda: Cascade("lullabies", "sea", math.inf),
}


@pytest.mark.parametrize("name", CHOOSERS)
def test_it_comes_back_from_a_file(sea: Any, lullabies: Any, tmp_path: Path, name: str) -> None:
    members = {"sea": sea, "lullabies": lullabies}
    first = Routed(CHOOSERS[name](), members, policy=Blend(2), hysteresis=0.1, fallback="sea")
    for model in (first, Layered(Routed(CHOOSERS[name](), members, policy="best", per="prompt"), {})):
        for kept in ("embed", "reference"):
            again = polyloom.load(model.save(tmp_path / "mix.psamc", members=kept))
            assert repr(again) == repr(model)
            assert again.digest == model.digest
            expected = distribution(model.begin("At night the tide"))
            np.testing.assert_array_equal(distribution(again.begin("At night the tide")), expected)


def test_a_digest_tells_settings_apart(sea: Any, lullabies: Any) -> None:
    members = {"sea": sea, "lullabies": lullabies}
    words, others = ByKeyword({"sea": ["tide"]}), ByKeyword({"sea": ["tide"]}, 7)
    made = [
        *(Routed(make(), members) for make in CHOOSERS.values()),
        *(Routed(words, members), Routed(others, members), Routed(words, members, policy="best")),
        *(Routed(words, members, hysteresis=0.1), Routed(words, members, fallback="sea")),
        *(Routed(words, members, per="prompt"), Routed(ByKeyword({"sea": ["sail"]}), members)),
    ]
    assert len({model.digest for model in made}) == len(made)


def test_a_function_is_not_saved(tmp_path: Path) -> None:
    routed = Routed(vowel, {"a": COUNTS, "b": OTHERS, "c": COUNTS})
    with pytest.raises(FileError, match="a file holds no code"):
        routed.save(tmp_path / "mix.psamc")
    assert list(tmp_path.iterdir()) == []
    assert routed.generate([3], Sampling(max_tokens=3)).steps


DAMAGES: list[tuple[dict[str, Any], str]] = [
    ({"names": ["sea"]}, "names 1 members and holds 2"),
    ({"names": [1, 2]}, "name of a member as text"),
    ({"router": {"kind": "oracle"}}, "router of kind 'oracle'; this Polyloom knows keyword, language, likelihood"),
    ({"router": {"kind": "function"}}, "router of kind 'function'"),
    ({"router": None}, "is damaged"),
    ({"router": {"kind": "likelihood", "switch": 2, "prior": None}}, "switch must lie"),
    ({"router": {"kind": "likelihood", "switch": 0.1, "prior": [["sea", 1]]}}, "nothing of 'lullabies'"),
    ({"router": {"kind": "cascade", "small": "sea", "large": "nobody", "threshold": 1}}, "names 'nobody'"),
    ({"router": {"kind": "keyword", "keywords": [["sea", []]], "window": 5}}, "keywords of 'sea'"),
    ({"router": {"kind": "language", "languages": [["sea", "??"]], "window": 5}}, "Unknown language"),
    ({"policy": 0}, "k must be a whole number"),
    ({"per": "year"}, "per must be"),
    ({"hysteresis": "much"}, "hysteresis must be"),
    ({"fallback": "nobody"}, "The fallback names 'nobody'"),
    ({"members": []}, "names 2 members and holds 0"),
]


@pytest.mark.parametrize(("damage", "said"), DAMAGES)
def test_a_damaged_file_is_told(sea: Any, lullabies: Any, tmp_path: Path, damage: dict[str, Any], said: str) -> None:
    refused(Routed(ByLikelihood(), {"sea": sea, "lullabies": lullabies}), tmp_path, damage, said)


# what is refused


@pytest.mark.parametrize(
    ("router", "settings", "said"),
    [
        ("sea", {}, "Expected a function of the text, got str"),
        (None, {}, "got NoneType"),
        (ByKeyword({"z": ["x"]}), {}, "ByKeyword names 'z'; the members are a, b, c"),
        (ByLanguage({"z": "en"}), {}, "ByLanguage names 'z'"),
        (Cascade("a", "z"), {}, "The cascade names 'z'"),
        (ByLikelihood(prior={"a": 1, "z": 1}), {}, "The prior names 'z'"),
        (ByLikelihood(prior={"a": 1}), {}, "The prior says nothing of 'b'"),
        (vowel, {"policy": "worst"}, "Unknown policy 'worst'; known are best, blend"),
        (vowel, {"policy": 2}, "Unknown policy 2"),
        (vowel, {"per": "line"}, 'per must be "token" or "prompt"'),
        (vowel, {"hysteresis": -1}, "hysteresis must be a finite number of 0 or more, got -1"),
        (vowel, {"hysteresis": math.nan}, "hysteresis must be"),
        (vowel, {"hysteresis": True}, "hysteresis must be"),
        (vowel, {"hysteresis": 0.1, "per": "prompt"}, "one choice for each prompt has nothing to hold on to"),
        (vowel, {"fallback": "z"}, "The fallback names 'z'"),
        (vowel, {"fallback": 3}, "The fallback names 3"),
    ],
)
def test_what_cannot_route(router: Any, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Routed(router, MODELS, **settings)


@pytest.mark.parametrize(
    ("gives", "said"),
    [
        ("z", "names 'z'; the members are a, b, c"),
        ({"z": 1}, "names 'z'"),
        (3, "gave 3; expected the name of a member"),
        ({"a": -1}, "scored 'a' -1"),
        ({"a": math.nan}, "scored 'a' nan"),
        ({"a": math.inf}, "scored 'a' inf"),
        ({"a": "high"}, "scored 'a' 'high'"),
        ({"a": True}, "scored 'a' True"),
        ({3: 1.0}, "scored 3; expected the name"),
    ],
)
def test_what_a_function_may_not_give(gives: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Routed(lambda text: gives, MODELS).begin([2]).distribution()


def test_what_choosers_refuse() -> None:
    wrong: list[tuple[Callable[[], Any], str]] = [
        (lambda: Blend(0), "k must be a whole number"),
        (lambda: Blend(True), "k must be a whole number"),
        (lambda: ByKeyword({}), "Expected keywords by name"),
        (lambda: ByKeyword({"a": "word"}), "as a list of words, got 'word'"),
        (lambda: ByKeyword({"a": [" "]}), "as a list of words"),
        (lambda: ByKeyword({"a": [3]}), "as a list of words"),  # pyright: ignore[reportArgumentType]
        (lambda: ByKeyword({"a": ["b"]}, window=0), "window must be a whole number"),
        (lambda: ByLanguage({}), "Expected languages by name"),
        (lambda: ByLanguage({"a": "tlh"}), "Unknown language 'tlh' for 'a'; known are en, de"),
        (lambda: Cascade("a", "a"), "names of two members"),
        (lambda: Cascade("a", "b", -1), "The threshold must be a number of 0 or more"),
        (lambda: Cascade("a", "b", math.nan), "The threshold must be"),
        (lambda: Cascade("a", "b").fit_threshold(MODELS, [np.array([1])], 1.5), "a part of the tokens, from 0 to 1"),
        (lambda: Cascade("a", "b").fit_threshold(MODELS, [], 0.5), "at least one token"),
        (lambda: Cascade("a", "z").fit_threshold(MODELS, [np.array([1])], 0.5), "The cascade names 'z'"),
    ]
    for make, said in wrong:
        with pytest.raises(InputError, match=said):
            make()
    with pytest.raises(VocabularyMismatch, match="Member 'b' speaks"):
        Routed(vowel, {"a": A, "b": COUNTS})


def test_every_node_of_a_decision_sums_deep_in_a_mix(sea: Any, lullabies: Any) -> None:
    routed = Routed(ByLikelihood(0.02), {"sea": sea, "lullabies": lullabies})
    mix = Layered(routed, {"sea": Layer(sea, 0.2)})
    place = mix.begin("At night the tide comes in and the moon goes down over the harbour")
    for node in nodes(place.explain("tide")):
        assert abs(node.residual) <= 1e-9
    assert "how routing accounts for it" in str(routed.begin(place.tokens).explain("tide"))
