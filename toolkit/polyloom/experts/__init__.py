"""Experts: packages of an adapter or a model with a manifest; their signatures, and the registry that keeps them.

Needs `pip install "polyloom[experts]"`.
"""

from polyloom.experts.admission import Untrusted
from polyloom.experts.archive import Limits
from polyloom.experts.held import held_bytes
from polyloom.experts.keys import PublicKey, SecretKey, new_key
from polyloom.experts.manager import Event, ExpertManager, Refused
from polyloom.experts.manifest import InvalidExpert, Manifest, Problem, json_schema
from polyloom.experts.package import Package, check
from polyloom.experts.registry import Installed, Registry
from polyloom.experts.resolve import Conflict, load_order, resolve
from polyloom.experts.signing import Verdict, judge, sign
from polyloom.experts.suited import unsuited
from polyloom.experts.trust import TrustStore
from polyloom.experts.version import Requirement, Version

__all__ = [
    "Conflict",
    "Event",
    "ExpertManager",
    "Installed",
    "InvalidExpert",
    "Limits",
    "Manifest",
    "Package",
    "Problem",
    "PublicKey",
    "Refused",
    "Registry",
    "Requirement",
    "SecretKey",
    "TrustStore",
    "Untrusted",
    "Verdict",
    "Version",
    "check",
    "held_bytes",
    "json_schema",
    "judge",
    "load_order",
    "new_key",
    "resolve",
    "sign",
    "unsuited",
]
