"""Signatures of experts: who vouches for every byte, and how far that can be believed.

What is signed is the manifest, written in one way (keys sorted, no spaces, UTF-8), without its `signature`, behind a
line that says what it is; the manifest holds the SHA-256 of every other file.  The public key stands in it too, to be
compared with the trust store and never to be believed by itself.  Ed25519, RFC 8032.  Where the manifest holds no
signature, one of another house may lie apart (`detached`); the verdict says so.

    trusted     signed by a key that the store has for this publisher
    unsigned    nobody vouches for it, or in a way that is not this one
    unknown     soundly signed, by a publisher that the store does not have
    wrong key   soundly signed in the name of a publisher that has another key: somebody else's, or a new one
    revoked     signed by a key that was revoked
    tampered    changed after it was signed
"""

import base64
import binascii
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from polyloom.errors import InputError
from polyloom.experts.detached import signer, stated
from polyloom.experts.keys import PublicKey, SecretKey
from polyloom.experts.manifest import FILE, Manifest
from polyloom.experts.package import SIGNATURE, Package, check, sound
from polyloom.experts.trust import TrustStore

State: TypeAlias = Literal["trusted", "unsigned", "unknown", "wrong key", "revoked", "tampered"]
ALGORITHM = "ed25519"
PREFIX = b"polyloom expert 1\n"
SEALED = "sealed"  # of `integrity`: signed in this way; so an archive has a seal, or was packed by somebody else
# What a signature says anew, in either spelling; the rest of `integrity` stays.
OURS = {
    "created_at",
    "timestamp",
    "publisher",
    "pubkey",
    "public_key",
    "signature_algorithm",
    "signature",
    "files",
    SEALED,
}


@dataclass(frozen=True)
class Verdict:
    """How far a package can be believed, in a word, and why."""

    state: State
    reason: str
    publisher: str | None = None
    key: PublicKey | None = None
    detached: bool = False  # by a signature of another house

    def __str__(self) -> str:
        return f"{self.state}: {self.reason}"


def sign(package: Package, key: SecretKey, publisher: str) -> Package:
    """The same package with the digests of its files and a signature over all of it.

    A signature that it had is replaced.  InvalidExpert if something is wrong with it, InputError without a publisher.
    """
    if not publisher.strip() or not publisher.isprintable():
        raise InputError(f"Expected the name of the publisher, got {publisher!r}.")
    files = {name: content for name, content in package.files.items() if name != SIGNATURE}
    digests = {name: digest for name, digest in package.digests.items() if name in files and name != FILE}
    kept = {name: value for name, value in package.manifest.document.get("integrity", {}).items() if name not in OURS}
    stated: dict[str, Any] = {
        **kept,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "publisher": publisher,
        "pubkey": key.public.text,
        "signature_algorithm": ALGORITHM,
        SEALED: True,
        "files": digests,
    }
    manifest = Manifest({**package.manifest.document, "integrity": stated})
    signature = base64.b64encode(key.sign(message(manifest))).decode()
    ready = Package(files).with_manifest(manifest.replace(integrity={"signature": signature}))
    return sound(ready, "The package")


def message(manifest: Manifest) -> bytes:
    """What is signed: the manifest in its one way of writing, without the signature."""
    integrity = manifest.document.get("integrity", {})
    rest = {name: value for name, value in integrity.items() if name != "signature"}
    document = {**manifest.document, "integrity": rest}
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return PREFIX + text.encode()


def judge(package: Package, store: TrustStore) -> Verdict:
    """How far a package can be believed.  Never raises for what is in a package whose manifest is sound."""
    said = package.manifest.said.integrity
    publisher = said.publisher
    if damage := [problem for problem in check(package) if problem.where.startswith("integrity.")]:
        return Verdict("tampered", "; ".join(map(str, damage)), publisher)
    ours = package.manifest.document.get("integrity", {}).get(SEALED) is True
    if not said.signature and not ours and SIGNATURE in package.files:
        return _detached(package, store)
    if not said.signature and not said.pubkey:
        return Verdict("unsigned", "nobody vouches for it", publisher)
    if not ours:
        return Verdict("unsigned", "it has a signature of another kind, which cannot be checked here", publisher)
    key, signature = _stated(said.pubkey, said.signature)
    if publisher is None or key is None or said.signature_algorithm != ALGORITHM:
        return Verdict("tampered", "it has a signature that cannot be checked: a part of it is missing or unsound")
    if not _covers_all(package) or not key.signed(message(package.manifest), signature):
        return Verdict("tampered", f"it was changed after {publisher} signed it", publisher, key)
    return _known(publisher, key, store)


def _detached(package: Package, store: TrustStore) -> Verdict:
    """The verdict on a signature that lies apart."""
    owners = {one.key: name for name, keys in store.publishers.items() for one in keys}
    own, publisher = list(stated(package)), package.manifest.said.integrity.publisher
    key = signer(package, [*owners, *own])
    if key is not None and (who := publisher or owners.get(key)):
        found = _known(who, key, store)
        return replace(found, reason=f"{found.reason} (apart, in {SIGNATURE})", detached=True)
    if key is None and (own or store.keys(publisher or "")):
        reason = f"{SIGNATURE} is not that of {publisher or 'the key it states'} over these files"
        return Verdict("tampered", reason, publisher, detached=True)
    reason = "by a key that the trust store does not have, and in nobody's name" if key else "by nobody that is trusted"
    return Verdict("unsigned", f"{SIGNATURE} is {reason}", publisher, detached=True)


def _known(publisher: str, key: PublicKey, store: TrustStore) -> Verdict:
    """The verdict on a sound signature."""
    owners = {one.key: (name, one) for name, keys in store.publishers.items() for one in keys}
    name, found = owners.get(key, ("", None))
    if found is not None and found.revoked:
        return Verdict("revoked", f"the key of {name} was revoked on {found.revoked}", publisher, key)
    if found is not None and name == publisher:
        return Verdict("trusted", f"signed by {publisher}", publisher, key)
    if found is not None:
        return Verdict("wrong key", f"it names {publisher}, and its key is that of {name}", publisher, key)
    if store.keys(publisher):
        return Verdict("wrong key", f"it names {publisher}, whose key is another one", publisher, key)
    return Verdict("unknown", f"signed by {publisher}, who is not in the trust store", publisher, key)


def _stated(pubkey: str | None, signature: str | None) -> tuple[PublicKey | None, bytes]:
    try:
        return PublicKey.parse(pubkey or ""), base64.b64decode(signature or "", validate=True)
    except (InputError, binascii.Error, ValueError):
        return None, b""


def _covers_all(package: Package) -> bool:
    """Whether every file has a digest, the file of another house too, and no byte of an archive stands aside."""
    integrity = package.manifest.document.get("integrity", {})
    return package.sealed and set(integrity.get("files", {})) == set(package.files) - {FILE}
