"""Tag numbers and values of TIFF 6.0 that are read or written here."""

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
FILL_ORDER, STRIP_OFFSETS, SAMPLES, ROWS_PER_STRIP, STRIP_BYTES = (266, 273, 277, 278, 279)
PLANAR, PREDICTOR, COLOUR_MAP = 284, 317, 320
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES = 322, 323, 324, 325
EXTRA_SAMPLES, SAMPLE_FORMAT = 338, 339
XMP, ICC = 700, 34675
RECORD = 65000
"""Private: the Visard record."""

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE = 0, 1, 2, 3
COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1}
"""Samples that a photometric interpretation uses for colour."""
READABLE = {(1, 0), (1, 1), (8, 0), (8, 1), (8, 2), (8, 3), (16, 0), (16, 1), (16, 2)}
"""Pairs of bits per sample and photometric interpretation."""

DEFLATE = 8
COMPRESSIONS = {1, 5, DEFLATE, 32773, 32946}
"""None, LZW, deflate, PackBits and deflate under its old number: all lossless."""
HORIZONTAL_DIFFERENCES = 2
PLAIN_ALPHA = 2
