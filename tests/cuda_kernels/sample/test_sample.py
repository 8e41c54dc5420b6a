"""`sample`: the reference is what textbooks sort, and compiled code is the reference to the last bit."""

import math
import shutil
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import polyloom_kernels.sample as face
from polyloom_kernels._device import usable
from polyloom_kernels.sample import Watermark, cpu, kept, operation, reference, sample, weights
from polyloom_kernels.shim import Shim

BACKENDS: tuple[Any, ...] = ("reference", "cpu")
CHANCES = np.array([0.05, 0.4, 0.1, 0.3, 0.15])
LOGITS = np.log(CHANCES).astype(np.float32)[None]


# whole numbers


@pytest.mark.parametrize(
    ("seed", "counter", "words"),
    [
        (0, (0, 0), (0x6627E8D5, 0xE169C58D)),
        (2**64 - 1, (2**64 - 1, 2**64 - 1), (0x408F276D, 0x41C83B0E)),
        (0x299F31D0A4093822, (0x85A308D3243F6A88, 0x0370734413198A2E), (0xD16CFE09, 0x94FDCCEB)),
    ],
)
def test_dice_are_philox_as_its_authors_publish_it(seed: int, counter: tuple[int, int], words: tuple[int, int]) -> None:
    assert weights.philox(seed, *counter) == words[0] | words[1] << 32
    assert int(cpu.philox(np.uint64(seed), *map(np.uint64, counter))) == words[0] | words[1] << 32


def test_weights_are_halvings() -> None:
    distances = np.concatenate([np.arange(41) << 32, np.random.default_rng(0).integers(0, 41 << 32, 100_000)])
    found = reference.weights(distances.astype(np.uint64))
    exact = np.exp2(40 - distances / 2.0**32)
    assert (np.abs(found - exact) <= exact * 2.0**-29 + 1).all()
    assert found[:41].tolist() == [1 << 40 - n for n in range(41)]


@given(st.integers(0, 2**60), st.integers(0, 2**64 - 1), st.integers(0, 2**32))
def test_parts_of_whole_numbers_are_exact(total: int, dice: int, part: int) -> None:
    from polyloom_kernels.sample import levels

    assert int(levels.fraction(np.uint64(total), np.uint64(dice))) == total * dice >> 64
    assert int(levels.portion(np.uint64(total), np.uint64(part))) == max(1, total * part >> 32)


# the law


LAWS: dict[str, tuple[dict[str, Any], list[int]]] = {
    "nothing": ({}, [0, 1, 2, 3, 4]),
    "greedy": ({"temperature": 0}, [1]),
    "top_k": ({"top_k": 2}, [1, 3]),
    "top_k beyond": ({"top_k": 99}, [0, 1, 2, 3, 4]),
    "top_p": ({"top_p": 0.6}, [1, 3]),
    "top_p of next to nothing": ({"top_p": 1e-300}, [1]),
    "min_p": ({"min_p": 0.37}, [1, 3, 4]),
    "min_p of one": ({"min_p": 1.0}, [1]),
    "top_k then top_p": ({"top_k": 3, "top_p": 0.7}, [1, 3]),
    "temperature then top_p": ({"temperature": 0.5, "top_p": 0.55}, [1]),
    "all": ({"top_k": 4, "top_p": 0.99, "min_p": 0.3}, [1, 3, 4]),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", LAWS)
def test_each_setting_leaves_what_it_says(name: str, backend: Any) -> None:
    asked, expected = LAWS[name]
    assert kept(np.log(CHANCES), backend=backend, **asked).tolist() == expected
    drawn = sample(np.repeat(LOGITS, 3000, 0), 5, np.arange(3000), backend="cpu", **asked).tokens
    chances = np.zeros(5)
    chances[expected] = (CHANCES ** (1 / (asked.get("temperature", 1) or 1)))[expected]
    chances /= chances.sum()
    often = np.bincount(drawn, minlength=5) / 3000
    assert (np.abs(often - chances) <= 5 * np.sqrt(chances * (1 - chances) / 3000)).all()


def by_sorting(log_probs: np.ndarray, temperature: float, top_k: int, top_p: float, min_p: float) -> list[int]:
    """As it is written everywhere, in float64."""
    chances = np.exp((log_probs - log_probs.max()) / temperature)
    order = np.argsort(-chances, kind="stable")[: top_k or None]
    ordered = chances[order] / chances[order].sum()
    stays = (np.cumsum(ordered) - ordered < top_p) & (ordered >= min_p * ordered[0])
    return sorted(order[stays].tolist())


@settings(max_examples=60)
@given(
    st.integers(0, 10**6),
    st.sampled_from([1, 40, 1000, 3000]),
    st.sampled_from([0.2, 2.0]),
    st.sampled_from([0.7, 1.0, 2.0]),
    st.sampled_from([0, 1, 30, 6000]),
    st.sampled_from([1.0, 0.93, 0.4]),
    st.sampled_from([0.0, 0.07]),
)
def test_it_is_what_sorting_leaves(
    seed: int, size: int, spread: float, temperature: float, top_k: int, top_p: float, min_p: float
) -> None:
    log_probs = np.random.default_rng(seed).normal(0, spread, size)
    log_probs[: size // 3] = np.round(log_probs[: size // 3])  # many equals
    expected = by_sorting(log_probs, temperature, top_k, top_p, min_p)
    for backend in BACKENDS:
        asked = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p}
        assert kept(log_probs, backend=backend, **asked).tolist() == expected


class Asked:
    """Rows and settings by chance, of everything there is; a row always has something that may come."""

    def __init__(self, rows: int, size: int, said: int, kind: str, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.logits = (rng.normal(0, rng.choice([0.2, 2, 20]), (rows, size))).astype(np.float32)
        if kind == "equal":
            self.logits[:] = np.round(self.logits / 4)
        if kind == "closed":
            self.logits[:, 1::3] = -np.inf
        bits = rng.integers(0, 2**32, (rows, math.ceil(size / 32)), dtype=np.uint32)
        bits[:, 0] |= 1
        self.seeds, self.places = rng.integers(0, 2**63, rows), int(rng.integers(2**40))
        self.settings: dict[str, Any] = {
            "temperature": rng.choice([0, 1e-30, 0.3, 1, 2, 1e30], rows),
            "top_k": rng.choice([0, 1, 3, 100, 5000], rows),
            "top_p": rng.choice([1, 0.9, 0.4, 1e-12], rows),
            "min_p": rng.choice([0, 0.1, 1, 1e-5, 1e-30], rows),
            "said": rng.integers(-1, size, (rows, said)),
            "repetition": rng.choice([1, 1.3, 0.7], rows),
            "presence": rng.choice([0, 0.5], rows),
            "frequency": rng.choice([0, 0.37, -0.2], rows),
            "allowed": bits if rng.random() < 0.5 else None,
            "watermark": Watermark(int(rng.integers(2**63)), 0.3, 1.5) if rng.random() < 0.5 else None,
        }

    def ask(self, backend: Any) -> list[list[float]]:
        found = sample(self.logits, self.seeds, self.places, backend=backend, **self.settings)
        return np.stack(found, 1).tolist()


@settings(max_examples=150)
@given(
    st.builds(
        Asked,
        rows=st.integers(0, 4),
        size=st.sampled_from([1, 2, 31, 32, 33, 511, 512, 513, 2000]),
        said=st.integers(0, 8),
        kind=st.sampled_from(["any", "equal", "closed"]),
        seed=st.integers(0, 10**6),
    )
)
def test_compiled_code_draws_the_very_same_tokens(asked: Asked) -> None:
    assert asked.ask("cpu") == asked.ask("reference")


def test_a_row_does_not_know_who_else_is_there() -> None:
    asked = Asked(5, 700, 6, "any", 3)
    together = asked.ask("cpu")
    for n in range(5):
        alone = {
            name: each if each is None or isinstance(each, Watermark) else each[n : n + 1]
            for name, each in asked.settings.items()
        }
        found = sample(asked.logits[n : n + 1], asked.seeds[n], asked.places, **alone)
        assert np.stack(found, 1).tolist() == together[n : n + 1]


def test_a_seed_and_a_place_say_which_token() -> None:
    rows = np.zeros((200, 1000), np.float32)
    drawn = sample(rows, 7, np.arange(200)).tokens
    np.testing.assert_array_equal(sample(rows[:50], 7, np.arange(50)).tokens, drawn[:50])
    assert len(set(drawn.tolist())) > 150
    assert (sample(rows, 8, np.arange(200)).tokens != drawn).sum() > 190


@pytest.mark.parametrize("backend", BACKENDS)
def test_chances_are_those_of_the_law(backend: Any) -> None:
    drawn = sample(np.repeat(LOGITS, 60, 0), 5, np.arange(60), top_k=3, temperature=0.5, backend=backend)
    law = np.where(np.isin(np.arange(5), [1, 3, 4]), CHANCES**2, 0) / (CHANCES[[1, 3, 4]] ** 2).sum()
    np.testing.assert_allclose(drawn.chances, law[drawn.tokens], rtol=1e-6)


# what changes numbers first


@pytest.mark.parametrize("backend", BACKENDS)
def test_penalties_by_hand(backend: Any) -> None:
    logits = np.array([[2.0, 1.9, -1.0, -1.1]], np.float32)

    def greedy(said: list[int], **penalties: float) -> int:
        return int(sample(logits, 0, temperature=0, said=[said], backend=backend, **penalties).tokens[0])

    assert greedy([-1, 0]) == 0
    assert greedy([-1, 0], repetition=1.04) == 0
    assert greedy([-1, 0], repetition=1.06) == 1  # 2 / 1.06 < 1.9
    assert greedy([0, 1, 2], repetition=4.0) == 0
    assert greedy([0, 1, 2], repetition=4.0, presence=1.7) == 3  # -1.1 is the largest of −1.2, −1.225, −5.7, −1.1
    assert greedy([0, 0, 1], presence=3.05) == 2  # −1.05, −1.15, −1, −1.1
    assert greedy([0, 0, 1], frequency=0.2) == 1  # 1.6, 1.7
    assert greedy([1, 0, 0], presence=0.2, frequency=-0.3) == 0  # 2.4, 2.0


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_not_allowed_never_comes(backend: Any) -> None:
    allowed = np.zeros((40, 3), np.uint32)
    allowed[:, 1], allowed[:, 2] = 1 << 31 | 1, 0xFFFFFFF8
    drawn = sample(np.zeros((40, 67), np.float32), 0, np.arange(40), allowed=allowed, backend=backend)
    assert set(drawn.tokens.tolist()) == {32, 63}


def test_a_watermark_is_found_by_its_key_alone() -> None:
    mark, text = Watermark(1234, 0.25, 4.0), [0]
    logits = np.random.default_rng(0).normal(0, 1, (120, 500)).astype(np.float32)
    for place, row in enumerate(logits):
        text += sample(row[None], 3, place, said=[text], watermark=mark).tokens.tolist()
    plain = sample(logits, 3, np.arange(120)).tokens
    assert mark.evidence(text) > 10
    assert abs(mark.evidence(plain)) < 4
    assert abs(Watermark(1235, 0.25).evidence(text)) < 4


def test_evidence_counts_each_pair_once() -> None:
    mark = Watermark(5)
    pairs = [(1, 2), (2, 1)]
    found = sum(bool(mark.green(a, b)) for a, b in pairs)
    assert mark.evidence([1, 2] * 30) == pytest.approx((found - 1) / math.sqrt(0.5))
    assert mark.evidence([3]) == 0


@given(st.integers(0, 2**64 - 1), st.integers(0, 1000))
def test_so_many_are_green(key: int, before: int) -> None:
    assert abs(Watermark(key, 0.3).green(before, np.arange(20_000)).mean() - 0.3) < 0.03


# borders


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("odd", [np.nan, -np.nan, np.inf])
@pytest.mark.parametrize("at", [0, 63, 64, 99])
def test_a_row_that_is_no_distribution_is_refused(backend: Any, odd: float, at: int) -> None:
    logits = np.zeros((3, 100), np.float32)
    logits[1, at] = odd
    with pytest.raises(ValueError, match="Row 1 is no distribution"):
        sample(logits, 0, backend=backend)
    with pytest.raises(ValueError, match="The row is no distribution"):
        kept(logits[1].astype(np.float64), top_k=3, backend=backend)
    with pytest.raises(ValueError, match="Row 0 is no distribution"):
        sample(np.full((1, 9), -np.inf, np.float32), 0, backend=backend)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"logits": np.zeros((1, 5))}, "Expected float32 logits"),
    ({"logits": [[0.0, 1.0]]}, "Expected float32 logits"),
    ({"logits": np.zeros(5, np.float32)}, "Expected float32 logits"),
    ({"logits": np.zeros((1, 0), np.float32)}, "Expected float32 logits"),
    ({"seeds": -1}, "seeds must be a whole number"),
    ({"seeds": 1.5}, "seeds must be a whole number"),
    ({"seeds": True}, "seeds must be a whole number"),
    ({"seeds": [1, 2]}, "one for each of 1 rows"),
    ({"places": "3"}, "places must be a whole number"),
    ({"temperature": -1}, "temperature must be 0 or more"),
    ({"temperature": np.nan}, "temperature must be 0 or more"),
    ({"temperature": np.inf}, "temperature must be 0 or more"),
    ({"temperature": "1"}, "temperature must be a number"),
    ({"temperature": True}, "temperature must be a number"),
    ({"temperature": None}, "temperature must be a number"),
    ({"temperature": [1.0, 1.0]}, "temperature must be a number"),
    ({"top_k": 1.5}, "top_k must be a whole number"),
    ({"top_k": -1}, "top_k must be 0 or more"),
    ({"top_p": 0}, "top_p must be more than 0 and at most 1"),
    ({"top_p": [1.1]}, "top_p must be more than 0 and at most 1"),
    ({"min_p": 2}, "min_p must be 0 or more and at most 1"),
    ({"repetition": 0}, "repetition must be more than 0"),
    ({"presence": np.inf}, "presence must be"),
    ({"said": [0, 1]}, "Expected the texts so far"),
    ({"said": [[0.5]]}, "Expected the texts so far"),
    ({"said": [[5]]}, "Tokens must be from 0 to 4"),
    ({"said": [[-2]]}, "Tokens must be from 0 to 4"),
    ({"allowed": np.zeros((1, 1), np.int64)}, "Expected allowed as bits"),
    ({"allowed": np.zeros((1, 2), np.uint32)}, "Expected allowed as bits"),
    ({"watermark": 1}, "Expected a watermark"),
    ({"backend": "gpu"}, "Unknown back end 'gpu'"),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_what_does_not_fit_is_refused(change: dict[str, Any], message: str) -> None:
    asked: dict[str, Any] = {"logits": np.zeros((1, 5), np.float32), "seeds": 0} | change
    with pytest.raises(ValueError, match=message):
        sample(**asked)


def test_kept_refuses_what_is_no_row() -> None:
    wrong: Any = np.zeros(3, np.float32)
    with pytest.raises(ValueError, match=r"Expected float64 log-probabilities"):
        kept(wrong)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"key": -1}, "key is a whole number"),
        ({"key": 1.0}, "key is a whole number"),
        ({"key": True}, "key is a whole number"),
        ({"key": 1, "share": 1}, "share is a number above 0 and below 1"),
        ({"key": 1, "boost": np.nan}, "boost is a number above 0"),
        ({"key": 1, "boost": "2"}, "boost is a number above 0"),
    ],
)
def test_a_watermark_checks_itself(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Watermark(**given)


@pytest.mark.parametrize("tokens", [[[1, 2]], [0.5, 1.0], [-1, 2]])
def test_evidence_needs_a_text(tokens: Any) -> None:
    with pytest.raises(ValueError, match="Expected the tokens of a text"):
        Watermark(1).evidence(tokens)


def test_one_compiled_function_serves_all() -> None:
    for kind in ("any", "closed"):
        asked = Asked(2, 100, 3, kind, 1)
        asked.logits = np.asfortranarray(asked.logits)
        asked.logits.flags.writeable = False
        asked.ask("cpu")
    kept(np.zeros(6)[::2], backend="cpu")
    assert len(cpu.sample.signatures) == len(cpu.kept.signatures) == 1


def test_numpy_serves_until_the_compiled_code_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    class Never:
        def chosen(self, backend: str, seconds: float) -> None:
            assert (backend, seconds > 0) == ("auto", True)

    monkeypatch.setattr(operation, "COMPILED", Never())
    asked = Asked(3, 60, 2, "any", 2)
    found = asked.ask("auto")
    monkeypatch.undo()
    assert found == asked.ask("cpu")
    assert kept(np.zeros(4), top_k=2).tolist() == [0, 1]


def test_a_gpu_that_is_not_there_is_no_silent_fall_back() -> None:
    if usable():
        pytest.skip("there is a GPU here")
    with pytest.raises(RuntimeError, match=r'The back end "cuda" cannot be used: \w+'):
        sample(LOGITS, 0, backend="cuda")


def test_what_a_gpu_is_asked_is_what_the_definition_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shim in the place of a GPU: everything but the launch is the same."""
    if shutil.which("g++") is None:
        pytest.skip("g++, which compiles for the shim, is not installed")

    class Tensor(np.ndarray):
        def contiguous(self) -> np.ndarray:
            return np.array(self)

    monkeypatch.setattr(operation, "on_gpu", lambda backend, *_: backend == "cuda")
    monkeypatch.setattr(operation, "Device", SimpleNamespace(of=lambda tensor: Shim()))
    for seed in range(4):
        asked = Asked(5, 90, seed, "closed", seed)
        found = sample(asked.logits.view(Tensor), asked.seeds, asked.places, backend="cuda", **asked.settings)
        assert np.stack(found, 1).tolist() == asked.ask("reference")
    with pytest.raises(ValueError, match=r"at most [\d,]+ different tokens"):
        sample(np.zeros((1, 1 << 21), np.float32).view(Tensor), 0, said=[[1]], backend="cuda")


@pytest.mark.parametrize("name", face.__all__)
def test_the_face_names_it(name: str) -> None:
    assert getattr(face, name)
