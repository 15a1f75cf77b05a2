"""Series to try a method on, loaded by name.

Some come along or with a dependency, some are simulated by :mod:`ews.models` with a fixed seed, some are fetched once
from a public address, checked by their SHA-256 and kept in a cache (below the folder named by ``EWS_CACHE_DIR``, or the
user's cache folder). A folder named by ``EWS_DATA_DIR`` is looked in first; a few published series can be read from
there only, because their sources publish them in another format. Files are checked wherever they come from.
"""

from __future__ import annotations

from ews.datasets import bundled, local, remote, simulated
from ews.datasets.dataset import Dataset
from ews.datasets.entry import Entry
from ews.datasets.files import locate
from ews.errors import UnknownNameError

__all__ = ["Dataset", "Entry", "describe", "list", "load"]

_ENTRIES = {
    entry.name: entry
    for entry in sorted(
        (*bundled.ENTRIES, *simulated.ENTRIES, *remote.ENTRIES, *local.ENTRIES), key=lambda entry: entry.name
    )
}


def list() -> tuple[str, ...]:  # noqa: A001  # ews.datasets.list is the public name
    """Name every data set.

    Returns
    -------
    tuple of str
        In alphabetical order; :func:`describe` says what each is.

    Examples
    --------
    >>> from ews import datasets
    >>> "nile" in datasets.list()
    True
    """
    return tuple(_ENTRIES)


def describe(name: str) -> Entry:
    """Say what a data set is, without loading it.

    Parameters
    ----------
    name : str
        One of :func:`list`.

    Returns
    -------
    Entry
        Description, kind, units, source and licence.

    Raises
    ------
    ews.errors.UnknownNameError
        If no data set has that name; the nearest one is suggested.

    Examples
    --------
    >>> from ews import datasets
    >>> datasets.describe("sunspots").description
    'Yearly sunspot numbers, 1700-2008: a cycle, no transition'
    """
    if name not in _ENTRIES:
        raise UnknownNameError("name", name, _ENTRIES)
    return _ENTRIES[name]


def load(name: str) -> Dataset:
    """Load a data set.

    Parameters
    ----------
    name : str
        One of :func:`list`.

    Returns
    -------
    Dataset
        Values of shape (n,) for one series, or (n, columns): ``load(name)[column]`` takes one of them.

    Raises
    ------
    ews.errors.UnknownNameError
        If no data set has that name; the nearest one is suggested.
    ews.errors.DatasetError
        If its files are not in the folder named by ``EWS_DATA_DIR`` and cannot be fetched, or are not the published
        ones.

    Examples
    --------
    >>> from ews import datasets
    >>> fold = datasets.load("simulated_fold")
    >>> fold.values.shape, round(fold.transition, 1)
    ((2000,), 3773.1)
    """
    entry = describe(name)
    paths = [locate(file, name=name, source=entry.source) for file in entry.files]
    content = entry.read(*paths)
    return Dataset(
        name=name,
        values=content.values,
        time=content.time,
        columns=content.columns,
        time_name=entry.time_name,
        time_unit=entry.time_unit,
        unit=entry.unit,
        description=entry.description,
        source=entry.source,
        licence=entry.licence,
        transitions=content.transitions,
        labels=content.labels,
    )
