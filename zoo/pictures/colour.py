"""To sRGB and to a known range of values: colour profiles, transparency, pictures of more than 8 bits."""

from __future__ import annotations

import io
import itertools
import sys

from PIL import Image, ImageCms, ImageMath, TiffImagePlugin

from zoo.pictures.budget import PictureError
from zoo.pictures.headers import png_is_16_bit, png_significant_bits

MODES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab ": "LAB"}
"""A profile's colour space -> the mode of pictures that it describes."""

SAME = 2
"""Grey levels: a profile that moves no colour further is sRGB under another name, and pixels are left exact."""

_FAULTS = (ImageCms.PyCMSError, OSError, ValueError, TypeError, KeyError, AttributeError)


def needs_flattening(image: Image.Image) -> bool:
    """Whether ``flat`` gives another picture than its own."""
    marked = image.mode in ("L", "RGB") and "transparency" in image.info
    return marked or image.mode in ("1", "P", "PA") or image.mode.startswith("I;")


def flat(image: Image.Image) -> Image.Image:
    """A palette, bilevel or marked-transparent picture in a mode whose pixels can be averaged."""
    if image.mode == "1":
        return image.convert("L")
    if image.mode.startswith("I;"):
        return image.convert("I")
    if image.mode in ("P", "PA"):
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    if image.mode in ("L", "RGB") and "transparency" in image.info:
        return image.convert("RGBA")
    return image


def to_srgb(image: Image.Image, profile: bytes | None, notes: list[str]) -> Image.Image:
    """An 8-bit picture as ``RGB`` in sRGB, transparency over white; adds what was assumed to ``notes``."""
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    colours = image.convert(image.mode[:-1]) if alpha else image
    plain = _by_profile(colours, profile, notes) if profile or image.mode == "LAB" else None
    if plain is None:
        if image.mode == "CMYK":
            notes.append("CMYK without a usable colour profile: the colours are approximate")
        plain = colours if colours.mode == "RGB" else colours.convert("RGB")
    if alpha is None:
        return plain
    if alpha.getextrema() != (255, 255):
        notes.append("transparent parts are laid over white")
    paper = Image.new("RGB", image.size, "white")
    paper.paste(plain, mask=alpha)
    return paper


def _by_profile(image: Image.Image, profile: bytes | None, notes: list[str]) -> Image.Image | None:
    """The picture in sRGB by its embedded profile; ``None`` where that is sRGB already, or cannot be used."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile) if profile else ImageCms.createProfile("LAB"))
        mode = MODES[source.profile.xcolor_space]
        if image.mode != mode:
            if (image.mode, mode) != ("L", "RGB"):  # a grey picture may carry the profile of its colour space
                raise ValueError("a profile of another colour space")
            image = image.convert("RGB")
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
        if mode in ("RGB", "L") and _changes_nothing(transform, mode):
            return None
        converted = transform.apply(image)
        notes.append("the colours were converted to sRGB by the embedded profile")
        return converted
    except _FAULTS:
        notes.append("the embedded colour profile cannot be used: the colours were taken as they are")
        return None


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    levels = range(0, 256, 51)
    colours = itertools.product(levels, repeat=3) if mode == "RGB" else zip(range(256))
    values = bytes(itertools.chain.from_iterable(colours))
    probe = Image.frombytes(mode, (len(values) // len(mode), 1), values)
    after = transform.apply(probe)
    return all(abs(a - b) <= SAME for a, b in zip(probe.convert("RGB").tobytes(), after.tobytes(), strict=True))


def top_value(image: Image.Image, blob: bytes, notes: list[str]) -> float:
    """The value that stands for white in a grey picture of 16 or 32 bits, or of floats; raises PictureError."""
    top = 1.0 if image.mode == "F" else 65535.0
    low, high = image.getextrema()
    if not 0 <= low <= high <= top:  # type: ignore[operator]
        raise PictureError(f"holds values outside 0 to {top:g}: save it as an 8- or 16-bit PNG")
    return top if image.mode == "F" else _white(int(high), _declared_bits(image, blob), notes)  # type: ignore[arg-type]


def _white(high: int, declared: int | None, notes: list[str]) -> float:
    """White by the bits that the file declares, else by the fewest of 8, 10, 12, 14 and 16 that hold its values."""
    if declared and high < 2**declared:
        bits = declared
    else:
        bits = next(bits for bits in (8, 10, 12, 14, 16) if high < 2**bits) if high and not declared else 16
    if bits < 16:
        reason = "as the file says" if bits == declared else "since none is larger"
        notes.append(f"its 16-bit values were taken as {bits} bits (0 to {2**bits - 1}), {reason}")
    return float(2**bits - 1)


def _declared_bits(image: Image.Image, blob: bytes) -> int | None:
    """Significant bits of a channel by a PNG's ``sBIT`` or a TIFF's ``BitsPerSample`` and ``MaxSampleValue``."""
    if png_is_16_bit(blob):
        return png_significant_bits(blob)
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return None
    bits, most = _first(image.tag_v2.get(258)), _first(image.tag_v2.get(281))
    if bits and 8 < bits < 16:
        return bits
    return most.bit_length() if most and 255 < most <= 65535 else None


def _first(value: object) -> int | None:
    found = value[0] if isinstance(value, tuple) and value else value
    return found if isinstance(found, int) else None


def is_wide(image: Image.Image, blob: bytes) -> bool:
    """Whether a colour picture stores 16 bits a channel, of which Pillow keeps the higher eight."""
    if image.mode not in ("RGB", "RGBA", "LA", "RGBX"):
        return False
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return _first(image.tag_v2.get(258)) == 16
    return image.format == "PNG" and png_is_16_bit(blob)


def is_dim(image: Image.Image, blob: bytes) -> bool:
    """Whether 16-bit colours, of which the upper bytes are loaded, may be fewer bits in the lower part of the 16."""
    return _most(image) < 128 and (png_significant_bits(blob) if png_is_16_bit(blob) else None) != 16


def wide_white(high: Image.Image, low: Image.Image, blob: bytes, notes: list[str]) -> float:
    """The value that stands for white in 16-bit colours given as their high and low bytes."""
    most = _most(high)
    return _white(256 * most + 255 if most else _most(low), _declared_bits(high, blob), notes)


def _most(image: Image.Image) -> int:
    """Largest value of the colours, transparency apart."""
    bands = zip(image.getbands(), image.split(), strict=True)
    return max(int(band.getextrema()[1]) for name, band in bands if name != "A")  # type: ignore[arg-type]


def eight_bit(image: Image.Image, white: float) -> Image.Image:
    """A grey picture of integers or floats, 0 to ``white``, in 8 bits."""
    return ImageMath.lambda_eval(lambda a: a["convert"](a["float"](a["x"]) * (255 / white) + 0.5, "L"), x=image)


def read_low_bytes(image: Image.Image) -> bool:
    """Make a picture that is not loaded yet decode the lower eight bits of each 16; whether that is possible."""
    other = {";16B": ";16L", ";16L": ";16B", ";16N": ";16B" if sys.byteorder == "little" else ";16L"}

    def swapped(value: object) -> object:
        return value[:-4] + other[value[-4:]] if isinstance(value, str) and value[-4:] in other else value

    tiles = image.tile  # type: ignore[attr-defined]
    changed = [
        tile._replace(args=tuple(map(swapped, tile.args)) if isinstance(tile.args, tuple) else swapped(tile.args))
        for tile in tiles
    ]
    image.tile = changed  # type: ignore[attr-defined]
    return bool(tiles) and all(old.args != new.args for old, new in zip(tiles, changed, strict=True))


def joined(high: Image.Image, low: Image.Image, white: float) -> Image.Image:
    """8-bit channels of 16-bit values given as their high and low bytes; ``white`` becomes 255."""
    bands = []
    for name, upper, lower in zip(high.getbands(), high.split(), low.split(), strict=True):
        scale = 255 / (65535.0 if name == "A" else white)
        both = Image.merge("RGB", (upper, lower, lower))
        bands.append(both.convert("L", (256 * scale, scale, 0, 0)))  # a weighted sum in one pass, rounded once
    return Image.merge(high.mode, bands)
