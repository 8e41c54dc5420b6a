"""Signatures: the vectors of RFC 8032, each verdict told from the others, every flipped byte found."""

import base64
import hashlib
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from polyloom import FileError, InputError, PolyloomError
from polyloom.experts.keys import PublicKey, SecretKey, new_key
from polyloom.experts.manifest import FILE, Manifest
from polyloom.experts.package import FORMS, Form, Package, check
from polyloom.experts.signing import judge, message, sign
from polyloom.experts.trust import TrustStore
from toolkit.experts.samples import package, two

RFC_8032 = [  # section 7.1: secret, public, message, signature
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe2"
        "4655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302ae"
        "eb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28"
        "dc027beceea1ec40a",
    ),
    (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        hashlib.sha512(b"abc").hexdigest(),
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17"
        "ad9bef1177331a704",
    ),
]
ME = SecretKey(bytes(range(32)))
OTHER = SecretKey(bytes(range(1, 33)))
STORE = TrustStore().with_key("me", ME.public)


def changed(held: Package, **integrity: Any) -> Package:
    return held.with_manifest(held.manifest.replace(integrity=integrity))


@pytest.mark.parametrize(("secret", "public", "text", "signature"), RFC_8032)
def test_the_vectors_of_the_rfc(secret: str, public: str, text: str, signature: str) -> None:
    key = SecretKey(bytes.fromhex(secret))
    assert key.public.raw.hex() == public
    assert key.sign(bytes.fromhex(text)).hex() == signature
    assert key.public.signed(bytes.fromhex(text), bytes.fromhex(signature))
    assert not key.public.signed(bytes.fromhex(text) + b"x", bytes.fromhex(signature))


@pytest.mark.parametrize("form", FORMS)
def test_a_signed_package_is_trusted_after_any_form(tmp_path: Path, form: Form) -> None:
    """The forerunner's signed packages never installed."""
    found = Package.read(sign(package(), ME, "me").save(tmp_path / "x.expert", form))
    assert (judge(found, STORE).state, check(found)) == ("trusted", [])


def test_each_verdict_is_told_from_the_others() -> None:
    ours = sign(package(), ME, "me")
    assert judge(package(), STORE).state == "unsigned"
    assert judge(ours, TrustStore()).state == "unknown"
    assert judge(sign(package(), OTHER, "me"), STORE).state == "wrong key"
    assert judge(sign(package(), ME, "somebody"), STORE).state == "wrong key"
    assert judge(ours, STORE.revoke("me")).state == "revoked"
    assert judge(Package({**ours.files, "README.md": memoryview(b"other")}), STORE).state == "tampered"
    assert judge(ours, STORE).state == "trusted"


def test_the_key_in_a_package_is_never_believed_by_itself() -> None:
    """The forerunner took the public key from the package that it was to check."""
    forged = sign(package(two(description="evil")), OTHER, "me")
    assert judge(forged, STORE).state == "wrong key"
    assert judge(changed(forged, pubkey=ME.public.text), STORE).state == "tampered"


def test_what_is_taken_away_or_added_is_tampering() -> None:
    ours = sign(package(), ME, "me")
    assert judge(Package({**ours.files, "extra": memoryview(b"")}), STORE).state == "tampered"
    assert judge(Package({**ours.files, "signature.sig": memoryview(b"")}), STORE).state == "tampered"
    assert judge(Package({name: ours.files[name] for name in list(ours.files)[:-1]}), STORE).state == "tampered"
    for integrity in ({"signature": None}, {"pubkey": None}, {"publisher": None}, {"signature_algorithm": "none"}):
        assert judge(changed(ours, **integrity), STORE).state == "tampered", integrity
    assert judge(Package(ours.files, sealed=False), STORE).state == "tampered"
    for field, value in (("description", "x"), ("version", "9.0.0"), ("new", 1)):
        assert judge(ours.with_manifest(ours.manifest.replace(**{field: value})), STORE).state == "tampered"


def test_a_signature_of_another_kind_vouches_for_nothing_and_bars_nothing() -> None:
    """Packages that others signed could never be installed otherwise, as the forerunner's own could not."""
    foreign = {"timestamp": "then", "publisher": "me", "public_key": ME.public.text, "signature": "AAAA"}
    held = package(two(integrity=foreign), **{"signature.sig": b"x"})
    assert judge(held, STORE).state == "unsigned"
    assert "another kind" in judge(held, STORE).reason
    assert judge(changed(sign(package(), ME, "me"), sealed=False), STORE).state == "unsigned"
    damaged = package(two(integrity={**foreign, "files": {"README.md": "00" * 32}}))
    assert judge(damaged, STORE).state == "tampered"


def test_a_variant_spelling_is_replaced_and_the_rest_kept() -> None:
    held = package(two(integrity={"timestamp": "then", "public_key": "x", "mine": 1}))
    integrity = sign(held, ME, "me").manifest.document["integrity"]
    assert (integrity["mine"], integrity["pubkey"]) == (1, ME.public.text)
    assert not {"timestamp", "public_key"} & set(integrity)
    assert judge(sign(sign(held, OTHER, "them"), ME, "me"), STORE).state == "trusted"


def test_what_is_signed_does_not_depend_on_how_it_is_written() -> None:
    manifest = sign(package(), ME, "me").manifest
    backwards = Manifest(dict(reversed(manifest.document.items())))
    assert message(backwards) == message(Manifest(json.loads(json.dumps(manifest.document)))) == message(manifest)


@pytest.mark.parametrize("form", FORMS)
def test_every_byte_of_a_small_package_flipped(tmp_path: Path, form: Form) -> None:
    least = {"schema_version": "1.0", "name": "expert-a", "version": "1.0.0", "base_model": {"name": "x"}}
    small = Package({FILE: memoryview(json.dumps(least).encode()), "a.txt": memoryview(b"abc" * 20)})
    path = sign(small, ME, "me").save(tmp_path / "x.expert", form)
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (0xFF, 0x01, 0x29)[at % 3]]) + whole[at + 1 :])
        try:
            assert judge(Package.read(path), STORE).state == "tampered", at
        except PolyloomError:
            continue
    path.write_bytes(whole)
    assert judge(Package.read(path), STORE).state == "trusted"


def test_an_archive_packed_again_by_other_hands_is_told(tmp_path: Path) -> None:
    import gzip

    path = sign(package(), ME, "me").save(tmp_path / "x.expert")
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())))
    assert judge(Package.read(path), STORE).state == "tampered"


def test_keys_are_kept_for_their_owner(tmp_path: Path) -> None:
    path = ME.save(tmp_path / "me.key")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SecretKey.read(path) == ME
    assert new_key() != new_key()
    assert base64.b64encode(ME.raw).decode() not in repr(ME)
    with pytest.raises(FileExistsError):
        OTHER.save(path)
    path.write_text("no key")
    with pytest.raises(FileError, match="keygen"):
        SecretKey.read(path)


@pytest.mark.parametrize("text", ["", "AA==", "x" * 44, "\n" + ME.public.text, ME.public.text[:-2] + "B=", "é" * 32])
def test_a_public_key_has_one_way_of_writing(text: str) -> None:
    with pytest.raises(InputError, match="Expected a public key"):
        PublicKey.parse(text)


def test_the_store_survives_the_disk_and_refuses_what_is_unsound(tmp_path: Path) -> None:
    path = tmp_path / "trust.json"
    store = STORE.with_key("me", OTHER.public).revoke("me", ME.public)
    assert TrustStore.read(store.save(path)) == store
    assert TrustStore.read(tmp_path / "none") == TrustStore()
    assert judge(sign(package(), OTHER, "me"), store).state == "trusted"
    for text in (
        "{",
        "[]",
        "{}",
        '{"version": 2, "publishers": {}}',
        '{"version": 1, "publishers": {"a": [{"key": ""}]}}',
    ):
        path.write_text(text)
        with pytest.raises(FileError):
            TrustStore.read(path)


def test_a_key_has_one_owner_and_a_revoked_one_stays_revoked() -> None:
    assert STORE.with_key("me", ME.public) == STORE
    with pytest.raises(InputError, match="already that of 'me'"):
        STORE.with_key("them", ME.public)
    with pytest.raises(InputError, match="was revoked"):
        STORE.revoke("me").with_key("me", ME.public)
    with pytest.raises(InputError, match="no such key of 'nobody'; known publishers: me"):
        STORE.revoke("nobody")
    for name in ("", "a\nb"):
        with pytest.raises(InputError, match="name of a publisher"):
            STORE.with_key(name, OTHER.public)
        with pytest.raises(InputError, match="name of the publisher"):
            sign(package(), ME, name)
