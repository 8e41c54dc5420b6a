"""Signatures apart from the manifest: by whom, told from ours, and never believed for a key that a package states."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import answer, run
from polyloom import InputError
from polyloom.experts.admission import Untrusted
from polyloom.experts.detached import lines
from polyloom.experts.keys import PublicKey, SecretKey
from polyloom.experts.package import FORMS, Form, Package
from polyloom.experts.registry import Registry
from polyloom.experts.signing import judge, sign
from polyloom.experts.trust import TrustStore
from toolkit.experts.samples import one, package, two
from toolkit.experts.test_signing import ME, OTHER, STORE

HEX = f"ed25519:{ME.public.raw.hex()}"


def apart(held: Package, key: SecretKey = ME, end: bytes = b"") -> bytes:
    """What another house would sign, written down here anew from the description."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in held.files.items()}
    return key.sign("\n".join(f"{name}:{digests[name]}" for name in sorted(digests)).encode() + end)


def signed(integrity: dict[str, Any] | None = None, key: SecretKey = ME, **more: Any) -> Package:
    """A package of version 1 with a signature apart, in hexadecimal digits."""
    held = package(one(**({} if integrity is None else {"integrity": integrity}), **more))
    return with_signature(held, apart(held, key).hex().encode())


def with_signature(held: Package, content: bytes) -> Package:
    return Package({**held.files, "signature.sig": memoryview(content)}, sealed=False)


def test_what_is_signed_is_a_line_for_each_file() -> None:
    held = Package({"manifest.json": package().files["manifest.json"], "b": memoryview(b"abc"), "a/c": memoryview(b"")})
    empty, abc = hashlib.sha256(b"").hexdigest(), hashlib.sha256(b"abc").hexdigest()
    assert lines(held).decode() == f"a/c:{empty}\nb:{abc}\nmanifest.json:{held.digests['manifest.json']}"
    assert lines(with_signature(held, b"x")) == lines(held)


@pytest.mark.parametrize("version", [one, two])
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_every_way_of_writing_it_is_read(version: Any, end: bytes) -> None:
    held = package(version())
    raw = apart(held, end=end)
    hexadecimal, plain = raw.hex().encode(), base64.b64encode(raw)
    for content in (raw, hexadecimal, b"hex:" + hexadecimal.upper() + b"\n", plain, b"ed25519:" + plain):
        assert judge(with_signature(held, content), STORE).state == "trusted", content


def test_each_verdict_is_told_from_the_others_and_from_ours() -> None:
    stated = {"publisher": "me", "pubkey": HEX}
    both = STORE.with_key("them", OTHER.public)
    for held, store, state in (
        (signed(), STORE, "trusted"),
        (signed({"publisher": "me"}), STORE, "trusted"),
        (signed(stated), STORE, "trusted"),
        (signed({"publisher": "", "pubkey": "", "signature": ""}), STORE, "trusted"),
        (signed(stated), STORE.revoke("me"), "revoked"),
        (signed(stated), TrustStore(), "unknown"),
        (signed({"publisher": "me"}), both.revoke("them"), "trusted"),
        (signed({"publisher": "me"}, OTHER), both, "wrong key"),
        (signed({"publisher": "me", "pubkey": OTHER.public.text}, OTHER), STORE, "wrong key"),
        (signed({"publisher": "me"}, OTHER), STORE, "tampered"),
        (signed({"pubkey": HEX}), TrustStore(), "unsigned"),
        (signed({"publisher": "nobody known"}, OTHER), STORE, "unsigned"),
        (signed(), TrustStore(), "unsigned"),
    ):
        verdict = judge(held, store)
        assert (verdict.state, verdict.detached) == (state, True), str(verdict)
        assert "signature.sig" in verdict.reason
    assert judge(signed(), STORE).publisher == "me"
    assert not judge(sign(package(), ME, "me"), STORE).detached
    assert not judge(package(), STORE).detached
    empty = package(one(integrity={"publisher": "", "pubkey": "", "signature": ""}))
    assert str(judge(empty, STORE)) == "unsigned: nobody vouches for it"


def test_every_change_is_found() -> None:
    held = signed({"publisher": "me", "pubkey": HEX})
    for name in held.files:
        changed = {**held.files, name: memoryview(bytes(held.files[name]) + b" ")}
        expected = "trusted" if name == "signature.sig" else "tampered"  # a space at the end of the digits is none
        assert judge(Package(changed, sealed=False), STORE).state == expected, name
    without = {name: content for name, content in held.files.items() if name != "README.md"}
    assert judge(Package(without), STORE).state == "tampered"
    assert judge(Package({**held.files, "more": memoryview(b"")}), STORE).state == "tampered"
    content = bytes(held.files["signature.sig"])
    for at in range(len(content)):
        flipped = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
        assert judge(with_signature(held, flipped), STORE).state == "tampered", at
    for nonsense in (b"", b"x", bytes(64), b"\xff" * 9000, b"hex:", "é".encode()):
        assert judge(with_signature(held, nonsense), STORE).state == "tampered"
        assert judge(with_signature(package(one()), nonsense), STORE).state == "unsigned"


def test_ours_does_not_become_theirs() -> None:
    """A signature in the manifest that was taken out is not made good by one of somebody else."""
    ours = sign(package(), ME, "me")
    stripped = ours.with_manifest(ours.manifest.replace(integrity={"signature": None}))
    assert judge(with_signature(stripped, apart(stripped, OTHER).hex().encode()), STORE).state == "tampered"


def test_it_is_installed_and_verified_in_a_registry(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "registry")
    path = signed({"publisher": "me", "pubkey": HEX}).save(tmp_path / "x.v1.expert")
    with pytest.raises(Untrusted, match=r"It is unknown.*apart, in signature\.sig"):
        registry.install(path)
    assert registry.install(path, "first")[0].state == "trusted"
    assert registry.trusted.keys("me")[0].key == ME.public
    verdict = registry.verify("expert-graph")
    assert (verdict.state, verdict.detached) == ("trusted", True)
    nameless = signed({"pubkey": f"ed25519:{OTHER.public.raw.hex()}"}, OTHER, name="expert-b").save(
        tmp_path / "b.expert"
    )
    with pytest.raises(Untrusted, match="in nobody's name"):
        registry.install(nameless, "first")


@pytest.mark.parametrize("form", FORMS)
def test_it_may_lie_beside_the_file(tmp_path: Path, form: Form) -> None:
    path = package(one()).save(tmp_path / "x.v1.expert", form)
    (tmp_path / "x.v1.expert.sig").write_text(apart(package(one())).hex())
    registry = Registry(tmp_path / "registry")
    registry.believe(STORE)
    assert registry.install(path)[0].state == "trusted"
    assert registry.verify("expert-graph").detached
    ours = sign(package(two("expert-b")), ME, "me").save(tmp_path / "b.expert", form)
    (tmp_path / "b.expert.sig").write_text("of no matter where the manifest holds one")
    assert registry.install(ours)[0].state == "trusted"


def test_the_command_line_tells_it(tmp_path: Path) -> None:
    place = package(one()).save(tmp_path / "x.expert")
    (tmp_path / "x.expert.sig").write_bytes(apart(package(one())))
    folder = ("--registry", str(tmp_path / "registry"))
    assert run("expert", "verify", place, *folder).exit_code == 1
    answer("expert", "trust", "me", HEX, *folder)
    assert answer("expert", "verify", place, *folder)["detached"]
    assert run("expert", "verify", place, *folder).stdout == "trusted: signed by me (apart, in signature.sig)\n"


def test_a_key_may_be_written_as_others_do() -> None:
    assert PublicKey.parse(HEX) == PublicKey.parse("ed25519:" + ME.public.text) == ME.public
    for text in (HEX.upper(), HEX[8:], HEX[:-1], HEX + "0", HEX[:-2] + "zz"):
        with pytest.raises(InputError, match="Expected a public key"):
            PublicKey.parse(text)


def test_a_manifest_that_states_no_key_that_is_one() -> None:
    held = signed({"publisher": "me", "pubkey": "ed25519:of old"})
    assert judge(held, STORE).state == "trusted"
    assert json.loads(bytes(held.files["manifest.json"]))["integrity"]["pubkey"] == "ed25519:of old"
