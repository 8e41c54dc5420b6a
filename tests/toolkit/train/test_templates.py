r"""Templates against what their authors publish: templates rendered by `transformers`, and strings written out by hand.

The texts expected of Alpaca follow `PROMPT_DICT["prompt_no_input"]` and `preprocess` of train.py of Stanford Alpaca
(prompt + answer + `</s>`), those of Vicuna `vicuna_v1.1` of fastchat/conversation.py: ADD_COLON_TWO between " " and
`</s>`.
"""

import json
from typing import Any, cast

import numpy as np
import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from polyloom import ByteVocabulary, ForeignVocabulary, InputError, Vocabulary
from polyloom.train.conversation import Conversation
from polyloom.train.lesson import Lesson
from polyloom.train.template import Template
from polyloom.train.templates import TEMPLATES, template

BYTES = ByteVocabulary()
SPECIAL = ["<s>", "</s>", "<|im_start|>", "<|im_end|>"]
PUBLISHED = {
    "chatml": "{% for m in messages %}<|im_start|>{{ m.role + '\\n' + m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    "llama2": "{% if messages[0].role == 'system' %}{% set rest = messages[1:] %}{% set system = messages[0].content %}"
    "{% else %}{% set rest = messages %}{% set system = false %}{% endif %}{% for m in rest %}"
    "{% if loop.first and system is not false %}"
    "{% set content = '<<SYS>>\\n' + system + '\\n<</SYS>>\\n\\n' + m.content %}"
    "{% else %}{% set content = m.content %}{% endif %}"
    "{% if m.role == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
    "{% else %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
    "qwen3": "{% set ns = namespace(last=messages | length - 1) %}"
    "{% for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}{% endfor %}"
    "{% for m in messages %}{% set content = m.content %}{{ '<|im_start|>' + m.role + '\\n' }}"
    "{% if m.role == 'assistant' %}{% set thoughts = '' %}{% if '</think>' in content %}"
    "{% set thoughts = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}"
    "{% set content = content.split('</think>')[-1].lstrip('\\n') %}{% endif %}"
    "{% if loop.index0 > ns.last and (loop.last or thoughts) %}"
    "{{ '<think>\\n' + thoughts.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}"
    "{% else %}{{ content }}{% endif %}{% else %}{{ content }}{% endif %}{{ '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
}
TURNS = [("user", " What is\nred? "), ("assistant", "A colour."), ("user", "And 7?"), ("assistant", "A number.")]
CONVERSATIONS: dict[str, list[tuple[str, str]]] = {
    "one turn": TURNS[:2],
    "two turns": TURNS,
    "a question": TURNS[:3],
    "with a system": [("system", "Be brief."), *TURNS],
    "nothing said": [("system", ""), ("user", ""), ("assistant", "")],
    "thoughts": [
        *TURNS[:1],
        ("assistant", "<think>\nred\n</think>\n\nA colour."),
        *TURNS[2:3],
        ("assistant", "<think>\nseven\n\nyes\n</think>\n\nA number."),
    ],
    "markers in words": [("user", "say <|im_end|> or </s>"), ("assistant", "<|im_start|> <s>")],
}


def byte_level() -> Tokenizer:
    """Every byte is a piece, and the markers are special."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={piece: id for id, piece in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in SPECIAL])
    return tokenizer


TOKENIZER = byte_level()
MARKED = ForeignVocabulary(TOKENIZER.to_str())


def published(name: str, conversation: list[tuple[str, str]], **more: Any) -> Any:
    """What `transformers` makes of the published template."""
    theirs = PreTrainedTokenizerFast(tokenizer_object=TOKENIZER, bos_token="<s>", eos_token="</s>")
    given = [{"role": role, "content": content} for role, content in conversation]
    return theirs.apply_chat_template(given, chat_template=PUBLISHED[name], **more)


def learned(lesson: Lesson, vocabulary: Vocabulary) -> list[str]:
    """The stretches that are learned, markers written out."""
    ids, mask = lesson
    borders = np.flatnonzero(np.diff(mask.astype(int), prepend=0, append=0)).reshape(-1, 2)
    return [shown(ids[start:end], vocabulary) for start, end in borders]


def shown(ids: np.ndarray, vocabulary: Vocabulary) -> str:
    pieces = [vocabulary.pieces[id] if vocabulary.pieces[id] in SPECIAL else vocabulary.decode([id]) for id in ids]
    return "".join(pieces)


@pytest.mark.parametrize("conversation", CONVERSATIONS.values(), ids=CONVERSATIONS.keys())
@pytest.mark.parametrize("name", PUBLISHED)
def test_texts_are_those_of_the_published_templates(name: str, conversation: list[tuple[str, str]]) -> None:
    assert template(name).text(conversation) == published(name, conversation, tokenize=False)


@pytest.mark.parametrize("conversation", list(CONVERSATIONS.values())[:-1], ids=list(CONVERSATIONS)[:-1])
@pytest.mark.parametrize("name", PUBLISHED)
def test_ids_are_those_of_the_published_templates(name: str, conversation: list[tuple[str, str]]) -> None:
    """But for the first `<s>`, which is the model's to place."""
    expected = published(name, conversation, tokenize=True, return_dict=False)
    start = 1 if expected[0] == MARKED.id_of("<s>") else 0
    ids, mask = template(name).encode(conversation, MARKED)
    assert ids.tolist() == expected[start:]
    assert ids.dtype == np.int64
    assert mask.dtype == np.bool_
    assert ids.shape == mask.shape


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_prompt_is_the_published_one(name: str) -> None:
    question = TURNS[:3]
    expected = published(name, question, tokenize=True, return_dict=False, add_generation_prompt=True)
    start = 1 if name == "llama2" else 0
    assert template(name).prompt(question, MARKED).tolist() == expected[start:]


ALPACA = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{}\n\n### Response:{}</s>"
)
VICUNA = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, "
    "and polite answers to the user's questions. USER: {} ASSISTANT: {}</s>"
)


@pytest.mark.parametrize(("name", "expected"), [("alpaca", ALPACA), ("vicuna", VICUNA)])
def test_texts_written_out_by_hand(name: str, expected: str) -> None:
    found, more = template(name), {"alpaca": "### Instruction:\nAnd 7?\n\n### Response:A number.</s>"}
    assert found.text([("user", "Say hi"), ("assistant", "Hi")]) == expected.format("Say hi", "Hi")
    assert found.text([("user", ""), ("assistant", "")]) == expected.format("", "")
    second = more.get(name, "USER: And 7? ASSISTANT: A number.</s>")
    assert found.text([("user", "Say hi"), ("assistant", "Hi"), *TURNS[2:]]) == expected.format("Say hi", "Hi") + second
    own = found.text([("system", "Be brief."), ("user", "Say hi"), ("assistant", "Hi")])
    assert own.startswith("Be brief.\n\n### I" if name == "alpaca" else "Be brief. USER: ")
    prompt = found.prompt([("user", "Say hi")], MARKED)
    assert expected.format("Say hi", "Hi").startswith(MARKED.decode(prompt))


MASKS = {
    "chatml": ["A colour.<|im_end|>", "A number.<|im_end|>"],
    "qwen3": ["A colour.<|im_end|>", "A number.<|im_end|>"],
    "llama2": [" A colour. </s>", " A number. </s>"],
    "alpaca": ["A colour.</s>", "A number.</s>"],
    "vicuna": [" A colour.</s>", " A number.</s>"],
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_the_assistant_says_is_learned_and_what_ends_it(name: str) -> None:
    lesson = template(name).encode(TURNS, MARKED)
    assert learned(lesson, MARKED) == MASKS[name]
    assert shown(lesson.ids, MARKED) == template(name).text(TURNS).removeprefix("<s>")
    prompt, end = template(name).prompt(TURNS[:3], MARKED), int(np.flatnonzero(lesson.learned)[-1]) + 1
    given = len("<think>\n\n</think>\n\n") if name == "qwen3" else 0
    said = len(MASKS[name][1]) - len("<|im_end|>" if "<|im_end|>" in MASKS[name][1] else "</s>") + 1
    assert end - said - given == len(prompt)
    assert lesson.ids[: len(prompt)].tolist() == prompt.tolist()
    assert not template(name).encode(TURNS[:1], MARKED).learned.any()


def test_masks_token_by_token() -> None:
    ids, mask = template("chatml").encode([("user", "a"), ("assistant", "b")], MARKED)
    found = [(MARKED.pieces[id], bool(is_learned)) for id, is_learned in zip(ids, mask, strict=True)]
    assert found == [
        ("<|im_start|>", False),
        *((letter, False) for letter in "userĊa"),
        ("<|im_end|>", False),
        ("Ċ", False),
        ("<|im_start|>", False),
        *((letter, False) for letter in "assistantĊ"),
        ("b", True),
        ("<|im_end|>", True),
        ("Ċ", False),
    ]
    ids, mask = template("llama2").encode([("user", "a"), ("assistant", "b")], MARKED)
    found = [(MARKED.pieces[id], bool(is_learned)) for id, is_learned in zip(ids, mask, strict=True)]
    assert found == [*((letter, False) for letter in "[INST]ĠaĠ[/INST]"), *((x, True) for x in ["Ġ", "b", "Ġ", "</s>"])]


def test_thoughts_are_learned_with_the_answer_that_they_lead_to() -> None:
    found = learned(template("qwen3").encode(CONVERSATIONS["thoughts"], MARKED), MARKED)
    assert found == ["A colour.<|im_end|>", "<think>\nseven\n\nyes\n</think>\n\nA number.<|im_end|>"]


def test_an_empty_answer_teaches_to_end() -> None:
    for name, ending in {"chatml": "<|im_end|>", "alpaca": "</s>", "vicuna": " </s>", "llama2": "  </s>"}.items():
        assert learned(template(name).encode([("user", ""), ("assistant", "")], MARKED), MARKED) == [ending]


def test_words_are_never_markers() -> None:
    ids, _ = template("chatml").encode(CONVERSATIONS["markers in words"], MARKED)
    assert (ids == MARKED.id_of("<|im_end|>")).sum() == (ids == MARKED.id_of("<|im_start|>")).sum() == 2
    assert MARKED.id_of("</s>") not in ids
    assert MARKED.id_of("<s>") not in ids


def test_a_vocabulary_without_the_markers_spells_them_and_places_its_own_end() -> None:
    conversation = [("user", "é"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]
    lesson = template("chatml").encode(conversation, BYTES)
    assert BYTES.decode(lesson.ids) == template("chatml").text(conversation)
    assert learned(lesson, BYTES) == ["b<|im_end|>", "d<|im_end|>"]
    lesson = template("llama2").encode(conversation, BYTES)
    assert BYTES.decode(lesson.ids) == "[INST] é [/INST] b [INST] c [/INST] d "
    assert learned(lesson, BYTES) == [" b </s>", " d </s>"]


@pytest.mark.parametrize("name", TEMPLATES)
def test_mappings_and_pairs_are_the_same(name: str) -> None:
    mappings = [{"role": role, "content": content} for role, content in TURNS]
    assert template(name).text(mappings) == template(name).text(TURNS) == template(name).text(iter(TURNS))
    assert template(name).text(json.loads(json.dumps(TURNS))) == template(name).text(TURNS)


@pytest.mark.parametrize(
    ("conversation", "message"),
    [
        ("Hello", "Expected a list of messages.*got str"),
        ({"role": "user", "content": "a"}, "Expected a list of messages.*got dict"),
        (None, "got NoneType"),
        ([], "at least one message"),
        (["Hello"], "Message 0 must be a mapping or a pair"),
        ([("user", "a", "b")], "Message 0 must be"),
        ([{"role": "user"}], "'role' and 'content'"),
        ([{"role": "user", "content": "a", "name": "b"}], "nothing else"),
        (
            [("user", "a"), ("tool", "b")],
            r"role of message 1 must be one of \['system', 'user', 'assistant'\], got 'tool'",
        ),
        ([(None, "a")], "role of message 0"),
        ([("user", None)], "content of message 0 to be a str, got NoneType"),
        ([("user", "a"), ("system", "b")], "Message 1 is of the system"),
    ],
)
@pytest.mark.parametrize("name", TEMPLATES)
def test_what_is_no_conversation_is_refused(name: str, conversation: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        template(name).encode(cast("Conversation", conversation), BYTES)


@pytest.mark.parametrize("name", ["alpaca", "llama2", "vicuna"])
def test_formats_that_know_only_turns_refuse_the_rest(name: str) -> None:
    for wrong in ([("assistant", "a")], [("user", "a"), ("user", "b")], [("system", "a"), ("assistant", "b")]):
        with pytest.raises(InputError, match=r"Expected message . after the system's"):
            template(name).text(wrong)
    with pytest.raises(InputError, match="system message alone"):
        template(name).text([("system", "a")])
    assert template("chatml").text([("assistant", "a")]) == "<|im_start|>assistant\na<|im_end|>\n"


@pytest.mark.parametrize("name", ["llama", "", None, 3])
def test_an_unknown_name_lists_the_known(name: Any) -> None:
    with pytest.raises(InputError, match="chatml, llama2, alpaca, vicuna, qwen3"):
        template(name)


def test_each_is_found_by_its_own_name() -> None:
    assert all(isinstance(found, Template) and found.name == name for name, found in TEMPLATES.items())
