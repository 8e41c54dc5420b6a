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
        "f5e5767cf153319517630f226876b86c8160cc583bc013744c6bf255f5cc0ee5",
        "278117fc144c72340f67d0f2316e8386ceffbf2b2428c9c51fef7c597f1d426e",
        "08b8b2b733424243760fe426a4b54908632110a66c2f6591eabd3345e3e4eb98fa6e264bf09efe12ee50f8f54e9f77b1e355f6c50544e23"
        "fb1433ddf73be84d879de7c0046dc4996d9e773f4bc9efe5738829adb26c81b37c93a1b270b20329d658675fc6ea534e0810a4432826bf5"
        "8c941efb65d57a338bbd2e26640f89ffbc1a858efcb8550ee3a5e1998bd177e93a7363c344fe6b199ee5d02e82d522c4feba15452f80288"
        "a821a579116ec6dad2b3b310da903401aa62100ab5d1a36553e06203b33890cc9b832f79ef80560ccb9a39ce767967ed628c6ad573cb116"
        "dbefefd75499da96bd68a8a97b928a8bbc103b6621fcde2beca1231d206be6cd9ec7aff6f6c94fcd7204ed3455c68c83f4a41da4af2b74e"
        "f5c53f1d8ac70bdcb7ed185ce81bd84359d44254d95629e9855a94a7c1958d1f8ada5d0532ed8a5aa3fb2d17ba70eb6248e594e1a2297ac"
        "bbb39d502f1a8c6eb6f1ce22b3de1a1f40cc24554119a831a9aad6079cad88425de6bde1a9187ebb6092cf67bf2b13fd65f27088d78b7e8"
        "83c8759d2c4f5c65adb7553878ad575f9fad878e80a0c9ba63bcbcc2732e69485bbc9c90bfbd62481d9089beccf80cfe2df16a2cf65bd92"
        "dd597b0707e0917af48bbb75fed413d238f5555a7a569d80c3414a8d0859dc65a46128bab27af87a71314f318c782b23ebfe808b82b0ce2"
        "6401d2e22f04d83d1255dc51addd3b75a2b1ae0784504df543af8969be3ea7082ff7fc9888c144da2af58429ec96031dbcad3dad9af0dcb"
        "aaaf268cb8fcffead94f3c7ca495e056a9b47acdb751fb73e666c6c655ade8297297d07ad1ba5e43f1bca32301651339e22904cc8c42f58"
        "c30c04aafdb038dda0847dd988dcda6f3bfd15c4b4c4525004aa06eeff8ca61783aacec57fb3d1f92b0fe2fd1a85f6724517b65e614ad68"
        "08d6f6ee34dff7310fdc82aebfd904b01e1dc54b2927094b2db68d6f903b68401adebf5a7e08d78ff4ef5d63653a65040cf9bfd4aca7984"
        "a74d37145986780fc0b16ac451649de6188a7dbdf191f64b5fc5e2ab47b57f7f7276cd419c17a3ca8e1b939ae49e488acba6b965610b548"
        "0109c8b17b80e1b7b750dfc7598d5d5011fd2dcc5600a32ef5b52a1ecc820e308aa342721aac0943bf6686b64b2579376504ccc493d97e6"
        "aed3fb0f9cd71a43dd497f01f17c0e2cb3797aa2a2f256656168e6c496afc5fb93246f6b1116398a346f1a641f3b041e989f7914f90cc2c"
        "7fff357876e506b50d334ba77c225bc307ba537152f3f1610e4eafe595f6d9d90d11faa933a15ef1369546868a7f3a45a96768d40fd9d03"
        "412c091c6315cf4fde7cb68606937380db2eaaa707b4c4185c32eddcdd306705e4dc1ffc872eeee475a64dfac86aba41c0618983f8741c5"
        "ef68d3a101e8a3b8cac60c905c15fc910840b94c00a0b9d0",
        "0aab4c900501b3e24d7cdf4663326a3a87df5e4843b2cbdb67cbf6e460fec350aa5371b1508f9f4528ecea23c436d94b5e8fcd4f681e30a"
        "6ac00a9704a188a03",
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
    assert str(judge(sign(package(), ME, "x"), STORE)) == "wrong key: it names x, and its key is that of me"
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
