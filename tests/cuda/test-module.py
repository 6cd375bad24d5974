#!/usr/bin/env python3
"""test-module.py PROGRAM: the module for GPUs as `./dev test` built it into $PENTIMENTO_CUDA_BUILD: machine code for which cards
it has, what it exports and needs, and what `pentimento` says with it where there is no driver. Skipped where there is no nvcc."""
import fcntl
import json
import os
import re
import struct
import subprocess
import sys
import tempfile

NAME = "libpentimento-cuda.so"
ARCHS = ("75", "90")
SYMBOL = "pentimento_cuda_module"
OF_THE_SYSTEM = r"(libc|libm|libdl|libpthread|librt|ld-linux-x86-64|ld-linux-aarch64)\.so\.\d+"
FATBIN, KIND_PTX, KIND_CODE = 0xBA55ED50, 1, 2


def architectures(path):
    """{kind: {arch}} of what the module holds. Each container begins with its magic number, version, header and content sizes; so
    do its entries, with kind and compute capability (as cuobjdump --list-elf shows)."""
    with open(path, "rb") as file:
        data = file.read()
    found = {KIND_PTX: set(), KIND_CODE: set()}
    for match in re.finditer(re.escape(struct.pack("<I", FATBIN)), data):
        _, _, header, size = struct.unpack_from("<IHHQ", data, match.start())
        at, end = match.start() + header, min(match.start() + header + size, len(data))
        while at + 32 <= end:
            kind, _, entry_header, entry_size = struct.unpack_from("<HHIQ", data, at)
            arch, = struct.unpack_from("<I", data, at + 28)
            if kind not in found or entry_header + entry_size == 0:
                break
            found[kind].add(str(arch))
            at += entry_header + entry_size
    return found


def dynamic(path, *options):
    return subprocess.run([*options, path], stdout=subprocess.PIPE, check=True, text=True).stdout


def check_architectures(path):
    found = architectures(path)[KIND_CODE]
    return ["there is no code for sm_%s, only for %s" % (a, sorted(found)) for a in ARCHS if a not in found]


def check_exports(path):
    names = re.findall(r" [A-Za-z] (\w+)", dynamic(path, "nm", "-D", "--defined-only"))
    return [] if names == [SYMBOL] else ["it exports %s" % names]


def check_needs(path):
    needed = re.findall(r"NEEDED.*\[(.*)\]", dynamic(path, "readelf", "-d"))
    return ["it needs %s" % name for name in needed if not re.fullmatch(OF_THE_SYSTEM, name)]


def check_loads(path):
    """In a process of its own, because it may end."""
    code = "import ctypes, sys; ctypes.CDLL(sys.argv[1])." + SYMBOL
    child = subprocess.run([sys.executable, "-c", code, path], stderr=subprocess.PIPE, text=True)
    return child.stderr.strip().split("\n")[-1:] if child.returncode else []


def run(program, path, *arguments):
    environment = dict(os.environ, PENTIMENTO_CUDA_MODULE=path, LC_ALL="C.UTF-8", LANGUAGE="")
    return subprocess.run([program, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def devices(program, path):
    out = run(program, path, "info", "--devices", "--json").stdout
    return [json.loads(line) for line in out.splitlines() if line.strip()]


def check_devices(path, program):
    """One line a device; a GPU that cannot be used says why and what helps, and nothing else is lost."""
    listed = devices(program, path)
    ids = [d.get("id") for d in listed]
    found = [] if ids[:1] == ["cpu"] else ["the processor is not listed first: %s" % listed]
    cards = [d for d in listed if str(d.get("id", "")).startswith("cuda")]
    if not cards:
        found.append("the module is not heard: %s" % listed)
    return found + ["%s has neither memory nor a problem" % d for d in cards if not d.get("problem") and not d.get("total_bytes")]


def check_refusal(path, program):
    with tempfile.TemporaryDirectory() as folder:
        child = run(program, path, "generate", "--model", "starter-pixel", "--device", "cuda", "--class", "fox",
                    "--num-steps", "1", "--quiet", "--out", os.path.join(folder, "fox.png"))
    lines = child.stderr.strip().splitlines()
    found = [] if child.returncode == 1 else ["it ended with %d" % child.returncode]
    if len(lines) != 1 or "driver" not in lines[0]:
        found.append("it said: %s" % lines)
    return found


def built():
    """The module's path, or None and the reason. Waits while it is being built."""
    folder = os.environ.get("PENTIMENTO_CUDA_BUILD", "")
    if not os.path.isdir(folder):
        return None, "skipped: ./dev test did not build it"
    if os.path.exists(os.path.join(folder, "running")):
        with open(os.path.join(folder, "running")) as file:
            fcntl.flock(file, fcntl.LOCK_SH)
    try:
        with open(os.path.join(folder, "result")) as file:
            result = file.read().strip() or "failed: the build was ended"
    except OSError:
        return None, "failed: the build did not end"
    return (os.path.join(folder, NAME), "") if result == "built" else (None, result)


def main():
    program = sys.argv[1]
    path, reason = built()
    cases = [("compiled and linked for sm_75 and sm_90", check_architectures, ()),
             ("exports its door alone", check_exports, ()),
             ("needs no library of CUDA", check_needs, ()),
             ("loads", check_loads, ()),
             ("pentimento lists what there is", check_devices, (program,)),
             ("no driver, and a sentence", check_refusal, (program,))]
    print("1..%d" % len(cases))
    for number, (name, check, more) in enumerate(cases, 1):
        if path is None and not reason.startswith("failed"):
            print("ok %d - %s # SKIP %s" % (number, name, reason.partition(": ")[2]))
            continue
        if check is check_refusal and path and has_card(program, path):
            print("ok %d - %s # SKIP there is a GPU" % (number, name))
            continue
        findings = [reason] if path is None else check(path, *more)
        print("%s %d - %s" % ("not ok" if findings else "ok", number, name))
        for line in findings:
            print("# " + line)


def has_card(program, path):
    return any(str(d.get("id", "")).startswith("cuda") and not d.get("problem") for d in devices(program, path))


main()
