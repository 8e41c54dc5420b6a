"""Folders of Hugging Face: our decoders say what `transformers` says, and each reads what the other wrote."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from foreign_models import CLOSE, FOREIGN, WORDS, foreign, logits, read_by_theirs, tokens
from polyloom.errors import FileError, InputError
from polyloom.transformer.build import build
from polyloom.transformer.config import (
    Attention,
    Experts,
    FeedForward,
    Norm,
    Position,
    Scaling,
    TransformerConfig,
)
from polyloom.transformer.decoder import Decoder
from polyloom.transformer.huggingface import read_folder, write_folder
from polyloom.transformer.model import TransformerModel

pytestmark = pytest.mark.long


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder of each model, as `transformers` saves it."""
    root = tmp_path_factory.mktemp("foreign")
    places = {name: root / str(n) for n, name in enumerate(FOREIGN)}
    for name, place in places.items():
        foreign(name).save_pretrained(place)
    return places


@pytest.fixture
def llama(folders: dict[str, Path], tmp_path: Path) -> Path:
    """A folder of a Llama that a test may damage."""
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "llama").mkdir(exist_ok=True)
        (tmp_path / "llama" / name).write_bytes((folders["llama"] / name).read_bytes())
    return tmp_path / "llama"


@torch.no_grad()
def said(decoder: Decoder, ids: list[int]) -> Tensor:
    return decoder(torch.tensor([ids]))[0].float()


def apart(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max())


def change(folder: Path, **fields: Any) -> None:
    table = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(table | fields))


@pytest.mark.parametrize("name", FOREIGN)
class TestParity:
    def test_ours_say_what_theirs_say(self, name: str, folders: dict[str, Path]) -> None:
        _, decoder = read_folder(folders[name])
        for length in FOREIGN[name].lengths:
            ids = tokens(length)
            theirs = logits(foreign(name), ids)
            assert theirs.std() > 0.3
            assert apart(said(decoder, ids), theirs) < CLOSE

    def test_and_token_by_token(self, name: str, folders: dict[str, Path]) -> None:
        model = TransformerModel(read_folder(folders[name])[1], WORDS)
        for length in FOREIGN[name].lengths:
            ids = tokens(length)
            place = model.begin(ids[:1])
            for token in ids[1:]:
                place.distribution()
                place.advance(token)
            theirs = logits(foreign(name), ids)[-1].double().log_softmax(-1).numpy()
            assert np.abs(place.distribution() - theirs).max() < CLOSE

    def test_theirs_say_what_ours_say(self, name: str, folders: dict[str, Path], tmp_path: Path) -> None:
        config, decoder = read_folder(folders[name])
        write_folder(decoder, tmp_path / "ours")
        theirs = read_by_theirs(tmp_path / "ours")
        assert type(theirs) is (FOREIGN[name].saved or FOREIGN[name].model)
        for length in FOREIGN[name].lengths:
            ids = tokens(length)
            assert apart(said(decoder, ids), logits(theirs, ids)) < CLOSE
        assert read_folder(tmp_path / "ours")[0] == config
        ours, classic = (load_file(place / "model.safetensors") for place in (tmp_path / "ours", folders[name]))
        assert ours.keys() == classic.keys()
        assert all(torch.equal(weight, ours[part]) for part, weight in classic.items())


def test_ours_written_first(tmp_path: Path) -> None:
    """Models that were born here: queries and keys with norms become Qwen3, others Llama or Mistral."""
    base = TransformerConfig(46, width=32, layers=2, context=64, attention=Attention(4, 2), begin=46)
    cases = {
        "LlamaForCausalLM": base,
        "MistralForCausalLM": replace(base, attention=Attention(4, 2, window=9)),
        "Qwen3ForCausalLM": replace(base, attention=Attention(4, 2, qk_norm=True, window=9, full_layers=1)),
        "Qwen3MoeForCausalLM": replace(
            base, attention=Attention(4, 2, qk_norm=True), experts=Experts(4, 2, dense_layers=1), tied=False
        ),
        "GPT2LMHeadModel": replace(
            base,
            norm=Norm("layer", 1e-4),
            position=Position("learned"),
            attention=Attention(4, bias=True, output_bias=True),
            feed_forward=FeedForward("relu2", bias=True),
            dropout=0.1,
        ),
    }
    for architecture, config in cases.items():
        decoder = build(config, seed=3).eval()
        for (
            mixture
        ) in decoder.mixtures.values():  # a gate is born without an opinion, and ties are broken otherwise there
            torch.nn.init.normal_(mixture.router.weight, generator=torch.Generator().manual_seed(1))
        folder = write_folder(decoder, tmp_path / architecture, end=2)
        theirs = read_by_theirs(folder)
        assert type(theirs).__name__ == architecture
        assert (theirs.config.bos_token_id, theirs.config.eos_token_id) == (46, 2)
        assert apart(said(decoder, tokens(40)), logits(theirs, tokens(40))) < CLOSE
        assert read_folder(folder)[0] == config


BASE = TransformerConfig(46, width=32, layers=2, context=64, attention=Attention(4, 2, qk_norm=True), begin=46)
OWN = {
    "sinusoidal": replace(BASE, position=Position("sinusoidal"), feed_forward=FeedForward("relu2"), soft_cap=7.0),
    "no positions": replace(BASE, position=Position("none"), opens=False),
    "layer norms": replace(BASE, norm=Norm("layer", 1e-5), tied=False, dropout=0.2),
    "sigmoid gate": replace(BASE, experts=Experts(4, 2, gate="sigmoid")),
    "shared experts": replace(BASE, experts=Experts(4, 2, shared=1, balance="loss")),
    "experts without norms": replace(BASE, attention=Attention(4, 2), experts=Experts(4, 2)),
    "scaled when outgrown": replace(BASE, position=Position("rotary", scaling=Scaling("yarn", 2.0, 16))),
    "NTK": replace(BASE, position=Position("rotary", scaling=Scaling("ntk", 2.0, 16, always=True))),
    "output without bias": replace(BASE, attention=Attention(4, 2, qk_norm=True, bias=True)),
    "soft cap": replace(BASE, soft_cap=5.0),
}


@pytest.mark.parametrize("name", OWN)
def test_what_no_family_can_say_is_saved_as_our_own(name: str, tmp_path: Path) -> None:
    decoder = build(OWN[name], seed=2).eval()
    write_folder(decoder, tmp_path / "own")
    table = json.loads((tmp_path / "own" / "config.json").read_text())
    assert (table["model_type"], table["architectures"]) == ("polyloom", ["PolyloomDecoder"])
    config, again = read_folder(tmp_path / "own")
    assert config == OWN[name]
    assert torch.equal(said(again, tokens(30)), said(decoder, tokens(30)))


def test_a_gate_that_is_steered_is_our_own(tmp_path: Path) -> None:
    decoder = build(replace(BASE, experts=Experts(4, 2)), seed=2).eval()
    for steered, family in ((False, "qwen3_moe"), (True, "polyloom")):
        if steered:
            decoder.mixtures[1].router.bias[2] = 0.5
        write_folder(decoder, tmp_path / family, None)
        assert json.loads((tmp_path / family / "config.json").read_text())["model_type"] == family
        again = read_folder(tmp_path / family, dtype="bfloat16")[1]
        assert torch.equal(again.mixtures[1].router.bias, decoder.mixtures[1].router.bias)  # float32 always


def test_a_model_with_its_vocabulary(tmp_path: Path) -> None:
    model = TransformerModel.build("tiny", WORDS, seed=4)
    again = TransformerModel.load(model.save(tmp_path / "model"))
    assert (again.config, again.vocabulary) == (model.config, WORDS)
    assert torch.equal(again.logits(tokens(20)), model.logits(tokens(20)))
    assert again.digest == model.digest


class TestFiles:
    def test_shards(self, folders: dict[str, Path], tmp_path: Path) -> None:
        for name in ("llama", "qwen3-moe", "gpt2"):
            foreign(name).save_pretrained(tmp_path / name, max_shard_size="15KB")
            assert len(list((tmp_path / name).glob("model-*-of-*.safetensors"))) > 2
            whole, sharded = read_folder(folders[name])[1], read_folder(tmp_path / name)[1]
            assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), sharded.parameters(), strict=True))

    def test_experts_that_lie_together(self, folders: dict[str, Path], tmp_path: Path) -> None:
        """As `transformers` holds them in memory."""
        place = folders["qwen3-moe"]
        held = {name: weight.contiguous() for name, weight in foreign("qwen3-moe").state_dict().items()}
        assert any(name.endswith("gate_up_proj") for name in held)
        save_file(held, tmp_path / "model.safetensors")
        (tmp_path / "config.json").write_bytes((place / "config.json").read_bytes())
        assert torch.equal(said(read_folder(tmp_path)[1], tokens(30)), said(read_folder(place)[1], tokens(30)))

    def test_without_the_first_word_and_with_old_tables(self, folders: dict[str, Path], tmp_path: Path) -> None:
        place = folders["gpt2"]
        held = load_file(place / "model.safetensors")
        old = {name.removeprefix("transformer."): weight for name, weight in held.items()}
        old |= {"h.0.attn.bias": torch.ones(1, 1, 64, 64, dtype=torch.uint8), "h.0.attn.masked_bias": torch.ones(1)}
        save_file(old, tmp_path / "model.safetensors")
        (tmp_path / "config.json").write_bytes((place / "config.json").read_bytes())
        assert torch.equal(said(read_folder(tmp_path)[1], tokens(30)), said(read_folder(place)[1], tokens(30)))

    def test_nothing_is_copied(self, folders: dict[str, Path]) -> None:
        """Weights lie in the mapping of their file."""
        maps = Path("/proc/self/maps")
        if not maps.exists():
            pytest.skip("this system does not show what is mapped")
        for name in ("llama", "gpt2", "qwen3", "mistral"):
            _, decoder = read_folder(folders[name])
            lines = [line for line in maps.read_text().splitlines() if str(folders[name]) in line]
            spans = [tuple(int(end, 16) for end in line.split()[0].split("-")) for line in lines]
            for weight in decoder.parameters():
                assert any(start <= weight.data_ptr() < stop for start, stop in spans)

    def test_dtypes(self, folders: dict[str, Path], tmp_path: Path) -> None:
        ids = tokens(30)
        for name in ("llama", "gpt2", "qwen3-moe"):
            narrow = read_folder(folders[name], dtype="bfloat16")[1]
            assert {weight.dtype for weight in narrow.parameters()} == {torch.bfloat16}
            write_folder(narrow, tmp_path / name)
            kept = read_folder(tmp_path / name)[1]
            assert all(torch.equal(a, b) for a, b in zip(narrow.parameters(), kept.parameters(), strict=True))
            assert read_by_theirs(tmp_path / name).dtype == torch.bfloat16
            wide = read_by_theirs(tmp_path / name, dtype=torch.float32)
            assert apart(said(read_folder(tmp_path / name, dtype=torch.float32)[1], ids), logits(wide, ids)) < CLOSE
        with pytest.raises(InputError, match="Unknown dtype 'int4'"):
            read_folder(folders["llama"], dtype="int4")

    def test_devices(self, folders: dict[str, Path]) -> None:
        for name in ("gpt2", "qwen3-moe"):
            _, decoder = read_folder(folders[name], device="meta", dtype="float16")
            assert {tensor.device.type for tensor in decoder.state_dict().values()} == {"meta"}
            assert {weight.dtype for weight in decoder.parameters()} == {torch.float16}

    def test_a_file_of_several_dtypes(self, llama: Path) -> None:
        held = load_file(llama / "model.safetensors")
        held["model.norm.weight"] = held["model.norm.weight"].bfloat16()
        save_file(held, llama / "model.safetensors")
        assert {w.dtype for w in read_folder(llama)[1].parameters()} == {torch.float32}
        change(llama, dtype="bfloat16")
        assert {w.dtype for w in read_folder(llama)[1].parameters()} == {torch.bfloat16}

    def test_a_tied_head_that_is_repeated(self, folders: dict[str, Path], tmp_path: Path) -> None:
        place = folders["qwen3"]
        held = load_file(place / "model.safetensors")
        (tmp_path / "config.json").write_bytes((place / "config.json").read_bytes())
        save_file(held | {"lm_head.weight": held["model.embed_tokens.weight"].clone()}, tmp_path / "model.safetensors")
        decoder = read_folder(tmp_path)[1]
        assert decoder.output.weight is decoder.embedding.weight
        save_file(held | {"lm_head.weight": held["model.embed_tokens.weight"] + 1}, tmp_path / "model.safetensors")
        with pytest.raises(FileError, match="two different matrices"):
            read_folder(tmp_path)

    def test_all_that_does_not_fit_in_one_error(self, llama: Path) -> None:
        held = load_file(llama / "model.safetensors")
        del held["model.layers.1.self_attn.k_proj.weight"]
        held["model.layers.2.mlp.up_proj.weight"] = torch.zeros(47, 32)
        held["model.layers.9.mlp.up_proj.weight"] = torch.zeros(3)
        held["model.norm.weight"] = torch.ones(32, dtype=torch.int8)
        save_file(held, llama / "model.safetensors")
        with pytest.raises(FileError) as caught:
            read_folder(llama)
        for fault in (
            "in 4 places",
            "model.layers.1.self_attn.k_proj.weight (16, 32) is missing",
            "model.layers.9.mlp.up_proj.weight (3,) is not of this model",
            "model.layers.2.mlp.up_proj.weight is (47, 32), not (48, 32)",
            "model.norm.weight holds torch.int8",
        ):
            assert fault in str(caught.value)


class TestBegin:
    def test_ids_of_the_config(self, folders: dict[str, Path], llama: Path) -> None:
        config, _ = read_folder(folders["qwen3"])
        assert (config.begin, config.opens) == (3, False)
        assert read_folder(folders["llama"])[0].begin is None
        for given, begin in (({"eos_token_id": [7, 8]}, 7), ({"bos_token_id": 999, "eos_token_id": 5}, 5)):
            change(llama, **given)
            assert read_folder(llama)[0].begin == begin

    def test_a_tokenizer_that_opens_every_text(self, llama: Path) -> None:
        from tokenizers import Tokenizer
        from tokenizers.models import WordLevel
        from tokenizers.processors import TemplateProcessing

        tokenizer = Tokenizer(WordLevel({"<s>": 0, "a": 1, "b": 2}, "a"))
        tokenizer.add_special_tokens(["<s>"])
        tokenizer.save(str(llama / "tokenizer.json"))
        assert not TransformerModel.load(llama).config.opens
        tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
        tokenizer.save(str(llama / "tokenizer.json"))
        model = TransformerModel.load(llama)
        assert (model.config.begin, model.config.opens, model.vocabulary.size) == (0, True, WORDS.size)
        assert read_folder(llama)[0] == model.config
        again = TransformerModel.load(model.save(llama.parent / "again"))
        assert (again.config, again.vocabulary) == (model.config, model.vocabulary)

    def test_our_config_is_believed_only_as_long_as_it_agrees(self, tmp_path: Path) -> None:
        model = TransformerModel.build("tiny", WORDS)
        model.save(tmp_path / "model")
        change(tmp_path / "model", rms_norm_eps=1e-3, bos_token_id=None)
        config, _ = read_folder(tmp_path / "model")
        assert (config.norm.eps, config.vocabulary_size) == (1e-3, WORDS.size + 1)
        assert config.begin is None

    def test_theirs_keep_our_config(self, tmp_path: Path) -> None:
        model = TransformerModel.build("tiny", WORDS)
        read_by_theirs(model.save(tmp_path / "ours")).save_pretrained(tmp_path / "theirs")
        assert read_folder(tmp_path / "theirs")[0] == model.config
