"""Indicators of maps, one value a map: what neighbours share, how cells vary, how large patches are.

Every function takes ``grids`` of shape (time, y, x), as an array, an xarray DataArray or a list of two-dimensional
arrays, and returns one value for each time. :func:`ews.detect_spatial` tests their trends.
"""

from ews.spatial.coarsening import coarse_grain
from ews.spatial.correlation import moran
from ews.spatial.distributions import patch_distribution
from ews.spatial.grids import Grids
from ews.spatial.moments import skewness, variance
from ews.spatial.patch_distribution_result import PatchDistribution, PatchFit
from ews.spatial.patches import largest_patch, patch_sizes
from ews.spatial.spectrum import RadialSpectrum, low_frequency_ratio, radial_spectrum

__all__ = [
    "Grids",
    "PatchDistribution",
    "PatchFit",
    "RadialSpectrum",
    "coarse_grain",
    "largest_patch",
    "low_frequency_ratio",
    "moran",
    "patch_distribution",
    "patch_sizes",
    "radial_spectrum",
    "skewness",
    "variance",
]
