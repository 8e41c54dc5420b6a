"""Faders that move along the text: lanes by hand, mixes by their definition at each t, files, and what is refused."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import decoders
import polyloom
from contract import LanguageModelContract, distribution, nodes
from polyloom import (
    AssociationModel,
    Contrast,
    Ensemble,
    Gated,
    InputError,
    Lane,
    Laned,
    LanguageModel,
    Layer,
    Layered,
    Sampling,
    Speculation,
)
from polyloom.compose import linear
from polyloom.compose.lane import LATEST, SHAPES
from polyloom.compose.silence import silence
from polyloom.generate.loop import generate
from toolkit.compose.constant import Constant, random_models
from toolkit.compose.damaged import refused
from toolkit.compose.test_hybrid import COUNTS, NETWORK, OTHERS, WORDS, agrees, skewed

RISE, FALL = Lane([(0, 0.0), (8, 1.0)]), Lane([(2, 1.5), (6, 0.0)], "smoothstep")


def two(pool: str = "linear") -> Layered:
    return Layered(NETWORK, {"counts": Layer(COUNTS, 0.5)}, pool)


MAKES: dict[str, Callable[[], LanguageModel]] = {
    "a network and counts": lambda: two().with_lanes({"counts": RISE, "base": FALL}),
    "a log pool that turns against a layer": lambda: two("log").with_lanes({"counts": Lane([(0, 1.0), (9, -0.2)])}),
    "lanes inside, and of the text": lambda: Layered(two(), {"log": Layer(two("log")), "b": Layer(OTHERS)}).with_lanes(
        {"base/counts": RISE, "log/base": Lane([(3, 1.0), (20, 0.2)], origin="text"), "b": FALL}
    ),
    "in other composites": lambda: Ensemble(
        {
            "mix": Layered(two().with_lanes({"counts": RISE}), {"b": Layer(OTHERS, 0.2)}),
            "gated": Gated({"log": two("log").with_lanes({"counts": RISE}), "network": NETWORK}),
        },
        vote="majority",
    ),
    "of other composites": lambda: Layered(
        Ensemble({"network": NETWORK, "counts": COUNTS}, vote="product"),
        {"contrast": Layer(Contrast(COUNTS, two().with_lanes({"counts": RISE}))), "gated": Layer(Gated({"b": OTHERS}))},
    ).with_lanes({"base": FALL, "contrast": Lane([(0, 0.5), (9, 2.0)])}),
}


@pytest.mark.long
class TestLaned(LanguageModelContract):
    @pytest.fixture(scope="class", params=MAKES)
    @classmethod
    def model(cls, request: pytest.FixtureRequest) -> LanguageModel:
        return MAKES[request.param]()


# lanes


def test_a_lane_is_straight_between_its_points_and_held_at_its_ends() -> None:
    lane = Lane([(2, 1.0), (6, 3.0), (7, 0.0)])
    assert lane.at(np.arange(10)).tolist() == [1, 1, 1, 1.5, 2, 2.5, 3, 0, 0, 0]
    assert Lane([(5, 0.25)]).at(np.arange(10)).tolist() == [0.25] * 10
    assert float(lane.at(3)) == 1.5


def test_a_smooth_lane_starts_and_ends_without_a_slope() -> None:
    lane = Lane([(0, 1.0), (4, 3.0), (8, 3.0)], "smoothstep")
    expected = [1 + 2 * u * u * (3 - 2 * u) for u in (0, 0.25, 0.5, 0.75)] + [3.0] * 6
    assert lane.at(np.arange(10)).tolist() == expected


points = st.lists(st.tuples(st.integers(1, 9), st.floats(-3, 3)), min_size=1, max_size=5).map(
    lambda steps: [
        (int(t), v) for t, v in zip(np.cumsum([s for s, _ in steps]) - 1, [v for _, v in steps], strict=True)
    ]
)
lanes = st.builds(Lane, points, st.sampled_from([*SHAPES]), st.sampled_from(["prompt", "text"]))


@given(lanes)
def test_lanes_pass_through_their_points_and_stay_between_them(lane: Lane) -> None:
    times, values = zip(*lane.points, strict=True)
    np.testing.assert_array_equal(lane.at(np.array(times)), values)
    for t in range(times[-1] + 3):
        around = [v for a, v in lane.points if a <= t][-1:] + [v for a, v in lane.points if a >= t][:1]
        assert min(around) - 1e-12 <= lane.at(t) <= max(around) + 1e-12
    np.testing.assert_array_equal(lane.at(np.arange(50)), [lane.at(t) for t in range(50)])


@given(lanes)
def test_lanes_come_back_from_json(lane: Lane) -> None:
    again = Lane.from_json(json.loads(json.dumps(lane.to_json())))
    assert again == lane
    assert hash(again) == hash(lane)


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([], "needs breakpoints"),
        ("rise", "needs breakpoints"),
        (None, "needs breakpoints"),
        ([3], "is a pair"),
        ([(1, 2, 3)], "is a pair"),
        ([(0.5, 1.0)], "whole number from 0"),
        ([(-1, 1.0)], "whole number from 0"),
        ([(True, 1.0)], "whole number from 0"),
        ([(LATEST + 1, 1.0)], "whole number from 0"),
        ([(0, math.nan)], "at t = 0 must be a finite number"),
        ([(0, 1.0), (4, math.inf)], "at t = 4 must be a finite number"),
        ([(0, True)], "must be a finite number"),
        ([(0, "loud")], "must be a finite number"),
        ([(0, 10**400)], "must be a finite number"),
        ([(0, 1e308), (4, -1e308)], r"cannot lead from 1e\+308 to -1e\+308"),
        ([(3, 1.0), (3, 2.0)], "t = 3 follows t = 3"),
        ([(3, 1.0), (2, 2.0)], "t = 2 follows t = 3"),
    ],
)
def test_points_that_make_no_lane(points: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Lane(points)


def test_other_lanes_that_are_none() -> None:
    unknown: Any
    for unknown in ("cubic", "", None, 5):
        with pytest.raises(InputError, match="shape of a lane must be 'linear' or 'smoothstep'"):
            Lane([(0, 1.0)], unknown)
        with pytest.raises(InputError, match="origin of a lane must be 'prompt' or 'text'"):
            Lane([(0, 1.0)], origin=unknown)
    wrong: Any
    for wrong, said in (
        (None, "Expected a lane such as"),
        ([[0, 1]], "Expected a lane such as"),
        ({}, "has no points"),
        ({"points": [[0, 1]], "curve": "x"}, "this one has 'curve'"),
        ({"points": [[0, 1]], "shape": "x"}, "shape of a lane"),
    ):
        with pytest.raises(InputError, match=said):
            Lane.from_json(wrong)


def test_later_changes_of_the_callers_list_change_nothing() -> None:
    given = [(0, 1.0)]
    lane = Lane(given)
    given.append((5, 2.0))
    assert lane.points == ((0, 1.0),)


# mixes


def still(models: list[Constant], weights: list[float], pool: str) -> Layered:
    layers = {str(n): Layer(model, weight) for n, (model, weight) in enumerate(zip(models, weights, strict=True))}
    base = layers.pop("0")
    return Layered(base.model, layers, pool, name="0", weight=base.weight)


@given(st.integers(0, 10**6), st.lists(lanes, min_size=1, max_size=3), st.sampled_from(["linear", "log"]), st.data())
def test_at_each_t_it_is_the_mix_of_the_weights_there(seed: int, drawn: list[Lane], pool: str, data: Any) -> None:
    """By the plainest mix there is, made anew for each token; judged as it is written."""
    models, prompt = random_models(seed, len(drawn) + 1), data.draw(st.integers(0, 6))
    if pool == "linear":
        drawn = [Lane([(t, abs(v)) for t, v in lane.points], lane.shape, lane.origin) for lane in drawn]
    laned = still(models, [0.7] * len(models), pool).with_lanes({str(n): lane for n, lane in enumerate(drawn)})
    text = np.random.default_rng(seed).integers(0, 5, 20)
    place = laned.begin(text[:prompt])
    for at in range(prompt, 20):
        told = [float(lane.at(at - prompt * (lane.origin == "prompt"))) for lane in drawn]
        fixed = still(models, [*told, 0.7], pool).begin(text[:at])
        np.testing.assert_allclose(distribution(place), distribution(fixed), rtol=1e-12)
        assert list(place.weights.values()) == [*told, 0.7]
        np.testing.assert_allclose(
            distribution(laned.at(at - prompt, prompt).begin(text[:at])), distribution(fixed), rtol=1e-12
        )
        place.advance(int(text[at]))
    rows, place = np.concatenate(list(laned.log_probs(text))), laned.begin()
    np.testing.assert_allclose(laned.log_likelihood(text), rows[np.arange(20), text], atol=1e-12)
    np.testing.assert_allclose(rows[0], distribution(place), rtol=1e-12)
    np.testing.assert_allclose(rows[1:], place.extend(text)[:-1], rtol=1e-12)


@pytest.mark.parametrize("pool", ["linear", "log"])
@pytest.mark.parametrize("points", [[(0, 0.3)], [(2, 0.3), (9, 0.3)]])
def test_a_constant_lane_is_a_weight(pool: str, points: list[tuple[int, float]]) -> None:
    for shape in SHAPES:
        laned = two(pool).with_lanes({"counts": Lane(points, shape)})
        fixed, text = two(pool).with_weights(counts=0.3), skewed(WORDS.size, 1, 30)
        place, other = laned.begin(text[:5]), fixed.begin(text[:5])
        for token in text[5:].tolist():
            np.testing.assert_array_equal(distribution(place), distribution(other))
            agrees(distribution(place), place.top(7))
            place.advance(token)
            other.advance(token)
        np.testing.assert_allclose(laned.log_likelihood(text), fixed.log_likelihood(text), atol=1e-13)


def test_silent_layers_are_not_asked_and_impossible_tokens_are_no_matter() -> None:
    ours, theirs = random_models(1, 2)
    never = Constant(theirs.vocabulary, np.where(np.arange(5) == 3, -np.inf, math.log(0.25)) + np.zeros((6, 5)))
    for pool in ("linear", "log"):
        laned = still([ours, never], [1.0, 1.0], pool).with_lanes({"1": Lane([(3, 0.0), (4, 1.0)])})
        text = [3] * 8
        expected = np.concatenate(
            [still([ours, never], [1, t > 3], pool).log_likelihood(text)[t : t + 1] for t in range(8)]
        )
        np.testing.assert_allclose(laned.log_likelihood(text), expected, atol=1e-12)
        assert np.isfinite(laned.log_likelihood(text)).tolist() == [pool == "linear" or t < 4 for t in range(8)]


def test_where_only_the_impossible_speaks_nothing_is_possible() -> None:
    ours, theirs = random_models(1, 2)
    never = Constant(theirs.vocabulary, np.where(np.arange(5) == 3, -np.inf, math.log(0.25)) + np.zeros((6, 5)))
    laned = still([ours, never], [1.0, 1.0], "linear").with_lanes({"0": Lane([(3, 1.0), (4, 0.0)])})
    assert np.isfinite(laned.log_likelihood([3] * 6)).tolist() == [True] * 4 + [False] * 2
    assert np.isneginf(np.concatenate(list(laned.log_probs([3] * 6)))[4:, 3]).all()


def test_most_tokens_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    place = two().with_lanes({"counts": RISE}).begin(skewed(WORDS.size, 5, 40))
    for token in (3, 4, 5):
        place.advance(token)
    expected = distribution(place)
    monkeypatch.setattr(linear, "distribution", lambda _: pytest.fail("read the whole"))
    agrees(expected, place.top(3))


def test_a_mix_with_lanes_in_a_mix_opens() -> None:
    """A mean of means is a mean, and its members are asked together."""
    laned = two().with_lanes({"counts": RISE})
    nested = Layered(laned, {"b": Layer(OTHERS, 0.5)}).begin([3, 4])
    nested.advance(5)
    shares = [1 / 1.125 / 1.5, 0.125 / 1.125 / 1.5, 0.5 / 1.5]
    assert [share for share, _ in linear.opened(nested.summed())] == pytest.approx(shares)


def test_nothing_is_replayed_as_the_text_goes_on(
    sea: AssociationModel, lullabies: AssociationModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[AssociationModel] = []
    begin = AssociationModel.begin
    monkeypatch.setattr(AssociationModel, "begin", lambda model, prompt=(): begun.append(model) or begin(model, prompt))
    mix = Layered(sea, {"lullabies": Layer(lullabies)}, name="sea")
    place = mix.with_lanes({"sea": RISE}).begin("At night the")
    assert begun == [sea, lullabies]
    place.extend([1, 2, 3])
    place.fork().advance(0)
    place.rebind(mix.with_lanes({"lullabies": FALL})).advance(0)
    place.rebind(mix)
    assert begun == [sea, lullabies]


# paths


def nest() -> Layered:
    return Layered(two(), {"a/b": Layer(COUNTS), "a": Layer(Layered(OTHERS, {"b": Layer(NETWORK)}))}, name="mix")


def test_lanes_are_found_by_their_paths() -> None:
    laned = nest().with_lanes({"mix/counts": RISE, "mix": FALL, "a/base": FALL})
    assert laned.lanes == {"mix/counts": RISE, "mix": FALL, "a/base": FALL}
    inner = laned.models["mix"]
    assert isinstance(inner, Laned)
    assert inner.lanes == {"counts": RISE}
    assert nest().with_lanes(laned.lanes).digest == laned.digest
    place = laned.begin([1])
    place.advance(2)
    by_hand = nest().with_weights({"mix": FALL.at(1)})
    quiet = Layered(two().with_weights(counts=RISE.at(1)), {}, name="mix", weight=float(FALL.at(1)))
    quiet = quiet.add("a/b", COUNTS).add("a", Layered(OTHERS, {"b": Layer(NETWORK)}, weight=FALL.at(1)))
    np.testing.assert_allclose(distribution(place), distribution(quiet.begin([1, 2])), rtol=1e-12)
    assert by_hand.models.keys() == laned.at(1).models.keys()
    np.testing.assert_allclose(distribution(laned.at(1).begin([1, 2])), distribution(place), rtol=1e-12)


def test_a_layers_whole_name_comes_first() -> None:
    laned = nest().with_lanes({"a/b": RISE})
    assert laned.begin().weights == {"mix": 1, "a/b": 0, "a": 1}


def test_lanes_change_and_are_added() -> None:
    laned = nest().with_lanes({"mix/counts": RISE, "a": FALL}).with_lanes({"mix/counts": FALL, "a/b": RISE})
    assert laned.lanes == {"a": FALL, "a/b": RISE, "mix/counts": FALL}
    assert laned.with_lanes({"mix/base": RISE}).lanes["mix/counts"] == FALL


def test_paths_that_lead_nowhere() -> None:
    for path in ("law", "mix/law", "mix/counts/base", "", 5):
        wrong: Any = {path: RISE}
        with pytest.raises(InputError, match=r"the layers are mix, a/b, a, mix/base, mix/counts, a/base"):
            nest().with_lanes(wrong)
    for lanes, said in (([RISE], "Expected lanes by layer"), ({"a": 0.5}, "lane of 'a' is a float; expected Lane")):
        wrong = lanes
        with pytest.raises(InputError, match=said):
            nest().with_lanes(wrong)


def test_lanes_are_given_to_a_mix() -> None:
    wrong: Any
    for wrong in (None, "mix", two().models["counts"], two().with_lanes({})):
        with pytest.raises(InputError, match=r"Expected a Layered as the mix, got a .*mix\.with_lanes"):
            Laned(wrong, {"counts": RISE})


# what the pool cannot use


def test_values_that_the_pool_cannot_use() -> None:
    with pytest.raises(InputError, match=r"weight of 'counts' must be a finite number of 0 or more, got -0\.1"):
        two().with_lanes({"counts": Lane([(0, 1.0), (5, -0.1)])})
    assert two("log").with_lanes({"counts": Lane([(0, 1.0), (5, -0.1)])})


def falls(at: int, origin: str = "prompt") -> Lane:
    return Lane([(0, 1.0), (at, 0.0)], origin=origin)


def rises(at: int, origin: str = "prompt") -> Lane:
    return Lane([(at, 0.0), (at + 1, 1.0)], origin=origin)


def test_silence_is_refused_where_it_can_be_known() -> None:
    for ours, theirs, where in (
        (falls(7), falls(9), "t = 9 "),
        (falls(7), rises(9), "t = 7 "),
        (falls(7), rises(7), "t = 7 "),
        (rises(3), rises(5), "t = 0 "),
        (falls(7, "text"), falls(9, "text"), "t = 9 "),
        (falls(7), falls(9, "text"), "t = 7 after a prompt of length 2 "),
        (rises(0), falls(9, "text"), "t = 0 after a prompt of length 9 "),
    ):
        with pytest.raises(InputError, match=rf"All weights are zero at {where}\(base, counts\)"):
            two().with_lanes({"base": ours, "counts": theirs})
        two().add("b", OTHERS).with_lanes({"base": ours, "counts": theirs})
    two().with_lanes({"base": falls(7), "counts": rises(6)})
    two().with_lanes({"base": falls(7), "counts": rises(6, "text")})  # the text is never behind the prompt
    with pytest.raises(InputError, match=r"All weights are zero at t = 7"):
        two().with_weights(counts=0).with_lanes({"base": falls(7)})
    with pytest.raises(InputError, match=r"All weights are zero at t = 2 "):
        two("log").with_weights(counts=0).with_lanes({"base": Lane([(0, 1.0), (4, -1.0)])})
    two("log").with_weights(counts=0).with_lanes({"base": Lane([(0, 1.0), (3, -1.0)])})


quiet = st.lists(
    st.tuples(st.integers(1, 4), st.sampled_from([0.0, 0.0, 1.0, -1.0, -2.0])), min_size=1, max_size=5
).map(
    lambda steps: [
        (int(t), v) for t, v in zip(np.cumsum([s for s, _ in steps]) - 1, [v for _, v in steps], strict=True)
    ]
)


@given(
    st.lists(
        st.builds(Lane, quiet, st.sampled_from([*SHAPES]), st.sampled_from(["prompt", "text"])), min_size=1, max_size=3
    )
)
def test_silence_is_found_exactly_where_there_is_some(drawn: list[Lane]) -> None:
    found, reach = silence(drawn), 24
    values = {lane: lane.at(np.arange(2 * reach)) for lane in drawn}

    def silent(t: int, prompt: int) -> bool:
        return not any(values[lane][t + prompt * (lane.origin == "text")] for lane in drawn)

    anywhere = [(t, prompt) for t in range(reach) for prompt in range(reach) if silent(t, prompt)]
    assert (found is not None) == bool(anywhere)
    assert found is None or silent(*found)


# accounts, generations, files


def test_an_account_says_where_the_lanes_are() -> None:
    laned = Layered(NETWORK, {"counts": Layer(COUNTS), "b": Layer(OTHERS, 0.5)}).with_lanes(
        {"counts": RISE, "base": Lane([(0, 1.0), (10, 2.0)], origin="text")}
    )
    place = laned.begin([3, 4, 5])
    place.advance(6)
    account = place.explain(7)
    assert [term.name for term in account.terms] == ["base", "counts", "b"]
    details = [term.detail.partition("; ")[2] for term in account.terms]
    assert details == ["lane 1.4 at t = 4 of the text", "lane 0.125 at t = 1", ""]
    assert place.shares(7) == pytest.approx(account.shares())
    assert all(abs(node.residual) < 1e-9 for node in nodes(account))
    fixed = laned.at(1, 3).explain([3, 4, 5, 6], 7)
    assert [t.contribution for t in account.terms] == pytest.approx([t.contribution for t in fixed.terms])
    logged = two("log").with_lanes({"counts": RISE}).begin([3]).explain(7)
    assert [term.name for term in logged.terms] == ["base", "counts", "−ln Z"]
    assert logged.terms[1].contribution == 0


@pytest.mark.parametrize("pool", ["linear", "log"])
def test_what_was_said_lately_is_remembered(pool: str) -> None:
    place = (
        Layered(decoders.model(), {"again": Layer(decoders.model(seed=2))}, pool).with_lanes({"again": RISE}).begin([1])
    )
    place.extend([2, 3, 4, 5])
    for ago in range(5):
        assert place.shares(6, ago) == pytest.approx(place.back(ago).shares(6))


def test_a_generation_keeps_the_lanes_where_they_were() -> None:
    laned, other = two().with_lanes({"counts": RISE, "base": FALL}), two().with_lanes({"counts": FALL})
    written = laned.generate([3, 4], Sampling(seed=2, max_tokens=12))
    assert written == laned.generate([3, 4], Sampling(seed=2, max_tokens=12))
    for step in range(len(written.steps)):
        place = written.scrub(step)
        assert isinstance(place, polyloom.Continuation)
        assert place.origin == 2
        expected = distribution(laned.at(step).begin(place.tokens))
        np.testing.assert_allclose(distribution(place), expected, rtol=1e-12)
    again = written.fork(5, model=other)
    assert [step.token for step in again.steps[:5]] == [step.token for step in written.steps[:5]]
    taken = again.scrub(7)
    np.testing.assert_allclose(taken.distribution(), distribution(other.at(7).begin(taken.tokens)), rtol=1e-12)


def test_guessing_ahead_writes_the_same() -> None:
    laned, greedy = two().with_lanes({"counts": RISE}), Sampling(0, max_tokens=20)
    assert laned.generate([3, 4], greedy, Speculation(COUNTS)).steps == laned.generate([3, 4], greedy).steps


def test_recipes_write_the_same(sea: AssociationModel, lullabies: AssociationModel) -> None:
    laned = Layered(sea, {"lullabies": Layer(lullabies)}).with_lanes({"lullabies": RISE})
    written = laned.generate("At night the", Sampling(seed=2, max_tokens=15))
    assert polyloom.replay(written.recipe, laned).text == written.text
    assert polyloom.replay(written.fork(4, "moon").recipe, laned).text == written.fork(4, "moon").text
    place = laned.begin("At")
    place.extend("night the")
    later = generate(place, Sampling(seed=2, max_tokens=15))
    assert later.recipe["origin"] == 1
    assert polyloom.replay(json.loads(json.dumps(later.recipe)), laned).steps == later.steps != written.steps
    with pytest.raises(InputError, match="origin must be a whole number from 0 to 3"):
        polyloom.replay(later.recipe | {"origin": 4}, laned)


def test_text_that_changes_sides_is_followed(sea: AssociationModel, lullabies: AssociationModel) -> None:
    """What it is for: a fader that moves with the text beats any that stays."""
    first = sea.vocabulary.encode("At night the sea was dark. The mate said nothing. " * 4)
    then = sea.vocabulary.encode("Sleep, little one, sleep. " * 8)
    ids, turn = np.concatenate([first, then]), len(first)
    mix, down = Layered(sea, {"lullabies": Layer(lullabies)}), Lane([(turn - 1, 1.0), (turn, 0.05)])
    moving = mix.with_lanes({"base": down, "lullabies": Lane([(turn - 1, 0.05), (turn, 1.0)])})
    assert moving.perplexity([ids]) < mix.fit_weights([ids]).perplexity([ids])


def test_it_comes_back_from_a_file(sea: AssociationModel, lullabies: AssociationModel, tmp_path: Path) -> None:
    mix = Layered(Layered(sea, {"lullabies": Layer(lullabies)}), {"sea/2": Layer(sea, 0.2)}, name="mix")
    laned = mix.with_lanes({"mix/lullabies": RISE, "sea/2": FALL})
    for model in (laned, Gated({"all": laned, "sea": sea})):
        for members in ("embed", "reference"):
            path = model.save(tmp_path / "mix.psamc", members=members)
            polyloom.verify(path)
            again = polyloom.load(path)
            assert repr(again) == repr(model)
            assert again.digest == model.digest
            np.testing.assert_array_equal(*(m.begin("At night").extend([1, 2, 3]) for m in (again, model)))
    assert repr(laned) == "<Laned mix 1, sea/2 1.5 … 0>"
    others = [mix, mix.with_lanes({"sea/2": FALL}), laned.with_lanes({"sea/2": RISE}), laned.with_lanes({"mix": RISE})]
    others += [
        laned.with_lanes({"sea/2": Lane(FALL.points)}),
        laned.with_lanes({"sea/2": Lane(FALL.points, origin="text")}),
    ]
    assert len({laned.digest, *(other.digest for other in others)}) == 7


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ({"lanes": {"law": RISE.to_json()}}, "No layer 'law'"),
        ({"lanes": {"base": {"points": [[0, -1]]}}}, "must be a finite number of 0 or more"),
        ({"lanes": {"base": {"points": [[0, 1]], "shape": "x"}}}, "shape of a lane"),
        ({"lanes": {"base": [[0, 1]]}}, "Expected a lane"),
        ({"lanes": None}, "is damaged"),
        ({"weights": [["base", 1.0]]}, "names 1 layers and holds 2"),
        ({"pool": "harmonic"}, "Unknown pool"),
    ],
)
def test_a_damaged_file_is_told(sea: Any, lullabies: Any, tmp_path: Path, damage: dict[str, Any], said: str) -> None:
    refused(Layered(sea, {"b": Layer(lullabies)}).with_lanes({"b": RISE}), tmp_path, damage, said)
