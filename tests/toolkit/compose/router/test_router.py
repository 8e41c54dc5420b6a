"""The router: what it decides and why, beside definitions; what would change it; what a file holds."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import polyloom
from contract import nodes
from polyloom import (
    AssociationModel,
    ByteVocabulary,
    FileError,
    InputError,
    LanguageModel,
    MissingPackage,
    Routed,
    Router,
)
from polyloom.compose.routing.router.calibration import OUTSIDE, USUAL, WIDE, calibrated
from polyloom.compose.routing.router.features import read
from polyloom.compose.routing.router.router import FORBIDS
from polyloom.explanation import Explanation
from polyloom.files import read as read_file
from polyloom.files import write
from toolkit.compose.router.experts import EXAMPLES, router

TEXTS = ["is it high tide at the harbour", "salt in the dough", "who is liable in court", "", "zebra 7", "the"]


def test_it_routes_what_it_never_read() -> None:
    for text, name in zip(TEXTS, EXAMPLES, strict=False):
        decision = router().with_threshold(0.4).route(text)
        assert decision.name == decision.best == name
        assert decision.score == max(decision.scores.values()) == decision.scores[name]
    for text in ("", "zebra 7"):
        assert router().route(text).name is None
        assert router().route(text).top(2) == {}


def test_the_score_is_the_equation() -> None:
    ours = router()
    witnesses, calibration = ours.witnesses, ours.calibration
    spoken = [read(text) for examples in EXAMPLES.values() for text in examples]
    for text in TEXTS:
        vector = witnesses.features.vector(read(text))
        dense = np.zeros(len(witnesses.features.names))
        dense[vector.ids] = vector.values
        linear = witnesses.linear.bias + dense @ witnesses.linear.weights
        known = {name for name in read(text).whole if any(name in one.whole for one in spoken)}
        ratio = np.zeros(3)
        for k in range(3):
            own = spoken[8 * k : 8 * k + 8]
            said = sum(len(one.whole) for one in own)
            for name in known:
                part = sum(name in one.whole for one in spoken) / sum(len(one.whole) for one in spoken)
                count = sum(name in one.whole for one in own)
                ratio[k] += math.log((count + 20 * part) / (said + 20) / part)
        z = np.array([*(calibration.weights[0] * linear + calibration.weights[1] * ratio), calibration.none])
        wanted = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
        np.testing.assert_allclose(list(ours.route(text).scores.values()), wanted[:-1], rtol=1e-6)


def test_every_account_sums() -> None:
    for text in TEXTS:
        decision = router().route(text)
        assert math.fsum(term.contribution for term in decision.explanation.terms) == decision.score
        assert decision.explanation.total == decision.score
        for node in (*nodes(decision.explanation), *nodes(router().account(text))):
            assert abs(node.residual) < 1e-9
        opened = decision.explanation.terms[0].child
        assert opened is not None
        assert opened.probability == pytest.approx(decision.score, abs=1e-12)


def test_taking_a_feature_away_at_its_distance_draws_level() -> None:
    """Another feature vector, with so much less of one feature, has two experts at the same score."""
    ours, text = router(), "the tide in the soup and the court"
    flips = ours.route(text).flips()
    assert list(flips.values()) == sorted(flips.values(), key=abs)
    seen = ours.witnesses.judge(text)
    z = seen.judged @ ours.calibration.weights
    best, second = np.argsort(-z)[:2]
    shown = [ours.witnesses.features.shown(at) for at in seen.vector.ids.tolist()]
    for name, times in flips.items():
        told = [np.zeros(len(shown)), np.zeros(len(shown))]
        for side, expert in zip(told, (best, second), strict=True):
            side += ours.calibration.weights[0] * ours.witnesses.linear.terms(seen.vector, int(expert))
            side[: seen.vector.wholes] += ours.calibration.weights[1] * ours.witnesses.association.terms(
                seen.vector, int(expert)
            )
        gone = np.array([times if one == name else 0.0 for one in shown])
        lead = z[best] - z[second] - gone @ told[0] + gone @ told[1]
        assert lead == pytest.approx(0, abs=1e-9)


def test_the_parts_of_every_expert_sum_to_its_chance() -> None:
    ours, text = router(), "how do i pay the bill"
    parts, scores = ours.parts(text), ours.route(text).scores
    z = np.sum(list(parts.values()), axis=0)
    chances = np.exp(z) / (np.exp(ours.calibration.none) + np.exp(z).sum())
    np.testing.assert_allclose(chances, list(scores.values()), rtol=1e-9)
    decision = ours.route(text)
    second = max((one for one in scores if one != decision.best), key=lambda one: scores[one])
    best, other = ours.names.index(decision.best), ours.names.index(second)
    for what, far in decision.flips().items():
        assert far * (parts[what][best] - parts[what][other]) == pytest.approx(z[best] - z[other])


def test_keywords_call_and_forbid() -> None:
    declared: dict[str, Any] = {
        "sea": {"examples": EXAMPLES["sea"], "routing": {"keywords": ["kraken"], "exclude_keywords": ["space ship"]}},
        "law": EXAMPLES["law"],
    }
    ours = Router.fit(declared)
    plain, called, forbidden = (ours.route(f"{what} the").scores["sea"] for what in ("", "kraken", "space ship kraken"))
    assert called > 0.9 > plain
    assert forbidden < 1e-9
    opened = ours.route("kraken the").explanation.terms[0].child
    assert opened is not None
    keywords = next(term for term in opened.terms if term.name == "keywords")
    assert keywords.contribution == pytest.approx(ours.calibration.weights[2])
    assert keywords.child is not None
    assert [term.name for term in keywords.child.terms] == ["kraken"]
    account = ours.route("space ship tide").explanation
    assert account.piece == "law"
    barred = ours.witnesses.judge("space ship space  SHIP")
    assert barred.barred.tolist() == [1, 0]
    assert FORBIDS * barred.barred[0] == 30


def test_manifests_alone_will_do() -> None:
    ours = Router.fit({"sea": {"routing": {"keywords": ["tide"]}}, "law": {"routing": {"keywords": ["court"]}}})
    assert ours.threshold == 0.5**0.5  # half way in nats from one of two to certainty
    assert ours.route("high tide").name == "sea"
    assert ours.route("nothing").name is None


def test_one_example_each_will_do_for_many() -> None:
    words = [
        f"{a}{b}" for a in ("tide", "dough", "court", "seed", "wheel") for b in ("ing", "less", "able", "ful", "y")
    ]
    ours = Router.fit({word: [f"about {word}"] for word in words})
    assert ours.threshold == pytest.approx(0.2)
    assert all(ours.route(f"{word} is {word}").best == word for word in words)
    assert ours.route("something else").name is None


def test_the_best_few_share_the_text() -> None:
    decision = router().with_threshold(0).route("the tide in the soup")
    shares = decision.top(2)
    assert list(shares) == sorted(decision.scores, key=lambda name: -decision.scores[name])[:2]
    assert sum(shares.values()) == pytest.approx(1)
    assert list(decision.top(1).values()) == [1]
    with pytest.raises(InputError, match="k must be"):
        decision.top(0)


# calibration


def _drawn(texts: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    dice = np.random.default_rng(4)
    judged, of = dice.normal(size=(texts, 4, 3)), dice.integers(0, 4, texts)
    judged[np.arange(texts), of] += [0.4, 2, 1]
    return judged, (dice.random((texts, 4)) < 0.1) * 30.0, of


def _likelihood(weights: np.ndarray, none: float, judged: np.ndarray, barred: np.ndarray, of: np.ndarray) -> float:
    """By the definition, text by text."""
    told = -0.5 * (((np.array([*weights, none + 20]) - USUAL) / WIDE) ** 2).sum()
    for text, off, own in zip(judged, barred, of, strict=True):
        z = np.exp(text @ weights - off)
        told += math.log(z[own] / (z.sum() + math.exp(none)))
        told += OUTSIDE * math.log(math.exp(none) / (z.sum() - z[own] + math.exp(none)))
    return float(told)


def test_the_calibration_is_the_likeliest() -> None:
    judged, barred, of = _drawn()
    found = calibrated(judged, barred, of)
    best = _likelihood(found.weights, found.none, judged, barred, of)
    for at in range(4):
        for step in (-0.02, 0.02):
            moved = np.array([*found.weights, found.none])
            moved[at] += step
            assert _likelihood(moved[:3], moved[3], judged, barred, of) < best


def _best(text: np.ndarray, off: np.ndarray, weights: np.ndarray, none: float) -> float:
    z = np.exp(text @ weights - off)
    return float(z.max() / (z.sum() + math.exp(none)))


def test_the_threshold_parts_most() -> None:
    judged, barred, of = _drawn()
    found = calibrated(judged, barred, of)

    def parted(threshold: float) -> float:
        kept = turned = 0
        for text, off, own in zip(judged, barred, of, strict=True):
            z = np.exp(text @ found.weights - off)
            kept += z.max() / (z.sum() + math.exp(found.none)) >= threshold
            others = np.delete(z, own)
            turned += others.max() / (others.sum() + math.exp(found.none)) < threshold
        return kept + turned

    own = np.quantile(
        [_best(text, off, found.weights, found.none) for text, off in zip(judged, barred, strict=True)], 0.1
    )
    assert found.threshold > own
    assert parted(found.threshold) == max(parted(float(one)) for one in np.linspace(0, 1, 2001))


def test_of_two_experts_one_in_ten_texts_does_not_reach_the_threshold() -> None:
    judged, barred, of = _drawn()
    judged, barred, of = judged[:, :2], barred[:, :2] * 0, of % 2
    judged[np.arange(len(of)), of] += [1, 4, 2]
    found = calibrated(judged, barred, of)
    own = [_best(text, off, found.weights, found.none) for text, off in zip(judged, barred, strict=True)]
    assert found.threshold == pytest.approx(np.quantile(own, 0.1))


@pytest.mark.parametrize("experts", [2, 3, 9])
def test_the_threshold_is_half_way_from_a_guess_at_least(experts: int) -> None:
    nobody = calibrated(np.zeros((0, experts, 3)), np.zeros((0, experts)), np.zeros(0, np.int64))
    assert math.log(nobody.threshold) == pytest.approx((math.log(1 / experts) + math.log(1)) / 2)
    vague = calibrated(np.zeros((30, experts, 3)), np.zeros((30, experts)), np.arange(30) % experts)
    assert vague.threshold == nobody.threshold


# files, routing, borders


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_routed(text: str) -> None:
    decision = router().route(text)
    assert 0 < sum(decision.scores.values()) < 1
    assert abs(decision.explanation.terms[0].child.residual) < 1e-9  # type: ignore[union-attr]


def test_a_file_holds_all_of_it(tmp_path: Path) -> None:
    path = router().save(tmp_path / "three.router")
    again = Router.load(path)
    polyloom.verify(path)
    assert (again.names, again.window, again.threshold) == (router().names, router().window, router().threshold)
    for text in TEXTS:
        assert again.route(text).scores == router().route(text).scores
        assert again.route(text).explanation == router().route(text).explanation


def test_what_is_no_router_is_refused(tmp_path: Path) -> None:
    manifest, arrays = router().state()
    for change in ({"names": ["sea"]}, {"wholes": 3}, {"called": [[]]}, {"weights": [1.0]}, {"window": 0}):
        write(tmp_path / "damaged", manifest | change, arrays)
        with pytest.raises(FileError, match="no router"):
            Router.load(tmp_path / "damaged")
    for name, array in (("bias", np.zeros(2)), ("experts", arrays["experts"] + 1), ("idf", np.zeros(3))):
        write(tmp_path / "damaged", manifest, arrays | {name: array})
        with pytest.raises(FileError, match="no router"):
            Router.load(tmp_path / "damaged")
    write(tmp_path / "other", {"kind": "association"}, {})
    with pytest.raises(FileError, match="no router; read models"):
        Router.load(tmp_path / "other")
    with pytest.raises(FileNotFoundError):
        Router.load(tmp_path / "absent")


def test_a_mix_goes_by_it(tmp_path: Path) -> None:
    models: dict[str, LanguageModel] = {
        name: AssociationModel.fit(texts, ByteVocabulary(), order=2) for name, texts in EXAMPLES.items()
    }
    ours = router().with_threshold(0.34)
    routed = Routed(ours, models, policy="best", fallback="law")
    place = routed.begin("the tide")
    assert place.weights == {"sea": 1, "kitchen": 0, "law": 0}
    unsure = Routed(ours.with_threshold(1), models, policy="best", fallback="law")
    assert unsure.begin("the tide").weights == {"sea": 0, "kitchen": 0, "law": 1}
    decision = next(term for term in place.explain("a").terms if term.decides)
    assert decision.child is not None
    assert [term.name for term in decision.child.terms] == list(EXAMPLES)
    routed.save(tmp_path / "mix.psamc")
    again = polyloom.load(tmp_path / "mix.psamc")
    assert again.digest == routed.digest
    assert again.digest != Routed(router(), models, policy="best", fallback="law").digest
    manifest, arrays = read_file(tmp_path / "mix.psamc")
    stored = {key: value for key, value in manifest.items() if key not in ("version", "sha256")}
    broken = json.loads(json.dumps(stored).replace('"wholes"', '"holes"'))
    write(tmp_path / "broken.psamc", broken, arrays)
    with pytest.raises(FileError, match="damaged"):
        polyloom.load(tmp_path / "broken.psamc")
    with pytest.raises(InputError, match="'sea'; the members are"):
        Routed(ours, {"kitchen": models["kitchen"], "law": models["law"]})


def test_abstaining_says_who_came_nearest() -> None:
    account: Explanation = router().with_threshold(1).account("the tide")
    assert account.total == 0
    (nearest,) = [term for term in account.terms if term.decides]
    assert nearest.name == "sea"
    assert nearest.child is not None
    assert router().with_threshold(1).weigh("the tide") == dict.fromkeys(EXAMPLES, 0)
    assert router().with_threshold(0).weigh("the tide") == router().route("the tide").scores


def test_what_cannot_be_used_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    untyped: Any = router()
    for threshold in ("0.5", True, math.nan, -0.1, 1.1, None):
        with pytest.raises(InputError, match="threshold"):
            untyped.with_threshold(threshold)
    for text in (None, 3, b"tide"):
        with pytest.raises(InputError, match="Expected a text"):
            untyped.route(text)
    with pytest.raises(InputError, match="window"):
        Router.fit(EXAMPLES, window=0)
    monkeypatch.setitem(__import__("sys").modules, "sklearn.svm", None)
    with pytest.raises(MissingPackage, match=r"polyloom\[experts\]"):
        Router.fit(EXAMPLES)
    assert router().route("the tide").best == "sea"
