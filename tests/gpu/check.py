#!/usr/bin/env python3
"""check.py [--out DIR] [--packages DIR] [--work DIR] [--minutes N] [--emulate] [--only STAGE,...]: builds, proves and benches the
CUDA backend on a machine with an NVIDIA GPU, CUDA 13, gcc and Python with PyTorch, without network, meson or GLib's headers:
`./dev gpu-check` runs it. What the machine lacks is in the folder that pack.sh filled.

Stages come in the order of what they tell. Each has a limit of time, and what fails stops no other; when the minutes are over,
the rest is left out. DIR gets report.txt (the table), results.jsonl (the same for programs) and log.txt (what programs said),
written as it goes, so that a run that is ended early leaves what it has.
--emulate does what can be done without a GPU: the kernels compiled for the processor, small shapes."""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "tools"))
import count  # noqa: E402

FOLDER = pathlib.Path(__file__).resolve().parent
# Tests of the core that take a device, and which of their cases are of a GPU.
OPERATIONS = [("backend", "/backend/cuda:0"), ("backend-attention", "/backend-attention/cuda:0"),
              ("backend-conv", "/backend-conv/cuda:0"), ("cuda-attention", None)]
NETWORKS = [("cuda-network", None), ("cuda-vae", None)]


class Check:
    def __init__(self, options):
        self.options, self.emulate = options, options.emulate
        self.out, self.work, self.packages = (p.resolve() for p in (options.out, options.work, options.packages))
        self.out.mkdir(parents=True, exist_ok=True)
        self.work.mkdir(parents=True, exist_ok=True)
        self.log = open(self.out / "log.txt", "w", encoding="utf-8")
        self.results = open(self.out / "results.jsonl", "w", encoding="utf-8")
        self.report = open(self.out / "report.txt", "w", encoding="utf-8")
        self.began, self.limit, self.failed = time.monotonic(), 0, 0
        self.lock = threading.Lock()
        self.module = self.work / ("libpentimento-cuda-host.so" if self.emulate else "cuda/libpentimento-cuda.so")
        self.program = self.work / "pentimento"
        self.weights = self.work / "tensors" / "dit-256.safetensors"  # compare.py writes it
        self.environment = dict(os.environ, LC_ALL="C.UTF-8", PYTHONUNBUFFERED="1", PM_GPU_TINY="1" if self.emulate else "0",
                                PENTIMENTO_CUDA_MODULE=str(self.module), PENTIMENTO_MODELS=str(TOP / "data" / "models"))
        self.environment["PM_GPU_WEIGHTS"] = str(self.weights)
        self.environment.setdefault("VIRTUAL_ENV", sys.prefix)  # where this Python's cuBLASLt lies, if the system has none
        self.environment.pop("G_DEBUG", None)

    def left(self):
        return self.began + 60 * self.options.minutes - time.monotonic()

    # ---- telling ----------------------------------------------------------------------------------------------------

    def row(self, stage, name, value, verdict="", more=""):
        """verdict: "ok", "FAILED", "skipped" or nothing, where there is nothing to judge."""
        if isinstance(value, float):
            value = "%.4g" % value
        line = "%-10s %-74s %-12s %s %s" % (stage, name, value, verdict, more)
        with self.lock:
            self.failed += verdict == "FAILED"
            print(line.rstrip(), flush=True)
            print(line.rstrip(), file=self.report, flush=True)
            print(json.dumps({"stage": stage, "name": name, "value": value, "verdict": verdict, "more": more}), file=self.results,
                  flush=True)

    def note(self, text):
        with self.lock:
            print(text, file=self.log, flush=True)

    # ---- running ----------------------------------------------------------------------------------------------------

    def run(self, command, limit=None):
        """(status, output) of a command, ended with all its children when its time or the stage's is over: status 124."""
        limit = max(min(limit or 600, self.stage_end - time.monotonic()), 1)
        self.note("$ " + " ".join(str(c) for c in command))
        child = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, env=self.environment, cwd=TOP, start_new_session=True,
                                 text=True, errors="replace")
        try:
            output, status = child.communicate(timeout=limit)[0], child.returncode
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            output, status = child.communicate()[0], 124
        self.note(output)
        self.note("-> %d" % status)
        return status, output

    def stage(self, name, limit, function):
        if self.options.only and name not in self.options.only:
            return
        if self.left() < 5:
            self.row(name, "no time was left", "", "skipped")
            return
        start = time.monotonic()
        self.stage_end = start + min(limit, self.left())
        try:
            function(name)
        except Exception as error:  # whatever goes wrong in a stage, the others are run
            self.row(name, "%s: %s" % (type(error).__name__, str(error).strip().split("\n")[-1][:160]), "", "FAILED")
            self.note(repr(error))
        self.row(name, "seconds of this stage", time.monotonic() - start)

    def tests(self, stage, name, path, wrapper=(), limit=None):
        """A test program of the core: its cases counted as ./dev test counts them. Where there is a GPU, skipping is failing."""
        path = ["-p", path] if path else []
        status, output = self.run([*wrapper, self.work / ("test-" + name), "-k", *path], limit)
        result = "OK" if status == 0 else "TIMEOUT" if status == 124 else "ERROR"
        passed, failed, skipped = count.count({"name": name, "result": result, "returncode": status, "stdout": output})
        failed += ["%d cases were skipped" % skipped] * bool(skipped)
        verdict = "ok" if passed and not failed else "FAILED"
        self.row(stage, "test-%s%s" % (name, " under " + pathlib.Path(wrapper[0]).name if wrapper else ""), "%d passed" % passed,
                 verdict, "%d failed%s" % (len(failed), ": " + failed[0].split("\n")[0] if failed else "") if failed else "")
        for what in failed[:6]:
            self.note("failed: " + what)
        return output

    def figures(self, stage, command, limit=None):
        """Lines of JSON with name, value and maybe limit."""
        status, output = self.run(command, limit)
        for line in output.splitlines():
            if line.startswith("{"):
                found = json.loads(line)
                verdict = "" if "ok" not in found else "ok" if found["ok"] else "FAILED"
                more = {k: v for k, v in found.items() if k not in ("name", "value", "limit", "ok")}
                more = " ".join("%s %s" % (k, "%.4g" % v if isinstance(v, float) else v) for k, v in more.items())
                limit_text = "at most %.3g " % found["limit"] if "limit" in found else ""
                self.row(stage, found["name"], float(found["value"]), verdict, limit_text + more)
        if status != 0:
            last = output.strip().splitlines()[-1:] or [""]
            self.row(stage, "%s ended with %d: %s" % (pathlib.Path(str(command[1])).name, status, last[0][:120]), "", "FAILED")

    # ---- stages -----------------------------------------------------------------------------------------------------

    def build(self, stage):
        names = [name for name, _ in OPERATIONS + NETWORKS]
        core = [sys.executable, FOLDER / "build.py", "--out", self.work, "--packages", self.packages, "--tests", ",".join(names)]
        _, card = (0, "") if self.emulate else self.run(["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"], 20)
        archs = " ".join(sorted(set(re.findall(r"(?m)^(\d+\.\d)$", card)))).replace(".", "") or "75 90"
        module = ["bash", TOP / "core" / "backend" / "cuda" / "build.sh", "--out", self.work / "cuda", "--archs", archs]
        commands = {"core, program and tests": core + (["--host-module"] if self.emulate else [])}
        if not self.emulate:
            commands["libpentimento-cuda.so"] = module
        results = {}
        threads = [threading.Thread(target=lambda k=k, c=c: results.update({k: self.run(c)})) for k, c in commands.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for name, (status, output) in results.items():
            last = output.strip().splitlines()[-1:] or [""]
            self.row(stage, name, "", "ok" if status == 0 else "FAILED", "" if status == 0 else last[0][:160])

    def machine(self, stage):
        if not self.emulate:
            query = "name,driver_version,memory.total,clocks.max.sm,power.limit"
            status, output = self.run(["nvidia-smi", "--query-gpu=" + query, "--format=csv,noheader"], 20)
            self.row(stage, "nvidia-smi: " + output.strip().split("\n")[0][:120], "")
        library = os.confstr("CS_GNU_LIBC_VERSION").split()[-1]
        processors = len(os.sched_getaffinity(0))
        self.row(stage, "glibc %s, Python %s, %d processors" % (library, sys.version.split()[0], processors), "")
        status, output = self.run([self.program, "info", "--devices"], 60)
        lines = output.strip().splitlines()
        usable = status == 0 and any(re.match(r"cuda:0 .* of memory$", line) for line in lines)
        for line in lines:
            self.row(stage, line[:160], "")
        self.row(stage, "a GPU can be used", "", "ok" if usable else "FAILED")

    def operations(self, stage):
        for name, path in OPERATIONS:
            self.tests(stage, name, path)

    def networks(self, stage):
        for name, path in NETWORKS:
            self.tests(stage, name, path)

    def has_torch(self, stage, what):
        status, _ = self.run([sys.executable, "-c", "import torch, numpy, safetensors"], 60)
        if status != 0:
            self.row(stage, what, "", "skipped", "there is no PyTorch with numpy and safetensors")
        return status == 0

    def compare(self, what):
        def compare_what(stage):
            if self.has_torch(stage, "comparison with PyTorch"):
                self.figures(stage, [sys.executable, FOLDER / "compare.py", what, self.program, self.work / "tensors"])
        return compare_what

    def generate(self, name, *options):
        target = self.work / name
        target.unlink(missing_ok=True)
        status, output = self.run([self.program, "generate", "--model", "starter-pixel", "--class", "fox", "--seed", "7",
                                   "--num-steps", "6", "--quiet", "--device", "cuda", "--precision", "f32", "--out", target,
                                   *options], 120)
        return status, output.strip(), target.read_bytes() if target.exists() else None

    def memory(self, stage):
        """The bundled model: 21 MiB of f32 weights beside 61 MiB of other things. A little less streams, far less does not do."""
        status, output, whole = self.generate("whole.png")
        self.row(stage, "paints with all its memory", "", "ok" if status == 0 and whole else "FAILED", output[-160:])
        shown = ["--show", "layers=3;heads=all;steps=2;read=received,entropy", "--maps", self.work / "maps"]
        status, output, same = self.generate("shown.png", *shown)
        self.row(stage, "recording changes nothing", "", "ok" if status == 0 and same == whole else "FAILED", output[-160:])
        for mib in (74, 66):
            status, output, streamed = self.generate("streamed.png", "--vram-limit", "%dMiB" % mib)
            self.row(stage, "the same picture in %d MiB" % mib, "", "ok" if status == 0 and streamed == whole else "FAILED",
                     output[-160:])
            status, output = self.run([self.program, "generate", "--model", "starter-pixel", "--class", "fox", "--device", "cuda",
                                       "--precision", "f32", "--vram-limit", "%dMiB" % mib, "--estimate"], 60)
            told = [line for line in output.splitlines() if "GPU" in line or "fetched" in line]
            self.row(stage, "its estimate: " + "; ".join(told)[:120], "", "ok" if status == 0 and told else "FAILED")
        for how, expected in (("stop", 1), ("cpu", 0)):
            status, output, picture = self.generate("little.png", "--vram-limit", "1MiB", "--on-out-of-memory", how)
            good = status == expected and (picture is not None) == (expected == 0)
            self.row(stage, "1 MiB, --on-out-of-memory %s" % how, "", "ok" if good else "FAILED",
                     "%s %s" % (status, output[-140:]))
        status, output, _ = self.generate("none.png", "--device", "cuda:7")
        self.row(stage, "a GPU that is not there is refused by a sentence", "",
                 "ok" if status in (1, 2) and len(output.splitlines()) == 1 else "FAILED", output[-160:])

    def start_torch(self):
        """PyTorch begins to compile while other things are done."""
        self.torch = None
        if self.options.only and "speed" not in self.options.only:
            return
        log = open(self.out / "torch.log", "w", encoding="utf-8")
        command = [sys.executable, str(TOP / "tests" / "bench" / "torch_device.py"), *(["--eager"] if self.emulate else [])]
        self.torch = subprocess.Popen(["nice", "-n", "5", *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                      env=self.environment, cwd=TOP, text=True, start_new_session=True)
        self.torch_lines = []
        threading.Thread(target=lambda: [self.torch_lines.append(json.loads(x)) for x in self.torch.stdout if x[:1] == "{"],
                         daemon=True).start()

    def wait_torch(self, key, n, limit):
        """True when there are n lines with that key."""
        end = min(time.monotonic() + limit, self.stage_end)
        while time.monotonic() < end:
            if sum(key in line for line in self.torch_lines) >= n:
                return True
            if self.torch.poll() is not None:
                break
            time.sleep(0.2)
        return sum(key in line for line in self.torch_lines) >= n

    def bench(self, *options):
        status, output = self.run([self.program, "bench", "device", "--device", "cuda", "--json",
                                   *(["--tiny", "--quick"] if self.emulate else []), *options,
                                   *(["--weights", self.weights] if self.weights.exists() else [])])
        return [json.loads(line) for line in output.splitlines() if line.startswith("{")], status

    def speed(self, stage):
        is_ready = self.torch is not None and self.wait_torch("ready", 1, 240)
        runs = []
        for turn in range(2):
            rows, status = self.bench(*(["--quick"] if turn else []))
            runs.append(rows)
            if status != 0:
                self.row(stage, "pentimento bench device", "", "FAILED", "status %d" % status)
            if is_ready and turn == 0:
                self.torch.stdin.write("go\n")
                self.torch.stdin.flush()
                is_ready = self.wait_torch("done", 1, 120)
        again = {row["name"]: row for row in runs[1]}
        for row in runs[0]:
            more = "%.3f of %s" % (row["ratio"], row["ratio_of"]) if "ratio" in row else ""
            if row["name"] in again and again[row["name"]]["value"]:
                more += "; %.3f of it when run again" % (again[row["name"]]["value"] / max(row["value"], 1e-12))
            verdict = ""
            if "all maps" in row["name"] and not self.emulate:
                verdict = "ok" if row["ratio"] <= 1.10 else "FAILED"
            if "left to ref" in row["name"]:
                verdict = "ok" if row["value"] == 0 else "FAILED"
            self.row(stage, row["name"], "%.5g %s" % (row["value"], row["unit"]), verdict, more)
        self.against_torch(stage, runs)

    def against_torch(self, stage, runs):
        own = {}
        for rows in runs:
            for row in rows:
                name = row["name"].rpartition(",")[0] if row["name"].endswith(": one step") else None
                if name:
                    own.setdefault(name, []).append(row["value"])
        best = {}
        for line in getattr(self, "torch_lines", []):
            if "seconds" in line:
                best.setdefault(line["name"], {})[line["form"]] = line["seconds"]
            elif "name" in line:
                told = {"skipped": "%s", "compiled_in": "compiled in %.1f s", "rate": "%.4g operations/s", "first": "%.4g s"}
                more = ", ".join(text % line[key] for key, text in told.items() if key in line)
                self.row(stage, "PyTorch: " + line["name"], "", "", more)
        if not best:
            self.row(stage, "PyTorch", "", "skipped", "it gave no figures; torch.log says why")
        for name, forms in best.items():
            told = ", ".join("%s %.3f ms" % (form, 1e3 * seconds) for form, seconds in forms.items())
            if name in own:
                ratio = min(forms.values()) / min(own[name])
                verdict = "" if self.emulate else "ok" if ratio >= 1 else "FAILED"
                self.row(stage, name + ": times faster than PyTorch", ratio, verdict, told)

    def end_torch(self):
        if self.torch and self.torch.poll() is None:
            self.torch.stdin.close()
            try:
                self.torch.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.torch.pid, signal.SIGKILL)

    def sanitizer(self, stage):
        if self.emulate:
            self.row(stage, "compute-sanitizer", "", "skipped", "without a GPU")
            return
        tool = shutil.which("compute-sanitizer", path=os.environ.get("PATH", "") + ":/usr/local/cuda/bin")
        if not tool:
            self.row(stage, "compute-sanitizer", "", "skipped", "it is not here")
            return
        for which in ("memcheck", "racecheck"):
            wrapper = [tool, "--tool", which, "--error-exitcode", "9"]
            for name, path in [pair for pair in OPERATIONS if pair[0] != "backend-attention"]:  # cuda-attention is more
                output = self.tests(stage, name, path, wrapper, limit=45)
                summary = [line for line in output.splitlines() if "SUMMARY" in line]
                self.row(stage, "%s of test-%s: %s" % (which, name, (summary or ["no summary"])[-1].strip("= ")), "")

    def all(self):
        self.start_torch()
        self.stage("build", 200, self.build)
        self.stage("machine", 60, self.machine)
        if not self.emulate:  # slow there, and ./dev test does it too
            self.stage("operations", 100, self.operations)
        self.stage("networks", 60, self.networks)
        self.stage("full", 90, self.compare("full"))
        self.stage("speed", 260, self.speed)
        self.end_torch()
        self.stage("pictures", 60, self.compare("pictures"))
        self.stage("memory", 90, self.memory)
        self.stage("sanitizer", 150, self.sanitizer)
        if self.emulate:
            self.stage("operations", 300, self.operations)
        self.row("all", "%d checks failed" % self.failed, "", "", "in %.0f s" % (time.monotonic() - self.began))
        return 1 if self.failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=TOP / ".dev" / "gpu-check")
    parser.add_argument("--packages", type=pathlib.Path, default=TOP / ".dev" / "gpu-packages")
    parser.add_argument("--work", type=pathlib.Path, default=TOP / ".dev" / "gpu")
    parser.add_argument("--minutes", type=float, default=8.75)
    parser.add_argument("--emulate", action="store_true")
    parser.add_argument("--only", type=lambda text: text.split(","), default=[])
    options = parser.parse_args()
    if not (options.packages / "lib").is_dir():
        sys.exit("check.py: %s is not there; `./dev gpu-check --pack` makes it where there is a network." % options.packages)
    return Check(options).all()


if __name__ == "__main__":
    sys.exit(main())
