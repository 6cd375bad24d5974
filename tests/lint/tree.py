"""The files that the checks look at, C sources without comments and strings, and TAP output."""
import os
import re
import sys

C = (".c", ".h", ".cu", ".cpp")
TEXT = C + (".in", ".py", ".sh", ".scm", ".build", ".options", ".md", ".txt", ".json", ".xml")
SKIPPED = {".git", ".dev", "demo", "__pycache__"}


class Tree:
    def __init__(self, top):
        self.top = os.path.abspath(top)
        self.paths = sorted(self._walk())
        self._texts = {}

    def _walk(self):
        for folder, folders, names in os.walk(self.top):
            folders[:] = [f for f in folders if f not in SKIPPED and not f.startswith("build")
                          or os.path.relpath(folder, self.top) != "." and f not in SKIPPED]
            for name in names:
                path = os.path.relpath(os.path.join(folder, name), self.top)
                if name.endswith(TEXT) or path in ("dev", ".ci/run"):
                    yield path

    def under(self, *folders, ends=""):
        return [p for p in self.paths if p.endswith(ends) and (not folders or p.startswith(tuple(f + "/" for f in folders)))]

    def c_files(self, *folders):
        return self.under(*folders, ends=C)

    def text(self, path):
        if path not in self._texts:
            with open(os.path.join(self.top, path), encoding="utf-8") as file:
                self._texts[path] = file.read()
        return self._texts[path]

    def lines(self, path):
        return self.text(path).split("\n")

    def exists(self, path):
        return os.path.exists(os.path.join(self.top, path))

    def code(self, path):
        """The text of a C file with comments and the insides of strings blanked; line numbers stay."""
        def blank(match):
            found = match.group(0)
            keep = found[0] if found[0] in "\"'" else ""
            return keep + re.sub(r"[^\n]", " ", found[len(keep):len(found) - len(keep)]) + keep
        return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, self.text(path), flags=re.S)

    def comments(self, path):
        """(line, text) of every comment of a C file; strings are passed over."""
        pattern = r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|(//[^\n]*|/\*.*?\*/)'
        text = self.text(path)
        for match in re.finditer(pattern, text, flags=re.S):
            if match.group(1):
                yield text.count("\n", 0, match.start()) + 1, match.group(1)

    def includes(self, path):
        """(line, name) of every #include of a C file."""
        for number, line in enumerate(self.lines(path), 1):
            match = re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line)
            if match:
                yield number, match.group(1)


class Tap:
    def __init__(self):
        self.count = self.failed = 0

    def case(self, name, findings, notes=()):
        self.count += 1
        findings = list(findings)
        print("%s %d - %s" % ("not ok" if findings else "ok", self.count, name))
        for line in list(notes) + findings:
            print("#   " + line)
        self.failed += bool(findings)

    def end(self):
        print("1..%d" % self.count)
        sys.stdout.flush()
        return 1 if self.failed else 0
