"""What test-cli.sh asks about files, with Python's own library only: PNG, safetensors, JSON lines. Exits 1 with a sentence."""
import json
import struct
import sys
import zlib


def png(path):
    """(width, height, bytes of samples) of an 8-bit RGB file whose every chunk is sound."""
    data = open(path, "rb").read()
    assert data[:8] == b"\x89PNG\r\n\x1a\n", "no PNG signature"
    at, packed, names = 8, b"", []
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        name, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        (crc,) = struct.unpack(">I", data[at + 8 + length : at + 12 + length])
        assert crc == zlib.crc32(name + body), "a chunk's checksum is wrong"
        names.append(name)
        if name == b"IHDR":
            width, height, depth, kind = struct.unpack(">IIBB", body[:10])
        if name == b"IDAT":
            packed += body
        at += 12 + length
    assert names[0] == b"IHDR" and names[-1] == b"IEND" and at == len(data), "chunks are missing"
    assert (depth, kind) == (8, 2), "not 8-bit RGB"
    samples = zlib.decompress(packed)
    assert len(samples) == height * (1 + 3 * width), "rows are missing"
    return width, height, samples


def pixels(path):
    """Rows of bytes of such a file, its filters undone (PNG specification, section 9)."""
    width, height, samples = png(path)
    before, rows = bytearray(3 * width), []
    for y in range(height):
        kind, row = samples[y * (1 + 3 * width)], bytearray(samples[y * (1 + 3 * width) + 1 : (y + 1) * (1 + 3 * width)])
        for i in range(len(row)):
            left, up, corner = (row[i - 3], before[i], before[i - 3]) if i > 2 else (0, before[i], 0)
            nearest = min((left, up, corner), key=lambda value: abs(left + up - corner - value))
            row[i] = (row[i] + (0, left, up, (left + up) // 2, nearest)[kind]) % 256
        rows.append(row)
        before = row
    return rows


def tensors(path):
    """{name: (dtype, shape, bytes)}"""
    data = open(path, "rb").read()
    (n,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + n])
    header.pop("__metadata__", None)
    body = data[8 + n :]
    return {k: (e["dtype"], e["shape"], body[slice(*e["data_offsets"])]) for k, e in header.items()}


def floats(tensor):
    assert tensor[0] == "F32", "not f32"
    return struct.unpack("<%df" % (len(tensor[2]) // 4), tensor[2])


def check_png(path, width, height):
    """A sound picture of that size that is not of one colour."""
    w, h, samples = png(path)
    assert (w, h) == (int(width), int(height)), "%d x %d pixels" % (w, h)
    assert len(set(samples)) > 8, "the picture is flat"


def check_kept(path, other, rectangle):
    """The same outside the rectangle X0,Y0,X1,Y1, and another picture inside."""
    x0, y0, x1, y1 = map(int, rectangle.split(","))
    inside = 0
    for y, (a, b) in enumerate(zip(pixels(path), pixels(other))):
        for i, difference in enumerate(abs(m - n) for m, n in zip(a, b)):
            if x0 <= i // 3 < x1 and y0 <= y < y1:
                inside += difference
            else:
                assert difference == 0, "row %d differs by %d outside" % (y, difference)
    assert inside / (3 * (x1 - x0) * (y1 - y0)) > 4, "the inside was not painted"


def check_near(path, other, limit):
    """Mean difference as part of the whole range."""
    differences = [abs(m - n) for a, b in zip(pixels(path), pixels(other)) for m, n in zip(a, b)]
    mean = sum(differences) / len(differences) / 255
    assert 0 < mean <= float(limit), "mean difference %.3f" % mean


def check_shapes(path, *wanted):
    """wanted: NAME=2x3"""
    have = {k: "x".join(map(str, e[1])) for k, e in tensors(path).items()}
    for item in wanted:
        name, shape = item.split("=")
        assert have.get(name) == shape, "%s is %s in %s" % (name, have.get(name), have)


def check_count(path, prefix, n):
    names = [k for k in tensors(path) if k.startswith(prefix)]
    assert len(names) == int(n), names


def check_close(path_a, name_a, path_b, name_b, limit):
    a, b = floats(tensors(path_a)[name_a]), floats(tensors(path_b)[name_b])
    assert len(a) == len(b) and max(map(abs, b)) > 0, "sizes differ, or all is zero"
    error = max(abs(x - y) for x, y in zip(a, b)) / max(map(abs, b))
    assert error <= float(limit), "relative error %g" % error


def check_rows(path, name, length):
    """Every run of that length sums to 1 and holds no negative number."""
    values, n = floats(tensors(path)[name]), int(length)
    assert min(values) >= 0, "negative"
    assert all(abs(sum(values[i : i + n]) - 1) < 1e-4 for i in range(0, len(values), n)), "rows do not sum to 1"


def check_lines(path, *wanted):
    """JSON lines; wanted: TYPE=COUNT"""
    lines = [json.loads(line) for line in open(path, encoding="utf-8")]
    for item in wanted:
        kind, n = item.split("=")
        have = [line for line in lines if line["type"] == kind]
        assert len(have) == int(n), "%d lines of type %s" % (len(have), kind)


def check_field(path, kind, field, wanted):
    values = [line[field] for line in map(json.loads, open(path, encoding="utf-8")) if line["type"] == kind]
    assert values and all(json.dumps(v) == wanted for v in values), "%s is %s" % (field, values)


def make_input(path, classes):
    """x [2,3,64,64], t [2], y [2], region [2,64] with numbers that are easy to make anywhere."""
    x = [((i * 7919) % 4093) / 2046.5 - 1 for i in range(2 * 3 * 64 * 64)]
    region = [1.0 if i % 8 < 4 else 0.0 for i in range(2 * 64)]
    parts = {
        "x": ("F32", [2, 3, 64, 64], struct.pack("<%df" % len(x), *x)),
        "t": ("F32", [2], struct.pack("<2f", 300, 700)),
        "y": ("I32", [2], struct.pack("<2i", *map(int, classes.split(",")))),
        "region": ("F32", [2, 64], struct.pack("<128f", *region)),
    }
    header, body = {}, b""
    for name, (dtype, shape, data) in parts.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + body)


if __name__ == "__main__":
    actions = {k[6:]: v for k, v in globals().items() if k.startswith("check_")} | {"make-input": make_input}
    try:
        actions[sys.argv[1]](*sys.argv[2:])
    except Exception as problem:
        sys.exit("%s: %s: %s" % (" ".join(sys.argv[1:3]), type(problem).__name__, problem))
