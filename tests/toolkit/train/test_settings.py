"""Settings: what stands where nothing was said, and what is refused."""

import json
from typing import Any

import numpy as np
import pytest

from polyloom import InputError
from polyloom.train.infill import FillInTheMiddle
from polyloom.train.settings import Training


def test_something_says_when_to_stop() -> None:
    assert Training().steps == 1000
    assert Training(minutes=1).steps is None
    assert Training(steps=5, minutes=1).steps == 5


def test_the_optimiser_says_how_fast() -> None:
    assert Training().learning_rate == 0.01
    assert Training(optimiser="adamw").learning_rate == 0.003
    assert Training(optimiser="adamw", learning_rate=0.0).learning_rate == 0.0


def test_the_schedule_says_how_long_it_decays() -> None:
    assert Training(schedule="stable").decay == 0.4
    assert Training(schedule="cosine").decay == 1.0
    assert Training(schedule="cosine", decay=0.2).decay == 0.2


def test_they_can_be_written_down() -> None:
    given = Training(steps=np.int64(7), learning_rate=1, infill=FillInTheMiddle(1, 2, 3))  # type: ignore[arg-type]
    assert json.loads(json.dumps(given.to_json())) == given.to_json()


def test_the_length_is_that_of_the_model() -> None:
    assert Training().of_length(64).length == 64
    assert Training(length=32).of_length(64).length == 32
    assert Training().of_length(32_768).length == 1024
    assert Training(length=2048).of_length(32_768).length == 2048
    with pytest.raises(InputError, match=r"length must be at most 64, .* got 65"):
        Training(length=65).of_length(64)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"steps": 0}, "steps must be 1 or more, got 0"),
    ({"steps": 1.5}, "steps must be a whole number or None, got 1.5"),
    ({"minutes": float("nan")}, "minutes must be"),
    ({"minutes": "3"}, "minutes must be a number or None, got '3'"),
    ({"batch": True}, "batch must be a whole number, got True"),
    ({"batch": None}, "batch must be a whole number, got None"),
    ({"optimiser": ["muon"]}, "optimiser must be 'muon' or 'adamw', got"),
    ({"optimiser": "sgd"}, "optimiser must be 'muon' or 'adamw', got 'sgd'"),
    ({"schedule": "linear"}, "schedule must be 'stable' or 'cosine', got 'linear'"),
    ({"dtype": "float16"}, "dtype must be 'float32' or 'bfloat16', got 'float16'"),
    ({"warm_up": 1.1}, "warm_up must be from 0 to 1, got 1.1"),
    ({"decay": -0.1}, "decay must be from 0 to 1, got -0.1"),
    ({"clip": 0}, "clip must be 1e-12 or more, got 0"),
    ({"learning_rate": -1}, "learning_rate must be 0 or more, got -1"),
    ({"patience": 0}, "patience must be 1 or more"),
    ({"checkpointing": 1}, "checkpointing must be True or False, got 1"),
    ({"sample": 3}, "sample must be a text, got 3"),
    ({"infill": 0.5}, "infill must be a FillInTheMiddle or None, got 0.5"),
    ({"threads": 0}, "threads must be 1 or more"),
]


@pytest.mark.parametrize(("values", "message"), WRONG, ids=[str(values) for values, _ in WRONG])
def test_wrong_values_are_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Training(**values)
