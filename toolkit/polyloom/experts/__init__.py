"""Experts: packages of an adapter or a model with a manifest; their signatures, and the registry that keeps them.

Needs `pip install "polyloom[experts]"`.
"""

from polyloom.experts.archive import Limits
from polyloom.experts.keys import PublicKey, SecretKey, new_key
from polyloom.experts.manifest import InvalidExpert, Manifest, Problem, json_schema
from polyloom.experts.package import Package, check
from polyloom.experts.signing import Verdict, judge, sign
from polyloom.experts.trust import TrustStore
from polyloom.experts.version import Requirement, Version

__all__ = [
    "InvalidExpert",
    "Limits",
    "Manifest",
    "Package",
    "Problem",
    "PublicKey",
    "Requirement",
    "SecretKey",
    "TrustStore",
    "Verdict",
    "Version",
    "check",
    "json_schema",
    "judge",
    "new_key",
    "sign",
]
