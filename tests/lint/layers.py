"""Dependencies run downward only, plugin -> ui -> core, and foreign headers stay in their places."""
import re

# (what, pattern of the header, where it may be included)
FOREIGN = [
    ("GIMP's headers", r"libgimp|gimp-", ("plugin/",)),
    ("GTK's headers", r"gtk/|gdk/|gdk-pixbuf/|libgimpwidgets", ("ui/", "plugin/")),
    ("GEGL's headers", r"gegl|babl/", ("plugin/",)),
    ("BLAS headers", r"cblas|openblas|lapacke?\.h", ("core/backend/blas.c",)),
    ("CUDA's headers", r"cuda|cublas|nvrtc", ("core/backend/cuda/",)),
    ("libpng's header", r"png\.h", ("core/cli/",)),
]

# folder: headers of the core that it may include
CORE_SEEN = [
    ("plugin/gegl/", {"attention/palette.h", "palette.h", "../core/attention/palette.h"}),
    ("plugin/", {"pentimento.h"}),
    ("ui/", {"pentimento.h"}),
    ("core/cli/", {"pentimento.h", "base/i18n.h"}),
]


def foreign(tree, pattern, places):
    for path in tree.c_files("core", "ui", "plugin"):
        for line, name in tree.includes(path):
            if re.match(pattern, name) and not path.startswith(places):
                yield "%s:%d includes <%s>, which only %s may" % (path, line, name, ", ".join(places))


def core_seen(tree):
    headers = {p[len("core/"):] for p in tree.under("core", ends=".h")}
    for path in tree.c_files("core/cli", "ui", "plugin"):
        allowed = next(names for place, names in CORE_SEEN if path.startswith(place))
        for line, name in tree.includes(path):
            inner = re.sub(r"^(\.\./)*(core/)?", "", name)
            own = tree.exists(path.rsplit("/", 1)[0] + "/" + name)
            if inner in headers and not own and not inner.startswith("cli/") and inner not in allowed:
                yield "%s:%d includes %s; only %s of the core is for it" % (path, line, name, ", ".join(sorted(allowed)))


def upward(tree):
    for folders, forbidden in ((("core",), ("ui/", "plugin/")), (("ui",), ("plugin/",))):
        for path in tree.c_files(*folders):
            for line, name in tree.includes(path):
                if re.sub(r"^(\.\./)+", "", name).startswith(forbidden):
                    yield "%s:%d includes %s, against the direction plugin -> ui -> core" % (path, line, name)


def backend_ifdefs(tree):
    for path in tree.c_files("core", "ui", "plugin"):
        for number, line in enumerate(tree.code(path).split("\n"), 1):
            if re.match(r"\s*#\s*(el)?if(?!ndef PM_\w+_H$).*(BLAS|CUDA(?!_ARCH__)|CUBLAS)", line):
                yield "%s:%d chooses a backend by #if; a table does that" % (path, number)


def run(tree, tap):
    for what, pattern, places in FOREIGN:
        tap.case(what + " only where they belong", foreign(tree, pattern, places))
    tap.case("ui, plugin and the command line see only pentimento.h of the core", core_seen(tree))
    tap.case("no include against the direction of the layers", upward(tree))
    tap.case("no backend is chosen by #if", backend_ifdefs(tree))
