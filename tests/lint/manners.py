"""How the sources behave and speak: no goto, a silent core, heads on files, no leftovers, no paths of one machine."""
import re

PERSONAL = ("home", "Users", "root", "mnt", "media", "work", "workspace")
LOUD = r"\b(g_print|g_printerr|printf|fprintf|puts|perror|exit|_exit|abort|g_abort|g_error|g_warning|g_critical|g_message)\s*\("
LEFTOVERS = r"TODO|FIXME|XXX|HACK|\bfor now\b|\bstub(s|bed)?\b|\bdummy\b"


def find(tree, paths, pattern, says):
    for path in paths:
        for number, line in enumerate(tree.code(path).split("\n"), 1):
            if re.search(pattern, line):
                yield "%s:%d %s: %s" % (path, number, says, line.strip()[:80])


def leftovers(tree):
    for path in tree.c_files("core", "ui", "plugin", "tests"):
        for line, comment in tree.comments(path):
            match = re.search(LEFTOVERS, comment)
            if match:
                yield "%s:%d says \"%s\"" % (path, line, match.group(0))


def heads(tree):
    for path in tree.c_files("core", "ui", "plugin", "tests"):
        if not tree.text(path).startswith("/*"):
            yield "%s does not begin with a comment that says what it is for" % path


def globals_in_core(tree):
    pattern = r"^static (?!const\b|inline\b|.*\bconst\b\s*\w+\s*(\[|=))[\w \*]+\b(\w+)\s*(\[[^\]]*\])*\s*(=|;)"
    for path in tree.under("core", ends=".c"):
        for number, line in enumerate(tree.code(path).split("\n"), 1):
            if re.match(pattern, line) and "G_DEFINE" not in line:
                yield "%s:%d a mutable global: %s" % (path, number, line.strip()[:80])


def machine_paths(tree):
    pattern = re.compile(r"(?<![\w.})>~$*/:-])/(%s)/\w[\w./-]*" % "|".join(PERSONAL))
    for path in tree.paths:
        for number, line in enumerate(tree.lines(path), 1):
            for match in pattern.finditer(line):
                yield "%s:%d names a place of one machine: %s" % (path, number, match.group(0))


def cut_messages(tree):
    """xgettext knows the macros of inttypes.h and not GLib's: the catalogue would end at the percent sign."""
    pattern = r'_\s*\((?:\s*"(?:\\.|[^"\\\n])*")+\s*(G_G\w+_FORMAT)'
    for path in tree.c_files("core", "ui", "plugin"):
        for match in re.finditer(pattern, tree.text(path)):
            yield "%s:%d translates up to %s only" % (path, tree.text(path).count("\n", 0, match.end()) + 1, match.group(1))


def run(tree, tap):
    sources = tree.c_files("core", "ui", "plugin", "tests")
    quiet = [p for p in tree.c_files("core") if not p.startswith(("core/cli/", "core/backend/cuda/host/"))]
    tap.case("no goto", find(tree, sources, r"\bgoto\b", "goto"))
    tap.case("the core prints nothing and ends nothing", find(tree, quiet, LOUD, "not for the core"))
    tap.case("no mutable globals in the core", globals_in_core(tree))
    tap.case("no message is cut off at a macro", cut_messages(tree))
    tap.case("no leftovers in comments", leftovers(tree))
    tap.case("every C file says what it is for", heads(tree))
    tap.case("no paths of one machine", machine_paths(tree))
