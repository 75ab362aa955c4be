"""What nobody can hand in, each refused in a sentence that names field, value and limit.

The table is the test: a row is what is handed in, where, and what the sentence has to say.
"""

from __future__ import annotations

import base64
import re

import pytest

from noljima.model.bounds import InvalidFieldError
from noljima.submission import directives, files
from noljima.submission.drafts import Surroundings, finished

HERE = Surroundings("/home/kim/work", {"HOME": "/home/kim", "BAD": "a\0b", "ODD": "\udc80"})
BASE = {"command": "[ls]"}

# As an option or in a directive: key, what is given, what the sentence says.
OPTIONS: list[tuple[str, object, str]] = [
    ("gpus", "nan", "--gpus: 'nan' is no number of GPUs"),
    ("gpus", "inf", "--gpus: 'inf' is no number of GPUs"),
    ("gpus", "-1", "--gpus: '-1' is no number of GPUs"),
    ("gpus", "1e30", "--gpus: '1e30' is no number of GPUs"),
    ("gpus", "", "--gpus: '' is no number of GPUs"),
    ("gpus", "two", "--gpus: 'two' is no number of GPUs"),
    ("gpus", "2 GPUs", "is no number of GPUs"),
    ("gpus", "1,000", "is no number of GPUs"),
    ("gpus", "0x10", "is no number of GPUs"),
    ("gpus", "1_000", "is no number of GPUs"),
    ("gpus", "2.", "is no number of GPUs"),
    ("gpus", "1.5", "--gpus: '1.5' is neither whole GPUs nor a part of one"),
    ("gpus", "0.0001", "--gpus: '0.0001' is finer than a thousandth"),
    ("gpus", "1000001", "--gpus: '1000001' is outside 0 to 1,000,000"),
    ("gpus", "9" * 40, "is no number of GPUs"),
    ("gpus", "٣", "is no number of GPUs"),  # an Arabic digit
    ("gpus", "½", "is no number of GPUs"),
    ("gpus", "1\n2", "is no number of GPUs"),
    ("gpus", "1;rm -rf /", "--gpus: '1;rm -rf /' is no number of GPUs"),
    ("workers", "0", "--workers: 0 is outside 1 to 1,000,000"),
    ("workers", "-3", "--workers: '-3' is not a whole number"),
    ("workers", "2.5", "--workers: '2.5' is not a whole number"),
    ("workers", "1e3", "--workers: '1e3' is not a whole number"),
    ("workers", "1000001", "--workers: 1000001 is outside 1 to 1,000,000"),
    ("workers", "nan", "--workers: 'nan' is not a whole number"),
    ("cpus", "-1", "--cpus: '-1' is no number of CPUs"),
    ("cpus", "nan", "--cpus: 'nan' is no number of CPUs"),
    ("cpus", "1e30", "--cpus: '1e30' is no number of CPUs"),
    ("cpus", "1000001", "--cpus: '1000001' is outside 0 to 1,000,000"),
    ("cpus", "0.12345", "--cpus: '0.12345' is finer than a thousandth"),
    ("memory", "16", "--memory: '16' has no unit"),
    ("memory", "16Q", "--memory: '16Q' is no size such as 512M"),
    ("memory", "-1G", "--memory: '-1G' is no size"),
    ("memory", "G", "--memory: 'G' is no size"),
    ("memory", "", "--memory: '' is no size"),
    ("memory", "nanG", "--memory: 'nanG' is no size"),
    ("memory", "1e9G", "--memory: '1e9G' is no size"),
    ("memory", "99999999P", "--memory: '99999999P' is more than 1,000,000,000 MiB"),
    ("memory", "16 G B", "is no size"),
    ("gpu_memory", "100T", "--gpu-memory: '100T' is more than 10,000,000 MiB"),
    ("gpu_memory", "80", "--gpu-memory: '80' has no unit"),
    ("gpu_type", "", "--gpu-type: '' is not 1 to 64 characters long"),
    ("gpu_type", "A100,,H100", "--gpu-type: '' is not 1 to 64"),
    ("gpu_type", "A100,A100", "--gpu-type: 'A100,A100' names something twice"),
    ("gpu_type", "x" * 65, "is not 1 to 64 characters long"),
    ("gpu_type", "A\x1b[2J", "--gpu-type: 'A\\x1b[2J' has a control character"),
    ("gpu_type", ",".join(f"g{n}" for n in range(33)), "number of names: 33 is outside 1 to 32"),
    ("limit", "4", "--limit: '4' has no unit: write 4s, 4m or 4h"),
    ("limit", "0s", "--limit: '0s' is outside 1 to 1e+10 s"),
    ("limit", "-4h", "--limit: '-4h' is no time such as 90m"),
    ("limit", "nan", "--limit: 'nan' is no time"),
    ("limit", "inf", "--limit: 'inf' is no time"),
    ("limit", "1e30h", "--limit: '1e30h' is no time"),
    ("limit", "forever", "--limit: 'forever' is no time"),
    ("limit", "4 h", "--limit: '4 h' is no time"),
    ("limit", "12:30", "--limit: '12:30' may be minutes or hours"),
    ("limit", "1:60:00", "--limit: '1:60:00' has more than 59 minutes"),
    ("limit", "1:00:60", "has more than 59 minutes or seconds"),
    ("limit", "1-24:00:00", "has more than 23 hours beside its days"),
    ("limit", "1-", "--limit: '1-' is no time"),
    ("limit", "999999w", "--limit: '999999w' is outside 1 to 1e+10 s"),
    ("limit", "4h4h", "is no time"),
    ("limit", "", "--limit: '' is no time"),
    ("silence", "59s", "--silence: '59s' is outside 60 to 1e+10 s"),
    ("checkpoint_grace", "2d", "--checkpoint-grace: '2d' is outside 0 to 86400 s"),
    ("stop_grace", "25h", "--stop-grace: '25h' is outside 0 to 86400 s"),
    ("log_size", "1K2", "--log-size: '1K2' is no size"),
    ("log_size", "0.5K", "--log-size: '0.5K' is less than 1 KiB"),
    ("log_size", "2T", "--log-size: '2T' is more than 1,048,576 MiB"),
    ("priority", "high", "--priority: 'high' is none of urgent, normal and low"),
    ("priority", "-1", "--priority: '-1' is none of urgent"),
    ("name", "x" * 257, "is not 0 to 256 characters long"),
    ("name", "a\nb", "--name: 'a\\nb' has a control character"),
    ("name", "a\0b", "--name: 'a\\x00b' has a control character"),
    ("name", "\x1b]0;owned\x07", "has a control character"),
    ("name", "a\x7fb", "has a control character"),
    ("name", "a\x85b", "has a control character"),
    ("name", "a\u2028b", "--name: 'a\\u2028b' has a control character"),
    ("name", "\u202egnp.exe", "--name: '\\u202egnp.exe' has a mark that cannot be seen"),
    ("name", "a\u200bb", "has a mark that cannot be seen"),
    ("name", "a\u2066b", "has a mark that cannot be seen"),
    ("name", "\ufeffname", "has a mark that cannot be seen"),
    ("name", "\udcff", "has a control character"),
    ("queue", "q\tq", "--queue: 'q\\tq' has a control character"),
    ("queue", "q" * 300, "is not 0 to 256 characters long"),
    ("workdir", "", "--workdir: '' is not 1 to 4095 characters long"),
    ("workdir", "../other", "--workdir: '../other' has a '..'"),
    ("workdir", "/a/../../etc", "has a '..'"),
    ("workdir", "a\0b", "--workdir: 'a\\x00b' has a control character"),
    ("workdir", "a\nb", "--workdir: 'a\\nb' has a control character"),
    ("workdir", "~/x", "--workdir: '~/x' begins with ~"),
    ("workdir", "/" + "x" * 5000, "is not 1 to 4095 characters long"),
    ("array", "", "--array: '' is no array such as 0-9"),
    ("array", "a-b", "--array: 'a-b' is no array"),
    ("array", "9-0", "--array: '9-0' goes backwards: 9-0"),
    ("array", "0-9:0", "--array: '0-9:0' has a step of 0"),
    ("array", "1,1", "--array: '1,1' names an index twice"),
    ("array", "0-5,3", "names an index twice"),
    ("array", "0-10000", "--array: '0-10000' has more than 10,000 elements"),
    ("array", "0-5999,6000-11999", "has more than 10,000 elements"),
    ("array", "0-999999999", "has an index above 1,000,000"),
    ("array", "2000000", "has an index above 1,000,000"),
    ("array", "-5", "--array: '-5' is no array"),
    ("array", "0-9%0", "--array: '0-9%0' runs not 1 to 10,000 at a time"),
    ("array", "0-9%", "runs not 1 to 10,000 at a time"),
    ("array", "0-9%x", "runs not 1 to 10,000 at a time"),
    ("array", "0-9%99999", "runs not 1 to 10,000 at a time"),
    ("array", "1.5", "is no array"),
    ("array", "0-9,", "is no array"),
    ("array", "1;2", "is no array"),
    ("array", "0," * 60_000, "is no array"),
    ("after", "", "--after: '' is no job such as 812"),
    ("after", "okay:12", "begins with 'okay'; did you mean ok?"),
    ("after", "ok", "after: 'ok' is the job itself"),
    ("after", "ok:", "--after: '' is no job"),
    ("after", "ok:12,,any:13", "--after: '' is no job"),
    ("after", "ok:12,any:12", "--after: '12' is named twice"),
    ("after", "ok:12:12", "--after: '12' is named twice"),
    ("after", "ok:../1", "--after: '../1' is no job"),
    ("after", "ok:1 2", "--after: '1 2' is no job"),
    ("after", "ok:$(rm)", "--after: '$(rm)' is no job"),
    ("after", "ok:12?any:13", "has a ?"),
    ("after", "singleton:12", "begins with 'singleton'; known are"),
    ("after", ",".join(f"ok:{n}" for n in range(65)), "names more than 64 jobs"),
    ("after", "ok:" + "9" * 65, "is no job"),
    ("after", "ok:1\x1b[2J", "'1\\x1b[2J' is no job"),
    ("env", ["A"], "--env: 'A' is not set here: write NAME=value"),
    ("env", ["1A=x"], "--env: '1A' is no name of a variable"),
    ("env", ["=x"], "--env: '' is no name of a variable"),
    ("env", ["A B=x"], "--env: 'A B' is no name of a variable"),
    ("env", ["A=1", "A=2"], "--env: 'A' is given twice"),
    ("env", ["A=a\0b"], "--env A: 'a\\x00b' has a NUL character"),
    ("env", ["BAD"], "--env BAD: 'a\\x00b' has a NUL character"),
    ("env", ["ODD"], "--env ODD: '\\udc80' is not UTF-8 text"),
    ("env", ["A=" + "x" * 131_072], "is longer than 131,071 bytes"),
    ("env", [f"A{n}=1" for n in range(1025)], "number of variables: 1025 is outside 0 to"),
    ("notify", "a,a", "--notify: 'a,a' names something twice"),
    ("notify", ",", "--notify: '' is not 1 to 64"),
    ("restart", "1m", "restart: 60.0 does nothing without checkpoint"),
]  # fmt: skip

# In a job file: its text behind `command: [ls]`, what the sentence says.
YAMLS: list[tuple[str, str]] = [
    ("gpus: .nan", "job.yaml, line 2: gpus: nan is no number of GPUs"),
    ("gpus: .inf", "line 2: gpus: inf is no number of GPUs"),
    ("gpus: -.inf", "line 2: gpus: -inf is no number of GPUs"),
    ("gpus: 1e30", "line 2: gpus: 1e+30 is no number of GPUs"),
    ("gpus: -1", "line 2: gpus: -1 is no number of GPUs"),
    ("gpus: true", "line 2: gpus: True is no number of GPUs"),
    ("gpus: null", "line 2: gpus: None is no number of GPUs"),
    ("gpus:", "line 2: gpus: None is no number of GPUs"),
    ("gpus: [1]", "line 2: gpus: [1] is no number of GPUs"),
    ("gpus: {a: 1}", "line 2: gpus: {'a': 1} is no number of GPUs"),
    ("gpus: 2024-01-01", "line 2: gpus: '2024-01-01' is no number of GPUs"),
    ("gpus: 010", "line 2: gpus: '010' is no number"),
    ("workers: true", "line 2: workers: True is not a whole number"),
    ("workers: 2.0", "line 2: workers: 2.0 is not a whole number"),
    ("workers: 0", "line 2: workers: 0 is outside 1 to 1,000,000"),
    ("workers: [8]", "line 2: workers: [8] is not a whole number"),
    ("cpus: yes", "line 2: cpus: 'yes' is no number of CPUs"),
    ("cpus: {}", "line 2: cpus: {} is no number of CPUs"),
    ("memory: 16", "line 2: memory: 16 has no unit"),
    ("memory: 1.5", "line 2: memory: 1.5 is no size"),
    ("memory: [16G]", "line 2: memory: ['16G'] is no size"),
    ("memory: true", "line 2: memory: True is no size"),
    ("gpu_memory: null", "line 2: gpu_memory: None is no size"),
    ("gpu_type: 100", "line 2: gpu_type: 100 is neither a name nor a list"),
    ("gpu_type: [A100, 4]", "line 2: gpu_type: 4 is not text"),
    ("gpu_type: []", "line 2: gpu_type: number of names: 0 is outside 1 to 32"),
    ("gpu_type: {A: B}", "line 2: gpu_type: {'A': 'B'} is neither a name nor a list"),
    ("limit: 4", "line 2: limit: 4 has no unit"),
    ("limit: 4.5", "line 2: limit: 4.5 has no unit"),
    ("limit: true", "line 2: limit: True is no time"),
    ("limit: [4h]", "line 2: limit: ['4h'] is no time"),
    ("limit: .nan", "line 2: limit: nan has no unit"),
    ("checkpoint: null", "line 2: checkpoint: None is no time"),
    ("silence: {}", "line 2: silence: {} is no time"),
    ("evictable: 1", "line 2: evictable: 1 is neither true nor false"),
    ("evictable: yes", "line 2: evictable: 'yes' is neither true nor false"),
    ("evictable: 'true'", "line 2: evictable: 'true' is neither true nor false"),
    ("hold: null", "line 2: hold: None is neither true nor false"),
    ("watched: []", "line 2: watched: [] is neither true nor false"),
    ("priority: 1", "line 2: priority: 1 is none of urgent"),
    ("priority: [low]", "line 2: priority: ['low'] is none of urgent"),
    ("name: 5", "line 2: name: 5 is not text"),
    ("name: [a]", "line 2: name: ['a'] is not text"),
    ("name: true", "line 2: name: True is not text"),
    ("name: null", "line 2: name: None is not text"),
    ('name: "a\\u202eb"', "line 2: name: 'a\\u202eb' has a mark that cannot be seen"),
    ('name: "a\\eb"', "line 2: name: 'a\\x1bb' has a control character"),
    ("queue: {}", "line 2: queue: {} is not text"),
    ("workdir: 5", "line 2: workdir: 5 is not text"),
    ("workdir: [a]", "line 2: workdir: ['a'] is not text"),
    ('workdir: "a\\0b"', "line 2: workdir: 'a\\x00b' has a control character"),
    ("array: true", "line 2: array: True is no array"),
    ("array: [1, 2]", "line 2: array: [1, 2] is no array"),
    ("array: -1", "line 2: array: '-1' is no array"),
    ("after: {ok: 12}", "line 2: after: {'ok': 12} is no dependency"),
    ("after: true", "line 2: after: True is no dependency"),
    ("after: [true]", "line 2: after: True is no dependency"),
    ("after: [-1]", "line 2: after: -1 is no job"),
    ("name: train\nafter: ok:train", "after: 'train' is the job itself"),
    ("env: [1]", "line 2: env: 1 is neither NAME=value nor a name"),
    ("env: A=1", "line 2: env: 'A=1' is neither a table nor a list"),
    ("env: {A: 1.5}", "line 2: env.A: 1.5 is not text: write it in quotes"),
    ("env: {A: true}", "line 2: env.A: True is not text"),
    ("env: {A: null}", "line 2: env.A: None is not text"),
    ("env: {A: [1]}", "line 2: env.A: [1] is not text"),
    ("env: {'A B': x}", "line 2: env: 'A B' is no name of a variable"),
    ("notify: 5", "line 2: notify: 5 is neither a name nor a list"),
    ("log_size: 64", "line 2: log_size: 64 has no unit"),
    ("groups: {}", "line 2: groups: {} is no list of task groups"),
    ("groups: []", "line 2: groups: 0 is outside 1 to 64"),
    ("groups: [1]", "line 2: groups.0: 1 is no table of keys"),
    ("groups: [{gpu: 1}]", "line 2: groups.0.gpu: 'gpu' is no key; did you mean gpus?"),
    ("groups: [{workers: 0}]", "line 2: groups.0.workers: 0 is outside 1 to"),
    ("groups:\n  - gpus: 1\n  - gpus: 1", "line 2: groups: 'worker' is the name of two groups"),
    ("groups:\n  - name: a\n  - name: b\n    gpus: x", "line 5: groups.1.gpus: 'x' is no number"),
    ("groups: [{name: ''}]", "line 2: groups.0.name: '' is not 1 to 64"),
    ("groups: [{env: {}}]", "line 2: groups.0.env: 'env' is no key"),
    ("gpus: 2\ngroups: [{gpus: 1}]", "gpus: 2000 does not go with groups"),
    ("groups: [{workers: 1000000, gpus: 8}]", "workers x gpu_milli: 8000000000 is outside"),
    ("gpus: 0\ngpu_type: A100", "gpu_type: ('A100',) needs GPUs, and gpus is 0"),
    ("gpus: 0\ngpu_memory: 1G", "gpu_memory: 1024 needs GPUs, and gpus is 0"),
    ("gpuss: 2", "line 2: key: 'gpuss' is no key; did you mean gpus?"),
    ("resources: {}", "line 2: key: 'resources' is no key; known are"),
    ("GPUs: 2", "line 2: key: 'GPUs' is no key; did you mean gpus?"),
    ("1: 2", "line 2: key: '1' is no key"),
    ("? [a]\n: b", "line 2: '?' is a key that is no text"),
    ("gpus: 1\ngpus: 2", "line 3: 'gpus' is there twice"),
    ("a: &x 1", "line 2: '&x' is an anchor"),
    ("a: *x", "line 2: '*x' is an alias"),
    ("<<: {gpus: 1}", "line 2: '<<' is a merge key"),
    ("name: !!python/object/apply:os.system [ls]", "line 2: 'tag:yaml.org,2002:python/object"),
    ("name: !!str 5", "line 2: 'tag:yaml.org,2002:str' is a tag"),
    ("name: !custom x", "line 2: '!custom' is a tag"),
    ("name: [", "is no YAML: "),
    ("name: {", "is no YAML: "),
    ("name: 'open", "is no YAML: "),
    ("\tname: x", "is no YAML: "),
    ("name: a: b", "line 2: '' is no YAML: mapping values are not allowed"),
    ("name: @x", "is no YAML: "),
    ("name: %x\n---\nname: y", "is no YAML: "),
    ("---\nname: second", "line 2: '---' begins a second document"),
    ("name: " + "[" * 20 + "]" * 20, "line 2: 9 is deeper than 8 levels"),
    ("name: " + "{a: " * 20 + "}" * 20, "is deeper than 8 levels"),
    ("name: [" + "1," * 30_000 + "]", "is more than 20,000 values"),
    ("name: \x07", "line 2: '\\x07' is no YAML: it has a control character"),
    ("script: 5", "line 2: script: 5 is not text"),
    ("script: echo hi", "line 2: script: 'echo hi' does not begin with #!"),
    ("script: ''", "line 2: script: '' does not begin with #!"),
    ('script: "#!/bin/sh\\r\\nls"', "line 2: script: '#!/bin/sh\\r\\nls' has Windows line ends"),
    ('script: "#!/bin/sh\\0"', "line 2: script: '#!/bin/sh\\x00' has a NUL character"),
    ('script: "#!/bin/sh\\n' + "x" * (1 << 20) + '"', "is longer than 1,048,576 bytes"),
]  # fmt: skip

# Whole files: name, bytes, what the sentence says.
FILES: list[tuple[str, bytes, str]] = [
    ("job.json", b"{}", "job file: 'job.json' is no job file: its name ends neither"),
    ("job", b"", "job file: 'job' is no job file"),
    ("job.yaml", b"", "job.yaml: None is no table of keys"),
    ("job.yaml", b"- a\n- b\n", "job.yaml: ['a', 'b'] is no table of keys"),
    ("job.yaml", b"just words", "job.yaml: 'just words' is no table of keys"),
    ("job.yaml", b"name: x\n", "command: '' is missing"),
    ("job.yaml", b"command: []\n", "line 1: command: [] is empty"),
    ("job.yaml", b"command: ''\n", "line 1: command: '' is empty"),
    ("job.yaml", b"command: ['']\n", "line 1: command: [''] names no program"),
    ("job.yaml", b"command: 5\n", "line 1: command: 5 is neither a list of words nor a text"),
    ("job.yaml", b"command: {a: b}\n", "line 1: command: {'a': 'b'} is neither"),
    ("job.yaml", b"command: [ls, 1.5]\n", "line 1: command: word 2: 1.5 is not text"),
    ("job.yaml", b"command: [ls, null]\n", "line 1: command: word 2: None is not text"),
    ("job.yaml", b'command: [ls, "a\\0b"]\n', "command: word 2: 'a\\x00b' has a NUL character"),
    ("job.yaml", b"command: a && b\n", "line 1: command: 'a && b' has &&, which only a shell"),
    ("job.yaml", b"command: a; rm -rf /\n", "has ;, which only a shell obeys"),
    ("job.yaml", b"command: a | b\n", "has |, which only a shell obeys"),
    ("job.yaml", b"command: a > b\n", "has >, which only a shell obeys"),
    ("job.yaml", b"command: echo $(ls)\n", "has (, which only a shell obeys"),
    ("job.yaml", b"command: echo 'open\n", "cannot be split: no closing quotation"),
    ("job.yaml", b"command: [" + b"a," * 5000 + b"]\n", "arguments: 5000 is outside 0 to 4,096"),
    ("job.yaml", b"command: [a, " + b"x" * 140_000 + b"]\n", "is longer than 131,071 bytes"),
    ("job.yaml", b"command: \xff\xfe\n", "job.yaml, line 1: b'\\xff' is not UTF-8"),
    ("job.yaml", b"a: b\nname: \xe9t\xe9\n", "job.yaml, line 2: b'\\xe9' is not UTF-8"),
    ("job.yaml", b"\xef\xbb\xbfcommand: ls\n", "line 1: b'\\xef\\xbb\\xbf' is a byte order mark"),
    ("job.yaml", "command: ls\n".encode("utf-16"), "line 1: b'\\xff\\xfe' is UTF-16"),
    ("job.yaml", b"#" * (3 << 20), "job.yaml: 3145728 bytes are more than 2,097,152"),
    ("job.yaml", b"[" * 200_000, "is deeper than 8 levels"),
    ("job.yaml", b"a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n", "line 1: '&a' is an anchor"),
    ("job.toml", b"command = ['ls']\ngpus = nan\n", "job.toml, line 2: gpus: nan is no number"),
    ("job.toml", b"command = ['ls']\nlimit = 4\n", "job.toml, line 2: limit: 4 has no unit"),
    ("job.toml", b"command = ['ls']\nname = 2024-01-01\n", "line 2: name: datetime.date(2024,"),
    ("job.toml", b"command = ['ls']\ngpuss = 4\n", "line 2: key: 'gpuss' is no key; did you mean"),
    ("job.toml", b"command = ['ls']\ncommand = ['x']\n", "line 2: '' is no TOML: Cannot"),
    ("job.toml", b"command = \n", "job.toml, line 1: '' is no TOML: Invalid value"),
    ("job.toml", b"[[groups]]\nworkers = 0\n", "groups.0.workers: 0 is outside"),
    ("job.toml", b"a = " + b"[" * 100_000, "is deeper than 8 levels"),
    ("job.toml", b"a = " + b"[" * 20 + b"]" * 20, "is deeper than 8 levels"),
    ("job.toml", b"a.b.c.d.e.f.g.h.i.j.k = 1\n", "is deeper than 8 levels"),
    ("job.toml", b"a = " + b"9" * 5000, "is no TOML"),
    ("job.toml", b"gpus = 0x" + b"f" * 9000, "'0xffffffffffffffffff' begins a number of more"),
    ("job.toml", b"gpus = 99999999999999999999", "begins a number of more than 63 bits"),
    ("job.toml", b"", "command: '' is missing"),
]  # fmt: skip

# Directives: a line behind the mark, what the sentence says.
DIRECTIVES: list[tuple[str, str]] = [
    ("--gpu 2", "train.sh, line 2: #NOLJIMA: '--gpu' is no option; did you mean --gpus?"),
    ("--nothing-like-it", "'--nothing-like-it' is no option; "),
    ("gpus 2", "train.sh, line 2: #NOLJIMA: 'gpus' is no option: options begin with --"),
    ("--gpus", "train.sh, line 2: --gpus: '' needs a value behind it"),
    ("--gpus 2 --gpus 4", "train.sh, line 2: --gpus: '4' is given twice"),
    ("--gpus=two", "train.sh: --gpus: 'two' is no number of GPUs"),
    ("--hold=yes", "'yes' is given to an option that takes none"),
    ("--name 'open", "cannot be split: no closing quotation"),
    ("--command ls", "'--command' is no option"),
    ("--wait", "'--wait' is no option"),
    ("-x 2", "'-x' is no option"),
    ("-gx", "--gpus: 'x' is no number of GPUs"),
    ("--evictable --no-evictable", "--evictable: False is given twice"),
    ("-- python", "'--' is no option"),
    ("x " * 2000, "2000 words are more than 1,024"),
]


def told_by(what: object) -> str:
    """Return the sentence of a refusal, one line that a terminal can be given as it is."""
    words = str(what)
    assert re.fullmatch(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]*", words)
    return words


@pytest.mark.parametrize(
    ("key", "given", "words"), OPTIONS, ids=[f"{key}-{n}" for n, (key, *_) in enumerate(OPTIONS)]
)
def test_an_option_that_cannot_be_is_refused_by_name(key: str, given: object, words: str) -> None:
    said = {"command": ["ls"], "name": "ok", key: given}
    with pytest.raises(InvalidFieldError) as refused:
        finished(directives.draft_from(said, HERE), HERE)

    assert words in told_by(refused.value)


@pytest.mark.parametrize(("text", "words"), YAMLS, ids=range(len(YAMLS)))
def test_a_key_that_cannot_be_is_refused_with_its_line(text: str, words: str) -> None:
    raw = f"command: [ls]\n{text}\n".encode()
    with pytest.raises(InvalidFieldError) as refused:
        finished(files.read("job.yaml", raw, HERE), HERE)

    assert words in told_by(refused.value)


@pytest.mark.parametrize(("name", "raw", "words"), FILES, ids=range(len(FILES)))
def test_a_file_that_cannot_be_is_refused(name: str, raw: bytes, words: str) -> None:
    with pytest.raises(InvalidFieldError) as refused:
        finished(files.read(name, raw, HERE), HERE)

    assert words in told_by(refused.value)


@pytest.mark.parametrize(("line", "words"), DIRECTIVES, ids=range(len(DIRECTIVES)))
def test_a_directive_that_cannot_be_is_refused_with_its_line(line: str, words: str) -> None:
    with pytest.raises(InvalidFieldError) as refused:
        directives.read("train.sh", f"#!/bin/sh\n#NOLJIMA {line}\nls\n", HERE)

    assert words in told_by(refused.value)


def test_there_are_three_hundred_of_them_and_no_two_are_the_same() -> None:
    rows = [*OPTIONS, *YAMLS, *FILES, *DIRECTIVES]
    told = {base64.b64encode(repr(row[:-1]).encode()) for row in rows}

    assert len(told) == len(rows) >= 300
