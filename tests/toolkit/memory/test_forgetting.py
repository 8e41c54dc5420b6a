"""Forgetting is exact: every number is that of a memory which never heard it, and no byte of it is left."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import polyloom
from polyloom import AssociationModel, Generation, InputError, Sampling, VocabularyMismatch, WordVocabulary
from polyloom.memory import MemoryStore, Settings
from toolkit.memory.talk import SAID, START, STEP, WORDS, filled, held, same

FORGETS: list[tuple[dict[str, Any], list[int]]] = [
    ({"turn": 3}, [0, 1, 3, 4, 5, 6, 7]),
    ({"session": "monday"}, [3, 4, 5, 6, 7]),
    ({"topic": "travel"}, [2, 4, 5, 7]),
    ({"text": "cat"}, [0, 1, 3, 4, 6]),
    ({"session": "tuesday", "topic": "kitchen"}, [0, 1, 2, 3, 6, 7]),
    ({"session": "tuesday", "text": "flight"}, [0, 1, 2, 4, 5, 6, 7]),
]


@pytest.mark.parametrize("compacted", [False, True])
@pytest.mark.parametrize(("named", "stays"), FORGETS)
def test_what_is_left_is_as_if_it_had_never_been_heard(
    tmp_path: Path, named: dict[str, Any], stays: list[int], compacted: bool
) -> None:
    with filled(tmp_path / "ours") as memory, filled(tmp_path / "theirs", stays) as never:
        held(memory)
        if compacted:
            memory.compact()
        gone = memory.forget(**named)
        assert gone.turns == len(SAID) - len(stays)
        assert f"Forgot {gone.turns} turn" in str(gone)
        assert "vocabulary may still list its words" in gone.remains
        same(memory, never)
        assert [turn.text for turn in memory.turns()] == [SAID[n][2] for n in stays]


def test_forgetting_leaves_no_byte(tmp_path: Path) -> None:
    secret = "Anna says so, and Bob does not."
    with filled(tmp_path) as memory:
        turn = memory.remember(secret, "secret", "private")
        memory.reject(secret, "secret")
        memory.compact()
        assert any(secret.encode() in path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
        memory.forget(text="Anna")
        raw = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert memory.log() == ()
        for trace in (secret.encode(), b"private", turn.tokens.astype("<u4").tobytes()):
            assert trace not in raw


def test_bytes_that_a_reader_holds_back_are_told(tmp_path: Path) -> None:
    with filled(tmp_path) as memory, MemoryStore(tmp_path) as reader:
        memory._database.change("PRAGMA busy_timeout = 10")
        with reader._database.reading():
            assert len(reader.turns()) == len(SAID)
            gone = memory.forget(session="monday")
            assert "Another process is reading" in gone.remains
            assert len(reader.turns()) == len(SAID)
        assert len(reader.turns()) == len(SAID) - 3
        assert "Another process" not in memory.forget(session="tuesday").remains


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(["remember", "forget", "reject", "undo", "compact"]), st.integers(0, 7))))
def test_whatever_happened_counts_are_those_of_the_turns_that_stay(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("memory")
    with MemoryStore(folder / "ours", WORDS) as memory:
        for what, n in steps:
            session, topic, text = SAID[n]
            if what == "remember":
                memory.remember(text, session, topic, at=START + n * STEP)
            elif what == "reject":
                memory.reject(text, session, topic)
            elif what == "forget" and session in memory.sessions():
                memory.forget(session=session)
            elif what == "undo" and memory.log():
                memory.undo()
            elif what == "compact":
                memory.compact()
        with MemoryStore(folder / "theirs", WORDS) as again:
            for turn in sorted([*memory.turns()], key=lambda turn: turn.id):
                again.remember(turn.text, turn.session, turn.topic, at=turn.time)
            for action in memory.log():
                given_text = memory._database.ask("SELECT text, session FROM turn WHERE id = ?", [action.turn])[0]
                again.reject(*given_text)
            same(memory, again)
        memory.verify()


def test_what_cannot_be_forgotten(tmp_path: Path) -> None:
    with filled(tmp_path) as memory:
        for nothing in ({}, {"text": ""}):
            with pytest.raises(InputError, match="Say what to forget"):
                memory.forget(**nothing)
        with pytest.raises(InputError, match="Nothing is remembered of session 'sunday'"):
            memory.forget(session="sunday")
        wrong: Any
        for wrong in (-1, 2.0, "3", True):
            with pytest.raises(InputError, match="turn must be a whole number"):
                memory.forget(wrong)
        assert len(memory.turns()) == len(SAID)


# pruning


def test_pruning_keeps_what_is_worth_most(tmp_path: Path) -> None:
    with MemoryStore(tmp_path, WORDS, Settings(half_life=10 * STEP)) as memory:
        for n in range(400):
            important = 2.0**30 if n == 3 else 1.0
            memory.remember(SAID[n % 8][2] + f" milk {n}", "s", at=START + n * STEP, importance=important)
        size = memory._database.size()
        gone = memory.prune(size - 20_000)
        assert memory._database.size() <= size - 20_000
        assert (tmp_path / "memory.sqlite").stat().st_size <= size - 20_000
        left = [turn.id for turn in memory.turns()]
        assert 4 in left
        assert left[1:] == list(range(401 - len(left) + 1, 401))
        assert gone.turns == 400 - len(left) > 20
        assert memory.prune(size).turns == 0
        with pytest.raises(InputError, match="An empty memory takes"):
            memory.prune(1)
        assert memory.turns() == []


@pytest.mark.parametrize("budget", [0, -5, 1e6, "1 MB", None, True])
def test_what_is_no_budget(tmp_path: Path, budget: Any) -> None:
    with filled(tmp_path) as memory, pytest.raises(InputError, match="budget must be a whole number"):
        memory.prune(budget)


# accepted and rejected


@pytest.fixture(scope="module")
def base() -> AssociationModel:
    said = [*(text for *_, text in SAID), "Anna says so, and Bob does not."]
    end = WORDS.sentence_end
    assert end is not None
    documents = [np.append(WORDS.encode(text), end) for text in said]
    return AssociationModel.fit(documents, WORDS, skips=False, history=False, held_out=[], progress=False)


def test_a_rejected_text_becomes_unlikely_and_an_accepted_one_likely(tmp_path: Path, base: AssociationModel) -> None:
    text = base.generate("The flight", Sampling(temperature=0.0, max_tokens=4))
    with MemoryStore(tmp_path, WORDS) as memory:

        def chance(avoid: float = 1.0) -> float:
            return float(memory.model(base, avoid=avoid).log_likelihood(text.scrub(4).tokens)[-4:].sum())

        plain = chance()
        memory.reject(text)
        assert chance(8.0) < chance(2.0) < chance() < plain - 1
        assert memory.model(base).generate("The flight", text.sampling).text != text.text
        assert memory.model(base, avoid=0.0).weights == {"base": 1.0}
        assert repr(memory.model(base, avoid=3.0)) == "<Rejecting: strength 3>"
        memory.undo()
        assert chance() == plain
        memory.accept(text)
        assert chance() > plain


def test_a_generation_counts_its_tokens_after_its_prompt(tmp_path: Path, base: AssociationModel) -> None:
    text = base.generate("The flight to", Sampling(temperature=0.0, max_tokens=2))
    with MemoryStore(tmp_path, WORDS) as memory:
        turn = memory.accept(text, "now", "travel", importance=2.0)
        assert turn.context.tolist() == WORDS.encode("The flight to").tolist()
        assert turn.tokens.tolist() == [step.token for step in text.steps]
        assert (turn.role, turn.importance, turn.topic) == ("accepted", 2.0, "travel")
        layer = memory.layer()
        assert layer is not None
        assert layer.tokens_counted == 2
        assert layer.edges("flight", direction="after") == ()
        plain = Generation(text.prompt, text.text, text.steps, text.sampling)
        again = memory.accept(plain)
        assert again.tokens.tolist() == WORDS.encode(text.text).tolist()
        assert [action.kind for action in memory.log()] == ["accept", "accept"]


def test_rejections_touch_no_other_layer(tmp_path: Path) -> None:
    with filled(tmp_path / "a") as memory, filled(tmp_path / "b") as other:
        before = held(memory)
        memory.reject("The flight to Oslo")
        after = held(memory)
        assert before["avoid"] == {}
        assert after.pop("avoid")
        for name, counts in after.items():
            for part, array in counts.items():
                np.testing.assert_array_equal(array, before[name][part])
        assert memory.undo().kind == "reject"
        same(memory, other)


def test_undo_goes_back_step_by_step(tmp_path: Path) -> None:
    with filled(tmp_path / "a") as memory, filled(tmp_path / "b") as other:
        memory.accept("The cat is well.")
        memory.reject("The coat is cold.")
        memory.accept("Buy bread.")
        assert [memory.undo().kind for _ in range(3)] == ["accept", "reject", "accept"]
        same(memory, other)
        with pytest.raises(InputError, match="nothing to undo"):
            memory.undo()


def test_what_cannot_be_judged(tmp_path: Path) -> None:
    other = WordVocabulary(["quite", "another"])
    stranger = AssociationModel.fit("quite another", other, order=1, skips=False).generate("quite")
    with MemoryStore(tmp_path, WORDS) as memory:
        with pytest.raises(InputError, match="Nothing was written"):
            memory.accept("")
        anything: Any = 5
        with pytest.raises(InputError, match="Expected a generation, or its text, got int"):
            memory.reject(anything)
        with pytest.raises(VocabularyMismatch, match=r"Give its text: accept\(generation\.text\)"):
            memory.accept(stranger)
        assert memory.turns() == []


# drift


def test_drift_is_nothing_where_nothing_changed_and_grows_with_what_is_heard(
    tmp_path: Path, base: AssociationModel
) -> None:
    with filled(tmp_path) as memory:
        last = memory.turns()[-1].id
        assert memory.drift(base, "The flight to Oslo", since=last).bits == pytest.approx(0.0, abs=1e-12)
        some = memory.drift(base, "The flight to Oslo")
        memory.reject("The flight to Bob Bob Bob")
        more = memory.drift(base, "The flight to Oslo", since=last)
        assert some.bits > 0
        assert more.bits > 0
        assert more.most <= 1
        assert "never agrees" in str(more)
        with pytest.raises(InputError, match="probe holds no token"):
            memory.drift(base, "")


def test_drift_by_hand() -> None:
    from polyloom.memory.drift import divergence

    assert divergence(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])) == pytest.approx([1.0])
    assert divergence(np.array([[0.5, 0.5]]), np.array([[0.5, 0.5]])) == pytest.approx([0.0])
    found = divergence(np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]]))
    by_hand = 0.5 * (0.5 * np.log2(0.5 / 0.75) + 0.5 * np.log2(0.5 / 0.25)) + 0.5 * np.log2(1 / 0.75)
    assert found == pytest.approx([by_hand])


def test_an_avoiding_mix_keeps_the_laws(tmp_path: Path, base: AssociationModel) -> None:
    with filled(tmp_path) as memory:
        memory.reject("The flight to Oslo")
        mix = memory.model(base)
        row = mix.begin("The flight to").distribution()
        assert abs(np.logaddexp.reduce(row)) < 1e-9
        account = mix.explain("The flight to", "Oslo")
        assert [term.name for term in account.terms] == ["model", "penalty", "−ln Z"]
        assert abs(account.residual) < 1e-9
        path = mix.save(tmp_path / "mix.psamc")
        np.testing.assert_array_equal(polyloom.load(path).begin("The flight to").distribution(), row)
