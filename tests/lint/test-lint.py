#!/usr/bin/env python3
"""Every rule of the lint finds what it is for: a small clean tree passes, and each broken copy of it fails in one rule."""
import contextlib
import io
import os
import sys
import tempfile

import layers
import manners
import records
import sizes
import tree

HEAD = "/* A file. */\n"
CLEAN = {
    "core/meson.build": "x = {'sampler': {'folder': 'sampler', 'list': ['euler']}}\nfiles('base/a.c', 'sampler/euler.c')\n",
    "core/base/a.c": HEAD + "static const int table[2] = { 1, 2 };\nint\npm_a (void)\n{\n  return table[0];\n}\n",
    "core/base/a.h": HEAD,
    "core/pentimento.h": HEAD,
    "core/sampler/euler.c": HEAD + "const PmSampler pm_sampler_euler = {\n};\n",
    "core/cli/main.c": HEAD + "#include \"pentimento.h\"\nstatic const GOptionEntry entries[] = {\n  { \"seed\", 0, 0 },\n};\n",
    "ui/window.c": HEAD + "#include <gtk/gtk.h>\n#include \"pentimento.h\"\n",
    "plugin/main.c": HEAD + "#include <libgimp/gimp.h>\n"
                     "gimp_procedure_add_int_argument (procedure, \"width\", 0);\n_(\"Words.\")\n",
    "meson.build": "files('cli/main.c', 'ui/window.c', 'plugin/main.c')\n",
    "meson.options": "option('tests', type: 'boolean')\n",
    "po/POTFILES.in": "plugin/main.c\n",
    "README.md": "`width`, `--seed`, `-Dtests` and `tests`\n",
    "dev": "#!/bin/bash\n",
}
LONG = "void\npm_long (void)\n{\n" + "  ;\n" * 61 + "}\n"
BROKEN = [
    ("GIMP's headers", "ui/window.c", HEAD + "#include <libgimp/gimp.h>\n"),
    ("GTK's headers", "core/base/a.c", HEAD + "#include <gtk/gtk.h>\n"),
    ("GEGL's headers", "core/base/a.c", HEAD + "#include <gegl.h>\n"),
    ("BLAS headers", "core/base/a.c", HEAD + "#include <cblas.h>\n"),
    ("CUDA's headers", "core/base/a.c", HEAD + "#include <cuda_runtime.h>\n"),
    ("libpng's header", "ui/window.c", HEAD + "#include <png.h>\n"),
    ("see only pentimento.h", "plugin/main.c", CLEAN["plugin/main.c"] + "#include \"base/a.h\"\n"),
    ("direction of the layers", "core/base/a.c", HEAD + "#include \"../../ui/window.h\"\n"),
    ("chosen by #if", "core/base/a.c", HEAD + "#ifdef HAVE_CUDA\n#endif\n"),
    ("files of 600", "core/base/a.c", HEAD + "\n" * 600),
    ("files of 600", "core/base/a.h", HEAD + "\n" * 250),
    ("functions of 60", "core/base/a.c", HEAD + LONG),
    ("lines of 130", "core/base/a.c", HEAD + "/* " + "x" * 130 + " */\n"),
    ("no goto", "core/base/a.c", HEAD + "goto out;\n"),
    ("prints nothing", "core/base/a.c", HEAD + "g_print (\"x\");\n"),
    ("mutable globals", "core/base/a.c", HEAD + "static int count;\n"),
    ("leftovers", "core/base/a.c", HEAD + "/* TO" + "DO: more */\n"),
    ("what it is for", "core/base/a.c", "#include <glib.h>\n"),
    ("paths of one machine", "dev", "cat /ho" + "me/ann/notes\n"),
    ("registry entry", "core/sampler/euler.c", HEAD),
    ("registry entry", "core/sampler/heun.c", HEAD + "const PmSampler pm_sampler_heun = {\n};\n"),
    ("C file is built", "core/base/b.c", HEAD),
    ("POTFILES", "ui/window.c", HEAD + "gtk_label_new (_(\"Words.\"));\n"),
    ("POTFILES", "po/POTFILES.in", "plugin/main.c\nui/gone.c\n"),
    ("README", "README.md", "`--seed`, `tests`\n"),
    ("README", "README.md", "`width`, `tests`\n"),
]


def failures(files):
    with tempfile.TemporaryDirectory() as top:
        for path, text in files.items():
            os.makedirs(os.path.dirname(os.path.join(top, path)), exist_ok=True)
            with open(os.path.join(top, path), "w", encoding="utf-8") as file:
                file.write(text)
        tap, out = tree.Tap(), io.StringIO()
        with contextlib.redirect_stdout(out):
            for check in (layers, sizes, manners, records):
                check.run(tree.Tree(top), tap)
        return [line for line in out.getvalue().split("\n") if line.startswith("not ok")]


def main():
    tap = tree.Tap()
    tap.case("a clean tree passes", failures(CLEAN))
    for rule, path, text in BROKEN:
        found = failures(dict(CLEAN, **{path: text}))
        missed = [] if any(rule in line for line in found) else ["the rule \"%s\" let %s pass" % (rule, path)]
        tap.case("found: %s (%s)" % (rule, path), missed)
    return tap.end()


sys.exit(main())
