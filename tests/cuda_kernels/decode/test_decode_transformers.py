"""`decode` gives the logits of `transformers` for random tiny models, over many steps with a cache."""

from typing import Any

import numpy as np
import pytest

from polyloom_kernels.decode import Feed, Layer, Matrix, Norm, Shape, Weights, prepare

pytestmark = pytest.mark.long

torch: Any = pytest.importorskip("torch")
transformers: Any = pytest.importorskip("transformers")

SIZES = {
    "vocabulary_size": 97,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
}
FAMILIES: list[tuple[str, dict[str, Any]]] = [
    ("Qwen3", {"head_dim": 16}),
    ("Qwen3", {"head_dim": 12, "tie_word_embeddings": True, "attention_bias": True}),
    ("Llama", {"num_key_value_heads": 4}),
    ("Llama", {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True, "rms_norm_eps": 1e-5}),
    ("Mistral", {"sliding_window": 7, "num_key_value_heads": 1}),
]


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
@pytest.mark.parametrize(("family", "options"), FAMILIES)
@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_the_logits_are_those_of_transformers(family: str, options: dict[str, Any], kind: str, backend: Any) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    sizes = {"vocab_size": SIZES["vocabulary_size"], **SIZES, **options}
    sizes.pop("vocabulary_size")
    config = getattr(transformers, f"{family}Config")(**sizes, attn_implementation="eager")
    model = getattr(transformers, f"{family}ForCausalLM")(config).eval()
    for parameter in model.parameters():  # larger than at the start of a training, so that there is something to see
        parameter.data = (parameter + 0.1 * torch.randn_like(parameter)).to(torch.bfloat16).float()
    tokens = torch.randint(0, 97, (1, 40))
    with torch.no_grad():
        expected = model(tokens).logits[0].numpy()
        cosine, sine = model.model.rotary_emb(torch.zeros(1), torch.arange(40)[None])
    shape, weights = read(model, kind)
    machine, half = prepare(shape, weights, backend), shape.head_size // 2
    turn = torch.stack([cosine[0, :, :half], sine[0, :, :half]], 1).numpy()
    cache = machine.cache(40)
    found = [machine.step(token, at, cache, turn[at]) for at, token in enumerate(tokens[0].tolist())]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def read(model: Any, kind: str) -> tuple[Shape, Weights]:
    """The arrays of a model of `transformers`, without a copy in float32."""

    def array(parameter: Any) -> Any:
        if parameter is None:
            return None
        given = parameter.detach()
        return given.to(torch.bfloat16).view(torch.uint16).numpy() if kind == "bfloat16" else given.numpy()

    def matrix(linear: Any) -> Matrix:
        return Matrix(array(linear.weight), array(getattr(linear, "bias", None)))

    def norm(parent: Any, name: str) -> Any:
        return array(getattr(parent, name).weight) if hasattr(parent, name) else None

    layers = tuple(
        Layer(
            *(Norm(norm(layer, "input_layernorm")), *(matrix(getattr(layer.self_attn, f"{n}_proj")) for n in "qkvo")),
            Norm(norm(layer, "post_attention_layernorm")),
            Feed(*(matrix(getattr(layer.mlp, f"{n}_proj")) for n in ("gate", "up", "down"))),
            *(norm(layer.self_attn, "q_norm"), norm(layer.self_attn, "k_norm")),
        )
        for layer in model.model.layers
    )
    config = model.config
    window = getattr(config, "sliding_window", None) or 0
    head_size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    shape = Shape(
        *(config.vocab_size, config.num_attention_heads, config.num_key_value_heads, head_size, config.rms_norm_eps),
        windows=(window,) * len(layers),
    )
    head = None if config.tie_word_embeddings else matrix(model.lm_head)
    return shape, Weights(matrix(model.model.embed_tokens), layers, Norm(array(model.model.norm.weight)), head)
