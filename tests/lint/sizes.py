"""Sizes that keep a house liveable: a file 600 lines, a header 250, a function 60, a line 130 columns."""
import re

FILE, HEADER, FUNCTION, COLUMNS = 600, 250, 60, 130


def files(tree):
    for path in tree.under(ends=(".c", ".h", ".cu", ".cpp", ".py", ".sh", ".scm", ".build")) + ["dev"]:
        yield tree.text(path).count("\n"), path


def functions(tree):
    """Every function: from the brace in column 0 to the closing one, the lines between them."""
    for path in tree.under("core", "ui", "plugin", "tests", ends=(".c", ".cu", ".cpp")):
        name, began = "", 0
        for number, line in enumerate(tree.code(path).split("\n"), 1):
            match = re.match(r"(\w+) \(", line)
            if match:
                name = match.group(1)
            elif re.match(r"(typedef |static |const |struct |enum |union )[^()]*$", line):
                name = ""
            if line.startswith("{"):
                began = number
            elif line.startswith("}") and began:
                if name and line.strip() == "}":
                    yield number - began - 1, "%s:%d %s()" % (path, began, name)
                name, began = "", 0


def worst(found, n=10):
    return ["%4d %s" % item for item in sorted(found, reverse=True)[:n]]


def wide(tree):
    for path in tree.under(ends=(".c", ".h", ".cu", ".cpp", ".py", ".sh")) + ["dev"]:
        for number, line in enumerate(tree.lines(path), 1):
            if len(line) > COLUMNS:
                yield "%s:%d has %d columns" % (path, number, len(line))


def run(tree, tap):
    every_file, every_function = list(files(tree)), list(functions(tree))
    tap.case("files of %d lines at most, headers of %d" % (FILE, HEADER),
             ["%s has %d lines" % (p, n) for n, p in every_file if n > (HEADER if p.endswith(".h") else FILE)],
             worst(every_file))
    tap.case("functions of %d lines at most" % FUNCTION,
             ["%s has %d lines" % (p, n) for n, p in every_function if n > FUNCTION], worst(every_function))
    tap.case("lines of %d columns at most" % COLUMNS, wide(tree))
