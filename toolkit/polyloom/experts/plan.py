"""What to install so that everything stands together: what was asked for, what it requires, and what is there already.

    needed(there, wanted, listed)     those of a catalogue that are to be fetched
    fresh(packages, there)            those of some packages that are not there yet
    stand_together(packages, there)   whether they can

What is there stays in its version unless something asks for another, and never becomes older.
"""

from collections.abc import Iterable, Mapping, Sequence

from polyloom.errors import InputError
from polyloom.experts.catalogue import Listing
from polyloom.experts.package import Package
from polyloom.experts.resolve import Offer, load_order, resolve
from polyloom.experts.store import Record
from polyloom.experts.version import Requirement

Records = Mapping[str, Record]


def needed(
    there: Records, wanted: Sequence[Requirement], listed: Iterable[Listing], given: Iterable[Package] = (),
    newest: Sequence[str] = (),
) -> list[Listing]:  # fmt: skip
    """What of a catalogue is wanted or required, beside the packages that are `given`; Conflict if that cannot be.

    Experts named in `newest` are taken as new as can be, though they are there in another version.
    """
    installed = {name: offered(record) for name, record in there.items()}
    named = {rule.name for rule in wanted}
    asked = [*wanted, *(Requirement(name) for name in there if name not in named)]
    mine = [Offer.of(package.manifest) for package in given]
    taken = {offer.name for offer in mine}
    others = [one for one in listed if one.offer.name not in taken and _not_older(one.offer, installed)]
    offers = {(one.name, one.version): one for one in [*(one.offer for one in others), *installed.values(), *mine]}
    preferred = {name: one.version for name, one in installed.items() if name not in newest}
    chosen = resolve(asked, offers.values(), preferred)
    return [
        one for one in others if chosen.get(one.offer.name) == one.offer and installed.get(one.offer.name) != one.offer
    ]


def fresh(packages: Iterable[Package], there: Records) -> list[Package]:
    """The packages that are not there.  InputError for one that is older than what is, or another of its version."""
    return [package for package in packages if _is_new(package, there)]


def stand_together(packages: Iterable[Package], there: Records) -> None:
    """Conflict if packages cannot stand beside one another and what is there, or be loaded in any order."""
    offers = {name: offered(record) for name, record in there.items()}
    offers |= {package.manifest.name: Offer.of(package.manifest) for package in packages}
    load_order(resolve(map(Requirement, offers), offers.values()).values())


def offered(record: Record) -> Offer:
    """An expert that is there, as one that can be chosen."""
    return Offer.of(record.manifest)


def _not_older(offer: Offer, installed: Mapping[str, Offer]) -> bool:
    return offer.name not in installed or offer.version > installed[offer.name].version


def _is_new(package: Package, there: Records) -> bool:
    record = there.get(package.manifest.name)
    if record is None or package.manifest.version > record.manifest.version:
        return True
    if record.digest == package.digest:
        return False
    what = "another package of this version" if package.manifest.version == record.manifest.version else "newer"
    raise InputError(
        f"{record.name} {package.manifest.version} was not installed: {record.manifest.version} is there, {what}. "
        f"Uninstall it first, if that is what you want."
    )
