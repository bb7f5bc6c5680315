"""Untrusted bytes to pixels and back: formats, limits, orientation, metadata policy, record embedding."""

from service.imaging.coded import coding_grid_of, whole_blocks_of
from service.imaging.decode import decode
from service.imaging.digest import pixels_digest
from service.imaging.encode import encode, require_fits
from service.imaging.limits import Limits
from service.imaging.picture import CodingGrid, Format, JpegCoding, MetadataPolicy, OutputFormat, Picture, format_for

__all__ = [
    "CodingGrid",
    "Format",
    "JpegCoding",
    "Limits",
    "MetadataPolicy",
    "OutputFormat",
    "Picture",
    "coding_grid_of",
    "decode",
    "encode",
    "format_for",
    "pixels_digest",
    "require_fits",
    "whole_blocks_of",
]
