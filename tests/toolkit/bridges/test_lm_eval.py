"""In EleutherAI's harness: its own evaluation, on tasks and data that the test wrote, gives the model's own numbers."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import polyloom
from polyloom import AssociationModel, InputError, Sampling

pytestmark = [  # the harness and what it stands on warn about themselves
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

QUESTIONS = [
    {"question": "At night the tide", "choices": ["comes in", "sings the law", "harbour"], "answer": 0},
    {"question": "The mate said", "choices": ["nothing", "tide"], "answer": 1},
    {"question": "", "choices": ["At night", "night At"], "answer": 0},
]
TASKS = {
    "guess": {
        "output_type": "multiple_choice",
        "doc_to_text": "{{question}}",
        "doc_to_choice": "{{choices}}",
        "doc_to_target": "{{answer}}",
        "metric_list": [{"metric": "acc"}],
    },
    "read": {
        "output_type": "loglikelihood_rolling",
        "doc_to_text": "",
        "doc_to_target": "{{question}} {{choices[0]}}",
        "metric_list": [{"metric": "word_perplexity"}, {"metric": "bits_per_byte"}],
    },
    "write": {
        "output_type": "generate_until",
        "doc_to_text": "{{question}}",
        "doc_to_target": "{{choices[0]}}",
        "generation_kwargs": {"until": ["."], "max_gen_toks": 9},
        "metric_list": [{"metric": "exact_match"}],
    },
}


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """`simple_evaluate` on the tasks above: YAML files beside the data, and no network."""
    folder = tmp_path_factory.mktemp("tasks")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(folder / "home")}.items():
            patch.setenv(name, value)
        import lm_eval
        from lm_eval.tasks import TaskManager

        patch.setattr("lm_eval.evaluator.add_env_info", lambda results: None)  # asks pip for seconds
        data = folder / "data.jsonl"
        data.write_text("".join(json.dumps(line) + "\n" for line in QUESTIONS))
        for name, task in TASKS.items():
            files = {"data_files": {"test": str(data)}, "cache_dir": str(folder)}
            source = {"dataset_path": "json", "dataset_kwargs": files, "test_split": "test"}
            described = {"task": name, **source, "num_fewshot": 0, **task}
            (folder / f"{name}.yaml").write_text(json.dumps(described))  # JSON is YAML
        manager = TaskManager(include_path=str(folder), include_defaults=False)

        def evaluate(model: Any, task: str, **settings: Any) -> Any:
            return lm_eval.simple_evaluate(
                model, tasks=[task], task_manager=manager, bootstrap_iters=0, verbosity="ERROR", **settings
            )

        yield evaluate


@pytest.fixture(scope="module")
def judged(sea: AssociationModel) -> Any:
    from polyloom.bridges.lm_eval import PolyloomLM

    return PolyloomLM(sea)


class Request:
    """What the harness asks, as far as a model sees it."""

    def __init__(self, *args: Any) -> None:
        self.args = args


# through the harness


def test_multiple_choice(harness: Any, judged: Any, sea: AssociationModel) -> None:
    found = harness(judged, "guess")
    right = 0
    for line, sample in zip(QUESTIONS, found["samples"]["guess"], strict=True):
        context = sea.vocabulary.encode(line["question"])
        told = [float(score) for ((score, _),) in sample["resps"]]
        expected = [
            float(sea.log_likelihood(sea.vocabulary.encode(f"{line['question']} {choice}"))[len(context) :].sum())
            for choice in line["choices"]
        ]
        assert told == expected, "equal to the last bit"
        right += int(np.argmax(expected)) == line["answer"]
    assert found["results"]["guess"]["acc,none"] == pytest.approx(right / len(QUESTIONS))


def test_rolling(harness: Any, judged: Any, sea: AssociationModel) -> None:
    found = harness(judged, "read")["results"]["read"]
    texts = [f"{line['question']} {line['choices'][0]}" for line in QUESTIONS]
    total = sum(float(sea.log_likelihood(text).sum()) for text in texts)
    size = sum(len(text.encode()) for text in texts)
    assert found["bits_per_byte,none"] == pytest.approx(-total / size / math.log(2))


def test_writing(harness: Any, judged: Any, sea: AssociationModel) -> None:
    found = harness(judged, "write")["samples"]["write"]
    for line, sample in zip(QUESTIONS, found, strict=True):
        expected = sea.generate(line["question"], Sampling(0, max_tokens=9, stop=(".",))).text
        assert sample["resps"] == [[expected]]


def test_by_name_and_path(harness: Any, judged: Any, sea: AssociationModel, tmp_path: Path) -> None:
    path = sea.save(tmp_path / "sea.psam")
    for given in (f"path={path}", {"path": str(path)}):
        found = harness("polyloom", "guess", model_args=given, batch_size=4, device="cpu")
        assert found["results"]["guess"]["acc,none"] == harness(judged, "guess")["results"]["guess"]["acc,none"]


# request by request


def test_what_is_greedy_is_what_the_model_would_write(judged: Any, sea: AssociationModel) -> None:
    written = sea.generate("At night the", Sampling(0, max_tokens=4))
    rest = sea.vocabulary.decode([step.token for step in written.steps])
    asked = [Request("At night the", f" {rest}"), Request("At night the", f" {rest} law"), Request("At night the", "")]
    scores = judged.loglikelihood(asked)
    assert [greedy for _, greedy in scores] == [True, False, True]
    assert scores[0][0] == pytest.approx(sum(step.log_prob for step in written.steps))
    assert scores[2] == (0.0, True)


def test_spaces_before_the_seam_belong_to_what_comes_after(judged: Any, sea: AssociationModel) -> None:
    moved, plain = judged.loglikelihood([Request("At night ", "the tide"), Request("At night", " the tide")])
    assert moved == plain
    assert judged.loglikelihood([Request("", "At night")])[0][0] == float(sea.log_likelihood("At night").sum())


def test_bytes_are_cut_at_the_seam() -> None:
    from polyloom.bridges.lm_eval import PolyloomLM

    model = AssociationModel.fit("käse und brot und käse", polyloom.ByteVocabulary(), order=4)
    ((found, _),) = PolyloomLM(model).loglikelihood([Request("brot und ", "käse")])
    whole = model.log_likelihood("brot und käse")
    assert found == float(whole[len(b"brot und") :].sum())


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"until": ["\n", "."], "max_gen_toks": 5}, Sampling(0, max_tokens=5, stop=("\n", "."))),
        ({"until": "x", "do_sample": False, "temperature": 0.7}, Sampling(0, max_tokens=256, stop=("x",))),
        ({"do_sample": True, "temperature": 0.7, "top_p": 0.9}, Sampling(0.7, max_tokens=256, top_p=0.9)),
        ({"temperature": 0.5, "top_k": 4}, Sampling(0.5, max_tokens=256, top_k=4)),
        ({"do_sample": True}, Sampling(1.0, max_tokens=256)),
        ({"temperature": 0.0, "until": None}, Sampling(0, max_tokens=256)),
    ],
)
def test_the_settings_of_a_task(asked: dict[str, Any], expected: Sampling) -> None:
    from polyloom.bridges.lm_eval import sampling

    assert sampling(asked) == expected


def test_what_cannot_be_followed_is_refused(judged: Any, sea: AssociationModel) -> None:
    from polyloom.bridges.lm_eval import PolyloomLM, sampling

    with pytest.raises(InputError, match="asks for 'num_beams'"):
        sampling({"num_beams": 4})
    for given in ({}, {"model": sea, "path": "x"}):
        with pytest.raises(InputError, match="either a model or its path"):
            PolyloomLM(**given)
    with pytest.raises(InputError, match="Unknown model argument 'pretrained'"):
        PolyloomLM.create_from_arg_string("pretrained=gpt2")
