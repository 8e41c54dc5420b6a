"""What each part adds to a logit: recomputed from raw weights, checked by taking parts away, exact where it must be."""

import math

import numpy as np
import pytest
import torch

from decoders import CONFIGS, GAIN, LETTERS, copier, decoder, model
from polyloom.explanation import LOGSUMEXP, SOFT_CAP, Explanation, Term
from polyloom.transformer.account import attribute
from polyloom.transformer.model import TransformerModel
from polyloom.transformer.opened import opened

TEXT = "a b c a b d e a b c f g h a b"


def named(terms: tuple[Term, ...]) -> dict[str, Term]:
    return {term.name: term for term in terms}


@pytest.mark.parametrize("name", CONFIGS)
def test_terms_are_those_of_the_raw_weights(name: str) -> None:
    """In NumPy, from the weights and what the opened pass saw: u_y · g (part − mean) / s, part by part."""
    made = model(name)
    tokens, _ = made.seen(TEXT)
    seen = {key: value.numpy() for key, value in opened(made.decoder, tokens).seen.items()}
    weights = {key: value.double().numpy() for key, value in made.decoder.state_dict().items()}
    row = weights["output.weight"][3]
    centred = made.config.norm.kind == "layer"

    def read(part: np.ndarray) -> float:
        part = part - part.mean() if centred else part
        return float(row @ (weights["norm.weight"] * part / seen["ln_final.hook_scale"][-1]))

    terms = named(made.begin(TEXT).explain(3).terms)
    assert terms["embedding"].contribution == pytest.approx(read(seen["hook_embed"][-1]), abs=1e-12)
    assert ("positions" in terms) == ("hook_pos_embed" in seen)
    for layer in range(made.config.layers):
        brought = seen[f"blocks.{layer}.attn.hook_z"][-1]
        output = weights[f"blocks.{layer}.attention.o.weight"].reshape(-1, *brought.shape)
        attention = terms[f"layer {layer} attention"]
        heads = named(attention.child.terms)
        for head in range(4):
            assert heads[f"head {head}"].contribution == pytest.approx(read(output[:, head] @ brought[head]), abs=1e-12)
        assert ("output bias" in heads) == (f"blocks.{layer}.attention.o.bias" in weights)
        assert attention.contribution == attention.child.total
        added = seen[f"blocks.{layer}.hook_mlp_out"][-1]
        assert terms[f"layer {layer} feed-forward"].contribution == pytest.approx(read(added), abs=1e-12)
    if centred:
        assert terms["final norm bias"].contribution == pytest.approx(row @ weights["norm.bias"], abs=1e-12)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_every_node_sums_and_the_total_is_the_distribution(name: str, dtype: torch.dtype) -> None:
    made = model(name, dtype)
    place = made.begin(TEXT)
    for token in (0, 7, 23):
        account = place.explain(token)
        assert account.scale == "logit"
        assert account.total == place.distribution()[token]
        assert abs(account.residual) < (1e-12 if dtype == torch.float64 else 2e-6)
        for term in account.terms:
            if term.child is not None:
                assert abs(term.child.residual) < (1e-12 if dtype == torch.float64 else 2e-6)
                assert term.child.scale == "logit"


def test_with_weights_of_16_bits_the_residual_is_their_rounding() -> None:
    account = model("grouped queries", torch.bfloat16).begin(TEXT).explain(3)
    assert 1e-6 < abs(account.residual) < 0.1


@pytest.mark.parametrize("name", ["like GPT-2", "experts", "sinusoidal, capped"])
def test_taking_a_part_away_changes_the_logit_by_its_term(name: str) -> None:
    """At the final norm's scale as it was; nothing downstream of the part is read again."""
    made = model(name)
    tokens, _ = made.seen(TEXT)
    trace = opened(made.decoder, tokens)
    terms = named(attribute(made.decoder, tokens).terms(3))

    def logit(without: torch.Tensor) -> float:
        def edit(name: str, value: torch.Tensor) -> torch.Tensor:
            if name == f"blocks.{made.config.layers - 1}.hook_resid_post":
                return value - without
            return trace.seen["ln_final.hook_scale"] if name == "ln_final.hook_scale" else value

        made_so = opened(made.decoder, tokens, edit=edit)
        return float((made_so.seen["ln_final.hook_normalized"] * _gain(made) @ made.decoder.output.weight[3])[-1])

    before = logit(torch.zeros(16, dtype=torch.float64))
    head = trace.seen["blocks.1.attn.hook_result"][:, 2]
    assert before - logit(head) == pytest.approx(named(terms["layer 1 attention"].child.terms)["head 2"].contribution)
    part = trace.seen["blocks.2.hook_mlp_out"]
    assert before - logit(part) == pytest.approx(terms["layer 2 feed-forward"].contribution)


def _gain(made: TransformerModel) -> torch.Tensor | int:
    return made.decoder.norm.weight if made.config.norm.kind == "rms" else 1


def test_experts_are_the_children_of_a_mixture() -> None:
    made = model("experts")
    tokens, _ = made.seen(TEXT)
    terms = named(made.begin(TEXT).explain(3).terms)
    assert terms["layer 0 feed-forward"].child is None
    inner = terms["layer 1 feed-forward"].child.terms
    route = opened(made.decoder, tokens).seen["blocks.1.mlp.hook_expert_indices"][-1].tolist()
    assert [term.name for term in inner] == [*(f"expert {expert}" for expert in route), "shared experts"]
    assert sum(float(term.detail.removeprefix("weight ")) for term in inner[:2]) == pytest.approx(1, abs=2e-4)


def test_the_soft_cap_is_a_term() -> None:
    made = model("sinusoidal, capped")
    terms = named(made.begin(TEXT).explain(3).terms)
    raw = sum(term.contribution for name, term in terms.items() if name not in (SOFT_CAP, LOGSUMEXP))
    assert terms[SOFT_CAP].contribution == pytest.approx(3 * math.tanh(raw / 3) - raw)
    assert SOFT_CAP not in named(model().begin(TEXT).explain(3).terms)


def test_the_last_term_is_the_logsumexp_over_the_pieces_alone() -> None:
    """The begin token of its own has a row of the output, but is never said."""
    made = model("sinusoidal, capped")
    tokens, _ = made.seen(TEXT)
    logits = made.decoder(tokens[None])[0, -1, : made.vocabulary.size]
    last = made.begin(TEXT).explain(3).terms[-1]
    assert last.name == LOGSUMEXP
    assert last.contribution == pytest.approx(-float(logits.logsumexp(0)))
    assert last.detail == "over all 24 pieces"


def test_after_nothing_all_pieces_are_equally_likely() -> None:
    account = model("like GPT-2").begin().explain(3)
    assert [term.name for term in account.terms] == [LOGSUMEXP]
    assert account.total == account.terms[0].contribution == pytest.approx(-math.log(24))
    assert account.shares() == {}


def test_the_head_that_copies_is_the_one_that_speaks() -> None:
    """By hand: the stream is a token, a place and what head 0 brings, one-hot vectors, the last of length √(w/2)."""
    made = copier()
    width = made.config.width
    brought = math.sqrt(width / 2)
    logit = GAIN * brought * math.sqrt(width / (2 + brought**2))
    account = made.begin("a c b").explain("c")
    terms = named(account.terms)
    assert named(terms["layer 0 attention"].child.terms)["head 0"].contribution == pytest.approx(logit)
    assert [terms[name].contribution for name in ("embedding", "positions", "layer 0 feed-forward")] == [0, 0, 0]
    assert terms[LOGSUMEXP].contribution == pytest.approx(-math.log(math.exp(logit) + LETTERS.size - 1))
    assert account.shares()["layer 0 attention"] == 1
    assert made.begin("a c b").top(1).tokens == [LETTERS.id_of("c")]


def test_an_attribution_answers_alone() -> None:
    made = model("experts")
    tokens, length = made.seen(TEXT)
    found = attribute(made.decoder, tokens, length)
    account = found.explain(3, "d", "… b")
    assert isinstance(account, Explanation)
    assert account.total == pytest.approx(made.begin(TEXT).distribution()[3])
    assert abs(account.residual) < 1e-12
    assert {term.child.piece for term in account.terms if term.child} == {"d"}


def test_two_tokens_are_compared_part_by_part() -> None:
    place = model("experts").begin(TEXT)
    both = place.explain(3, against=5)
    assert both.total == pytest.approx(place.distribution()[3] - place.distribution()[5])
    assert named(both.terms)[LOGSUMEXP].contribution == 0
    assert abs(both.residual) < 1e-12


def test_a_text_read_at_other_frequencies_says_so() -> None:
    made = decoder(CONFIGS["longer than trained"])
    tokens = torch.arange(10)
    assert attribute(made, tokens).log_prob(3) != attribute(made, tokens, length=30).log_prob(3)
