r"""The templates there are, by name; each is the format of a published model, written as its authors write it.

chatml    OpenAI, "Chat Markup Language", 2023; the first template of the documentation of `transformers`
llama2    Touvron et al., "Llama 2", 2023: the `chat_template` of meta-llama/Llama-2-7b-chat-hf
alpaca    Taori et al., "Stanford Alpaca", 2023: `PROMPT_DICT["prompt_no_input"]` of train.py; an input is part of
          the instruction here, and several turns, of which Alpaca knows none, follow one another after `</s>`
vicuna    Chiang et al., "Vicuna", 2023: `vicuna_v1.1` in conversation.py of FastChat
qwen3     Qwen, "Qwen3 Technical Report", 2025: the `chat_template` of Qwen/Qwen3-8B, without tools
"""

from polyloom.errors import InputError
from polyloom.train.conversation import ASSISTANT, SYSTEM, USER
from polyloom.train.template import BEGIN, END, Template, Turn

CHATML = {role: Turn(f"<|im_start|>{role}\n", "", "<|im_end|>", "\n") for role in (SYSTEM, USER, ASSISTANT)}
CHATML_MARKERS = ("<|im_start|>", "<|im_end|>")
LLAMA2 = {
    SYSTEM: Turn("<<SYS>>\n", ending="\n<</SYS>>\n\n"),
    USER: Turn(f"{BEGIN}[INST] ", ending=" [/INST]"),
    ASSISTANT: Turn("", lead=" ", ending=f" {END}"),
}
ALPACA = {
    SYSTEM: Turn("", ending="\n\n"),
    USER: Turn("### Instruction:\n", ending="\n\n"),
    ASSISTANT: Turn("### Response:", ending=END),
}
ALPACA_SYSTEM = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request."
)
VICUNA = {
    SYSTEM: Turn("", ending=" "),
    USER: Turn("USER: ", ending=" "),
    ASSISTANT: Turn("ASSISTANT:", lead=" ", ending=END),
}
VICUNA_SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
TEMPLATES = {
    found.name: found
    for found in (
        Template("chatml", CHATML, CHATML_MARKERS, strict=False),
        Template("llama2", LLAMA2, nested=True, stripped=True),
        Template("alpaca", ALPACA, system=ALPACA_SYSTEM),
        Template("vicuna", VICUNA, system=VICUNA_SYSTEM),
        Template("qwen3", CHATML, CHATML_MARKERS, strict=False, thoughts=True),
    )
}


def template(name: str) -> Template:
    """The template of this name; InputError lists those there are."""
    if not isinstance(name, str) or name not in TEMPLATES:  # pyright: ignore[reportUnnecessaryIsInstance] - may be untyped
        raise InputError(f"There is no template {name!r}. There are {', '.join(TEMPLATES)}.")
    return TEMPLATES[name]
