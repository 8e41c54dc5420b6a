import json
from pathlib import Path

import pytest

from cli.conftest import adds_up, answer, line_of, run
from polyloom import Gated, Layer, Layered, load
from polyloom.cli.texts import Texts, ended


def parts(made: Path) -> tuple[str, str]:
    return f"sea={made / 'sea.psam'}", f"law={made / 'law.psam'}:0.5"


def test_it_mixes_what_layered_mixes(made: Path, here: Path) -> None:
    told = answer("compose", *parts(made), "-o", "mix.psamc")
    sea, law = load(made / "sea.psam"), load(made / "law.psam")
    assert load("mix.psamc").digest == Layered(sea, {"law": Layer(law, 0.5)}, name="sea").digest
    assert told["weights"] == {"sea": 1.0, "law": 0.5}
    assert told["bytes"] == (here / "mix.psamc").stat().st_size


def test_a_text_sets_the_weights(made: Path, here: Path) -> None:
    told = answer("compose", *parts(made), "--fit", made / "law.txt", "-o", "mix.psamc")
    mix = load(made / "mix.psamc")
    assert isinstance(mix, Layered)
    fitted = mix.fit_weights(list(ended(Texts([made / "law.txt"]).documents(), mix.vocabulary)))
    assert told["weights"] == fitted.weights
    assert fitted.certificate is not None
    assert told["certificate"]["objective"] == fitted.certificate.objective
    assert fitted.weights["law"] > fitted.weights["sea"]
    said = run("compose", *parts(made), "--fit", made / "law.txt", "-o", "again.psamc").stdout
    assert "law 1" in said
    assert f"fitted: {fitted.certificate}" in said


def test_a_log_pool_and_a_contrast(made: Path, here: Path) -> None:
    sea, law = f"sea={made / 'sea.psam'}", f"law={made / 'law.psam'}:-0.5"
    told = answer("compose", sea, law, "--pool", "log", "-o", "mix.psamc")
    assert (told["pool"], told["weights"], told["certificate"]) == ("log", {"sea": 1.0, "law": -0.5}, None)
    found = answer("explain", "mix.psamc", "the", "sea")
    assert found["scale"] == "log"
    assert adds_up(found)


def test_a_text_fits_a_gate(made: Path, here: Path) -> None:
    sea, law = parts(made)
    law = law.partition(":")[0]
    told = answer("compose", sea, law, "--gate", made / "law.txt", "-o", "mix.psamc")
    assert told["members"] == ["sea", "law"]
    mix = load("mix.psamc")
    assert isinstance(mix, Gated)
    text = list(ended(Texts([made / "law.txt"]).documents(), mix.vocabulary))
    fitted = Gated({name: load(made / f"{name}.psam") for name in ("sea", "law")}).fit_gate(text)
    assert mix.digest == fitted.digest
    assert fitted.certificate is not None
    assert told["certificate"]["objective"] == fitted.certificate.objective
    said = run("compose", sea, law, "--gate", made / "law.txt", "--reference", "-o", "again.psamc").stdout
    assert "sea, law (gate)" in said
    assert f"fitted: {fitted.certificate}" in said
    assert adds_up(answer("explain", "mix.psamc", "the", "sea"))
    assert list(answer("inspect", "again.psamc", "--verify")["members"]) == ["sea", "law"]


def test_layers_can_stay_files_of_their_own(made: Path, here: Path) -> None:
    answer("compose", *parts(made), "-o", "inside.psamc")
    assert run("compose", *parts(made), "--reference", "-o", "beside.psamc").exit_code == 0
    assert len(list((here / "beside.members").iterdir())) == 2
    assert run("predict", "beside.psamc", "the").stdout == run("predict", "inside.psamc", "the").stdout
    assert run("compose", "all=beside.psamc", "--reference", "-o", "deep.psamc").exit_code == 0
    told = answer("inspect", "deep.psamc", "--verify")
    assert told["members"]["all"]["kind"] == "reference"
    assert {"path", "size", "sha256"} <= set(told["members"]["all"])


def test_a_mix_can_be_a_layer_and_so_can_a_single_model(made: Path, here: Path) -> None:
    assert run("compose", f"all={made / 'mix.psamc'}", "-o", "one.psamc").exit_code == 0
    assert run("predict", "one.psamc", "the").stdout == run("predict", made / "mix.psamc", "the").stdout


def test_a_file_may_have_a_colon_in_its_name(made: Path, here: Path) -> None:
    (here / "sea:2").write_bytes((made / "sea.psam").read_bytes())
    assert answer("compose", "a=sea:2", "b=sea:2:3", "-o", "m.psamc")["weights"] == {"a": 1.0, "b": 3.0}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("sea.psam",), "expected NAME=MODEL or NAME=MODEL:WEIGHT, such as sea=sea.psam:0.5, got 'sea.psam'."),
        (("a=sea.psam:loud",), "expected a number as the weight of 'a', got 'a=sea.psam:loud'."),
        (("a=x", "a=y"), "each name may stand once"),
        (("a=x", "--pool", "loud"), "Invalid value for --pool: "),
        (("a=x:2", "--gate", "t"), "takes the place of weights, --fit and --pool"),
        (("a=x", "--gate", "t", "--fit", "t"), "takes the place of weights, --fit and --pool"),
        (("a=x", "--gate", "t", "--pool", "log"), "takes the place of weights, --fit and --pool"),
    ],
)
def test_wrong_usage(here: Path, words: tuple[str, ...], said: str) -> None:
    assert said in line_of(run("compose", *words, "-o", "m.psamc"), 2)


def test_faults_of_the_input(made: Path, here: Path) -> None:
    sea = f"sea={made / 'sea.psam'}"
    compose = ("compose", "-o", "m.psamc")
    assert "Layer 'b' speaks" in line_of(run(*compose, sea, f"b={made / 'bytes.psam'}"))
    assert "weight of 'sea' must be a finite number" in line_of(run(*compose, f"{sea}:nan"))
    assert "All weights are zero" in line_of(run(*compose, f"{sea}:0"))
    assert "There is no file nowhere.psam" in line_of(run(*compose, sea, "b=nowhere.psam"))
    assert list(here.iterdir()) == []


def test_nothing_is_replaced_unasked_and_no_member_ever(made: Path, here: Path) -> None:
    (here / "m.psamc").write_text("mine")
    assert "is there already and stays" in line_of(run("compose", *parts(made), "-o", "m.psamc"))
    member = made / "sea.psam"
    assert "is one of the files to read" in line_of(run("compose", *parts(made), "-o", member, "--force"))
    assert (here / "m.psamc").read_text() == "mine"


def header(path: Path) -> dict[str, dict[str, str]]:
    with path.open("rb") as file:
        return json.loads(file.read(int.from_bytes(file.read(8), "little")))


@pytest.mark.parametrize("name", ["sea.psam", "mix.psamc"])
def test_inspect_tells_what_the_file_says(made: Path, name: str) -> None:
    told, stored = answer("inspect", made / name), header(made / name)
    assert told["digest"] == stored["__metadata__"]["polyloom.sha256"]
    assert told["bytes"] == (made / name).stat().st_size
    assert {row["name"]: row["shape"] for row in told["arrays"]} == {
        name: entry["shape"] for name, entry in stored.items() if name != "__metadata__"
    }
    assert told["verified"] is None
    assert answer("inspect", made / name, "--verify")["verified"] is True


def test_inspect_counts(made: Path) -> None:
    told, sea = answer("inspect", made / "mix.psamc"), load(made / "sea.psam")
    assert (told["kind"], list(told["members"])) == ("layered", ["sea", "law"])
    assert told["members"]["sea"]["tokens"] == getattr(sea, "tokens_counted")  # noqa: B009 - of this kind of model
    assert told["members"]["sea"]["vocabulary"]["digest"] == sea.vocabulary.digest


def test_inspect_in_words(made: Path) -> None:
    short, long = (run("inspect", made / "mix.psamc", *more).stdout for more in ((), ("--arrays",)))
    assert long.startswith(short)
    for text in ("layered", "association", "words", "templates", "digest", "tokens"):
        assert text in short
    assert "vocabulary.words" in long
    assert "verified" not in short


def test_verify_finds_what_was_changed(made: Path, here: Path) -> None:
    content = bytearray((made / "sea.psam").read_bytes())
    content[-1] ^= 1
    (here / "sea.psam").write_bytes(content)
    done = run("inspect", "sea.psam", "--verify")
    assert done.exit_code == 1
    assert "sea.psam" in line_of(done)
