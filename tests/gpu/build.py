#!/usr/bin/env python3
"""build.py --out DIR --packages DIR [--jobs N] [--host-module] [--tests NAME,...]: the core, `pentimento` and tests of the core,
by a C compiler and Python alone, for machines that have neither meson nor the libraries' headers; those are in the folder that
pack.sh filled. What is compiled is read from the meson.build files, whose lists are the registries. --host-module also makes
libpentimento-cuda-host.so, the kernels compiled for the processor, by the C++ compiler.
Everything runs in parallel; an object is kept by what it was made of."""
import argparse
import ast
import concurrent.futures
import hashlib
import lzma
import os
import pathlib
import re
import shutil
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
CORE = TOP / "core"
WARNINGS = "-Wno-unused-parameter -Wno-missing-field-initializers -Wno-psabi".split()
COMMON = ["-O3", "-g1", "-fPIC", "-fno-math-errno", *WARNINGS]
C_FLAGS = ["-std=gnu11", *COMMON, "-D_GNU_SOURCE", '-DG_LOG_DOMAIN="Pentimento"', '-DGETTEXT_PACKAGE="plug-in-pentimento"',
           '-DPM_VERSION="%s"', '-DPM_LOCALEDIR="/nonexistent"']
INCLUDES = "glib-2.0 gio-unix-2.0 json-glib-1.0 libpng16 openblas-serial".split()
LIBRARIES = "gio-2.0 gmodule-2.0 gobject-2.0 glib-2.0 json-glib-1.0 png16".split()
CC, CXX = (name if shutil.which(name) else other for name, other in (("cc", "gcc"), ("c++", "g++")))
WRAPS = "-Wl,--wrap=blas_memory_alloc,--wrap=blas_memory_free"


def literal(text, pattern, what):
    """The Python value that a piece of a meson.build is, too."""
    found = re.search(pattern, text, re.S | re.M)
    if not found:
        sys.exit("build.py: %s was not found in its meson.build." % what)
    return ast.literal_eval("".join(re.sub(r"(?m)^\s*#.*$", "", found.group(1))))


class Build:
    def __init__(self, out, packages, jobs):
        self.out, self.packages = out, packages
        self.pool = concurrent.futures.ThreadPoolExecutor(jobs)
        for folder in ("objects", "generated"):
            (out / folder).mkdir(parents=True, exist_ok=True)
        version = re.search(r"version: '([^']+)'", (TOP / "meson.build").read_text()).group(1)
        self.c_flags = [flag.replace("%s", version) for flag in C_FLAGS]
        self.c_flags += ["-I%s" % CORE, "-I%s" % out]
        self.c_flags += ["-isystem%s" % (packages / "include" / name) for name in INCLUDES]
        headers = sorted(p for folder in (CORE, TOP / "tests" / "core") for p in folder.rglob("*.h"))
        self.headers = hashlib.sha256(b"".join(p.read_bytes() for p in headers)).digest()
        self.links = ["-L%s" % out, "-Wl,-rpath,$ORIGIN:%s" % (packages / "lib"), "-Wl,--disable-new-dtags"]
        self.libraries = [str(next((packages / "lib").glob("lib%s.so.*" % name))) for name in LIBRARIES] + ["-lm"]
        self.libraries.append("-Wl,-rpath-link,%s" % (packages / "lib"))

    def compile(self, source, compiler=CC, flags=None, more=()):
        """The future of an object's path."""
        flags = [*(self.c_flags if flags is None else flags), *more]
        content = pathlib.Path(source).read_bytes() + self.headers + repr((compiler, flags)).encode()
        name = "%s-%s.o" % (pathlib.Path(source).stem, hashlib.sha256(content).hexdigest()[:16])
        return self.pool.submit(self.run_once, self.out / "objects" / name, [compiler, *flags, "-c", str(source)])

    def run_once(self, target, command):
        if not target.exists():
            half = target.with_name(target.name + ".half")
            self.run([*command, "-o", str(half)])
            half.rename(target)
        return str(target)

    def run(self, command):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        if done.returncode != 0:
            raise RuntimeError("%s\n%s" % (" ".join(command), done.stdout))

    def registries(self, text):
        """The tables of descriptors, as core/meson.build writes them; and the sources they name."""
        template, sources = (CORE / "registry.c.in").read_text(), []
        for kind, registry in literal(text, r"^registries = (\{.*?^\})", "registries").items():
            symbols = ["pm_%s_%s" % (kind, name.replace("-", "_")) for name in registry["list"]]
            values = {"HEADER": registry["header"], "TYPE": registry["type"], "TABLE": registry["table"],
                      "DECLARATIONS": "".join("extern const %s %s;\n" % (registry["type"], s) for s in symbols),
                      "ENTRIES": "".join("  &%s,\n" % s for s in symbols)}
            path = self.out / "generated" / ("registry-%s.c" % kind)
            path.write_text(re.sub(r"@(\w+)@", lambda m: values[m.group(1)], template))
            sources += [path, *(CORE / registry["folder"] / (name + ".c") for name in registry["list"])]
        return sources

    def core(self):
        text = (CORE / "meson.build").read_text()
        sources = [CORE / name for name in literal(text, r"^core_sources = files(\(.*?^\))", "core_sources")]
        sources += self.registries(text) + [CORE / "backend" / "blas-lock.c", CORE / "backend" / "kernel.c"]
        objects = [self.compile(source) for source in sources]
        blas = self.out / "libopenblas.a"
        if not blas.exists():
            blas.write_bytes(lzma.decompress((self.packages / "lib" / "libopenblas.a.xz").read_bytes()))
        return self.pool.submit(lambda: self.run(
            [CC, "-shared", "-o", str(self.out / "libpentimento-core.so"), *(o.result() for o in objects), str(blas), WRAPS,
             "-Wl,--version-script=%s" % (CORE / "core.map"), *self.links, *self.libraries]))

    def program(self, core):
        text = (CORE / "cli" / "meson.build").read_text()
        objects = [self.compile(CORE / "cli" / name) for name in literal(text, r"files(\(.*?\)),", "the program")]
        return self.executable("pentimento", objects, core)

    def executable(self, name, objects, core):
        def link():
            core.result()
            self.run([CC, "-o", str(self.out / name), *(o.result() for o in objects), "-lpentimento-core", *self.links,
                      *self.libraries])
        return self.pool.submit(link)

    def tests(self, names, core):
        folder = TOP / "tests" / "core"
        known = literal((folder / "meson.build").read_text(), r"^core_tests = (\{.*?^\})", "core_tests")
        more = ['-DPM_TEST_REFERENCE="%s"' % (TOP / "tests" / "reference"), '-DPM_TEST_MODELS="%s"' % (TOP / "data" / "models"),
                "-I%s" % folder]
        for name in names:
            sources = ["test-%s.c" % name, *known[name]]
            yield self.executable("test-" + name, [self.compile(folder / s, more=more) for s in sources], core)

    def host_module(self):
        """What core/backend/cuda/meson.build does for tests."""
        folder = CORE / "backend" / "cuda"
        flags = ["-std=gnu++17", *COMMON, "-Wno-unused-function", "-Wno-unknown-pragmas", "-U_FORTIFY_SOURCE", "-x", "c++",
                 "-fvisibility=hidden", "-I%s" % (folder / "host"), "-I%s" % CORE, "-I%s" % folder]
        sources = [*sorted(folder.glob("*.cu")), *sorted((folder / "host").glob("*.cpp"))]
        objects = [self.compile(source, CXX, flags) for source in sources]
        return self.pool.submit(lambda: self.run(
            [CXX, "-shared", "-pthread", "-o", str(self.out / "libpentimento-cuda-host.so"), *(o.result() for o in objects)]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--packages", type=pathlib.Path, required=True)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--host-module", action="store_true")
    parser.add_argument("--tests", default="")
    options = parser.parse_args()
    build = Build(options.out.resolve(), options.packages.resolve(), options.jobs)
    core = build.core()
    waiting = [core, build.program(core), *build.tests([t for t in options.tests.split(",") if t], core)]
    if options.host_module:
        waiting.append(build.host_module())
    failed = 0
    for future in waiting:
        try:
            future.result()
        except RuntimeError as error:
            failed += 1
            print(error, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
