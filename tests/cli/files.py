"""What test-cli.sh asks about files, with Python's own library only: PNG, safetensors, GIF, NumPy arrays,
JSON lines. Exits 1 with a sentence."""
import ast
import json
import os
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


def unpack_lzw(data, minimum):
    """GIF's LZW, written from the specification (GIF89a, appendix F)."""
    clear, end, out = 1 << minimum, (1 << minimum) + 1, bytearray()
    table, size, old, held, bits = {}, minimum + 1, None, 0, 0
    table = {i: bytes([i]) for i in range(clear)}
    known = end + 1
    for byte in data:
        held |= byte << bits
        bits += 8
        while bits >= size:
            code, held, bits = held & ((1 << size) - 1), held >> size, bits - size
            if code == end:
                return bytes(out)
            if code == clear:
                table, size, old, known = {i: bytes([i]) for i in range(clear)}, minimum + 1, None, end + 1
                continue
            text = table[code] if code in table else old + old[:1]
            assert code in table or code == known, "an unknown code"
            if old is not None and known < 4096:
                table[known] = old + text[:1]
                known += 1
                if known == 1 << size and size < 12:
                    size += 1
            out += text
            old = text
    raise ValueError("no end code")


def gif(path):
    """(width, height, loops, [(delay, RGB bytes)])"""
    data = open(path, "rb").read()
    assert data[:6] == b"GIF89a" and data[10] == 0xF7, "no GIF89a with 256 colours"
    width, height = struct.unpack("<HH", data[6:10])
    palette = [data[13 + 3 * i : 16 + 3 * i] for i in range(256)]
    at, loops, delay, frames = 13 + 768, None, None, []

    def blocks(at):
        body = b""
        while data[at]:
            body += data[at + 1 : at + 1 + data[at]]
            at += 1 + data[at]
        return body, at + 1

    while data[at] != 0x3B:
        if data[at] == 0x21:
            kind = data[at + 1]
            body, at = blocks(at + 2)
            if kind == 0xFF:
                assert body[:11] == b"NETSCAPE2.0"
                (loops,) = struct.unpack("<H", body[12:14])
            elif kind == 0xF9:
                (delay,) = struct.unpack("<H", body[1:3])
        else:
            assert data[at] == 0x2C, "neither frame nor extension"
            assert struct.unpack("<HHHHB", data[at + 1 : at + 10]) == (0, 0, width, height, 0), "not a whole frame"
            minimum = data[at + 10]
            body, at = blocks(at + 11)
            indices = unpack_lzw(body, minimum)
            assert len(indices) == width * height, "%d indices" % len(indices)
            frames.append((delay, b"".join(palette[i] for i in indices)))
    assert at == len(data) - 1, "something follows"
    return width, height, loops, frames


def npy(path):
    """(descr, shape, values)"""
    data = open(path, "rb").read()
    assert data[:8] == b"\x93NUMPY\x01\x00", "no NumPy array of version 1.0"
    (n,) = struct.unpack("<H", data[8:10])
    assert (10 + n) % 64 == 0 and data[9 + n : 10 + n] == b"\n", "the header is not aligned"
    header = ast.literal_eval(data[10 : 10 + n].decode("ascii"))
    assert set(header) == {"descr", "fortran_order", "shape"} and header["fortran_order"] is False, header
    return header["descr"], header["shape"], struct.unpack("<%df" % ((len(data) - 10 - n) // 4), data[10 + n :])


def check_gif(path, n_frames):
    """So many different frames of one size, running for ever."""
    _, _, loops, frames = gif(path)
    assert len(frames) == int(n_frames) and loops == 0, "%d frames, %s loops" % (len(frames), loops)
    assert len({pixels for _, pixels in frames}) == len(frames), "frames repeat"
    assert all(delay > 0 for delay, _ in frames) and frames[-1][0] > frames[0][0], "no pause at the end"


def check_gif_frame(path, number, rgb_path):
    """The frame is what another program decoded, as raw RGB."""
    assert gif(path)[3][int(number)][1] == open(rgb_path, "rb").read(), "decoded differently"


def check_npy(folder, raw):
    """Every map of the safetensors file is there, equal to the bit, and nothing else."""
    wanted = {k: e for k, e in tensors(raw).items() if k != "latent" and not k.startswith("meta:")}
    assert {k + ".npy" for k in wanted} == set(os.listdir(folder)), os.listdir(folder)
    for name, entry in wanted.items():
        descr, shape, values = npy(os.path.join(folder, name + ".npy"))
        assert descr == "<f4" and list(shape) == entry[1] and values == floats(entry), name


def check_same_maps(path_a, path_b, limit):
    """Equal but for rounding by that much of a map's largest value."""
    a, b = tensors(path_a), tensors(path_b)
    assert list(a) == list(b), "other maps"
    worst = 0
    for name in a:
        if not name.startswith("meta:"):
            x, y = floats(a[name]), floats(b[name])
            worst = max(worst, max(abs(p - q) for p, q in zip(x, y)) / max(map(abs, y)))
    assert worst <= float(limit), "relative error %g" % worst
    assert worst > 0 or float(limit) == 0, "nothing was rounded"


def check_picture_size(path, width, height):
    """At least so large, and not flat."""
    w, h, samples = png(path)
    assert w >= int(width) and h >= int(height) and len(set(samples)) > 64, "%d x %d pixels" % (w, h)


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


def check_zero(path, name, rectangle):
    """The map is 0 in the patches X0,Y0,X1,Y1, and above 0 somewhere else, where there is somewhere else."""
    tensor = tensors(path)[name]
    height, width = tensor[1]
    x0, y0, x1, y1 = map(int, rectangle.split(","))
    values = floats(tensor)
    inside = [values[y * width + x] for y in range(y0, y1) for x in range(x0, x1)]
    assert not any(inside), "%g inside" % max(inside)
    assert len(inside) == len(values) or sum(values) > 0, "nothing outside"


def check_falling(path, kind, key):
    """The numbers of such lines of JSON never rise, and are not all the same."""
    lines = [json.loads(line) for line in open(path)]
    numbers = [line[key] for line in lines if line["type"] == kind]
    assert numbers == sorted(numbers, reverse=True) and numbers[0] > numbers[-1], "%s" % numbers


def make_mask(path, size, rectangle):
    """A grey PNG of WxH pixels, white inside X0,Y0,X1,Y1 and black outside."""
    width, height = map(int, size.split("x"))
    x0, y0, x1, y1 = map(int, rectangle.split(","))
    rows = b"".join(b"\0" + bytes(255 * (x0 <= x < x1 and y0 <= y < y1) for x in range(width)) for y in range(height))
    parts = {b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0), b"IDAT": zlib.compress(rows), b"IEND": b""}
    chunks = (struct.pack(">I", len(b)) + name + b + struct.pack(">I", zlib.crc32(name + b)) for name, b in parts.items())
    open(path, "wb").write(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


if __name__ == "__main__":
    actions = {k[6:]: v for k, v in globals().items() if k.startswith("check_")}
    actions |= {"make-input": make_input, "make-mask": make_mask}
    try:
        actions[sys.argv[1]](*sys.argv[2:])
    except Exception as problem:
        sys.exit("%s: %s: %s" % (" ".join(sys.argv[1:3]), type(problem).__name__, problem))
