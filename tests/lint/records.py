"""What is written down twice agrees: registries and files, sources and build, text and catalogue, arguments and README."""
import os
import re


def registries(tree):
    text = tree.text("core/meson.build")
    for kind, folder, names in re.findall(r"'(\w+)':\s*\{.*?'folder':\s*'(\w+)',\s*'list':\s*\[(.*?)\]", text, re.S):
        listed = set(re.findall(r"'([\w-]+)'", names))
        present = {}
        for path in tree.under("core/" + folder, ends=".c"):
            for name in re.findall(r"^const Pm\w+ pm_%s_(\w+)\s*=" % kind, tree.text(path), re.M):
                present[name.replace("_", "-")] = path
        for name in listed - {n for n in present}:
            yield "core/meson.build lists the %s %s, but core/%s/%s.c does not define pm_%s_%s" % (
                kind, name, folder, name, kind, name.replace("-", "_"))
        for name in set(present) - listed:
            yield "%s defines the %s %s, but core/meson.build does not list it" % (present[name], kind, name)


def built(tree):
    builds = " ".join(tree.text(p) for p in tree.under(ends="meson.build"))
    for path in tree.under("core", "ui", "plugin", "tests", ends=".c"):
        folder, name = os.path.split(path)
        own = tree.text(folder + "/meson.build") if tree.exists(folder + "/meson.build") else ""
        named = re.search(r"['/]%s(\.c)?'" % re.escape(name[:-2]), builds)
        if not named and not (name.startswith("test-") and "'%s'" % name[5:-2] in own):
            yield "%s is named in no meson.build" % path


def translated(tree):
    if not tree.exists("po/POTFILES.in"):
        yield "po/POTFILES.in is missing"
        return
    with open(os.path.join(tree.top, "po/POTFILES.in"), encoding="utf-8") as file:
        listed = {line.strip() for line in file if line.strip() and not line.startswith("#")}
    using = {p for p in tree.c_files("core", "ui", "plugin")
             if re.search(r"(?<![\w])N?C?_ ?\(\s*\"", re.sub(r"#\s*define.*", "", tree.text(p)))}
    for path in sorted(using - listed):
        yield "%s has text for people but is not in po/POTFILES.in" % path
    for path in sorted(listed):
        if not tree.exists(path):
            yield "po/POTFILES.in names %s, which does not exist" % path


def declared(tree):
    """(path, kind, name) of everything that a script or a shell may name."""
    for path in tree.c_files("plugin"):
        pattern = r"gimp_procedure_add_\w+_(argument|return_value)\s*\(\s*\w+,\s*\"([\w-]+)\""
        for kind, name in re.findall(pattern, tree.text(path)):
            yield path, kind, name
        for name in re.findall(r"\"(plug-in-pentimento-[\w-]+)\"", tree.text(path)):
            yield path, "procedure", name
    for path in tree.c_files("core/cli"):
        for name in re.findall(r"^\s*\{ ?\"([a-z][a-z-]+)\", (?:0|'\w'), \w", tree.text(path), re.M):
            yield path, "option", "--" + name
    for name in re.findall(r"^option\('([\w]+)'", tree.text("meson.options"), re.M):
        yield "meson.options", "option", name


def documented(tree):
    readme = tree.text("README.md") if tree.exists("README.md") else ""
    words = {word for code in re.findall(r"`([^`\n]+)`|```(.*?)```", readme, re.S)
             for word in re.findall(r"[\w-]+", " ".join(code))}
    for path, kind, name in sorted(set(declared(tree))):
        if name not in words:
            yield "%s declares the %s %s, which README.md does not explain" % (path, kind, name)


def run(tree, tap):
    tap.case("every registry entry has its file, and every file its entry", registries(tree))
    tap.case("every C file is built", built(tree))
    tap.case("every source with text for people is in po/POTFILES.in", translated(tree))
    tap.case("procedures, arguments and options are in README.md", documented(tree))
