#!/usr/bin/env python3
"""Prints the messages of a fleet as JSON lines: reader.py REMOTE. See docs/format.md. Exit code 1 when anything was refused. Pins
every log's key on first sight, as a server does that just joined, and follows where it is changed. Needs git and ssh-keygen."""
import hashlib, json, pathlib, re, subprocess, sys, tempfile

TEMP = tempfile.TemporaryDirectory()
FOLDER = pathlib.Path(TEMP.name)
SERVER = re.compile(r"(?!(?:all|con|prn|aux|nul|com\d|lpt\d)$)[a-z0-9][a-z0-9-]{0,62}")
KEY = re.compile(r"ssh-ed25519 [A-Za-z0-9+/=]{68}")
LIMITS = {"entries.jsonl": 4 << 20, "entries.sig": 4096, "meta.json": 65536}

def git(*words):
    return subprocess.run(["git", "-C", FOLDER / "git", *words], check=True, stdout=subprocess.PIPE).stdout

def read_files(commit):  # the sizes are asked before the content is read
    rows = [row.split(None, 4) for row in git("ls-tree", "-l", commit).decode("utf-8", "replace").splitlines()]
    return {name: git("cat-file", "blob", blob) for mode, _, blob, size, name in rows
            if mode == "100644" and int(size) <= LIMITS.get(name, -1)}

def is_signed(server, key, data, signature, namespace="fleetd-log"):
    (FOLDER / "allowed").write_text(f'{server} namespaces="{namespace}" {key}\n')
    (FOLDER / "sig").write_bytes(signature)
    words = ["ssh-keygen", "-Y", "verify", "-f", FOLDER / "allowed", "-I", server, "-n", namespace, "-s", FOLDER / "sig"]
    return subprocess.run(words, input=data, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0

def distinct(pairs):  # two readers must not read one line in two ways
    if len(dict(pairs)) != len(pairs) or "__proto__" in dict(pairs): raise ValueError("duplicate keys")
    return dict(pairs)

def next_key(server, key, entry, alone):  # the batch is signed by the old key, the proof in its only line by the new one
    new, proof = str(entry["public_key"]), entry.get("proof", "").encode()
    said = json.dumps(["fleetd", "rotate", entry["fleet"], server, entry["epoch"], key, new], separators=(",", ":")).encode()
    if not (alone and KEY.fullmatch(new) and len(proof) <= 4096 and is_signed(server, new, said, proof, "fleetd-key")):
        raise ValueError("another key without its proof")
    return new

def read_batch(server, fleet, state, files):
    """The state after the batch and its messages; raises ValueError when the batch does not continue the chain."""
    data, lines = files.get("entries.jsonl", b""), files.get("entries.jsonl", b"").split(b"\n")
    if "entries.sig" not in files or not data.endswith(b"\n") or len(lines) > 1001: raise ValueError("no signed batch")
    entries = [json.loads(line.decode("utf-8"), object_pairs_hook=distinct) for line in lines[:-1]]
    root = entries[0] if state is None and entries[0].get("type") == "compacted" else {}  # a log that was shortened
    last = (root.get("keys") or entries)[-1 if root else 0]
    key, epoch, seq, prev = state or (last.get("public_key"), None, 0, None)
    if not KEY.fullmatch(str(key)) or not is_signed(server, key, data, files["entries.sig"]):
        raise ValueError("signature missing or wrong")
    if root:
        if (root["v"], root["from"], last["fleet"], len(entries)) != (1, server, fleet, 1): raise ValueError("not the root of this log")
        return (key, last["epoch"], root["seq"], root["hash"]), []
    messages = []
    for line, entry in zip(lines, entries):
        if entry.get("type") == "key" and entry["fleet"] == fleet and entry["epoch"] != epoch:
            if entry["public_key"] != key: key = next_key(server, key, entry, alone=len(entries) == 1 and epoch is not None)
            epoch, seq = entry["epoch"], 0
        if (entry["from"], entry["seq"], entry["prev"]) != (server, seq + 1, prev) or epoch is None: raise ValueError("not the next entry")
        seq, prev = seq + 1, "sha256:" + hashlib.sha256(line).hexdigest()
        if (entry["v"], entry["type"]) == (1, "message"): messages.append(entry)
    return (key, epoch, seq, prev), messages

def main(remote):
    refused = False
    subprocess.run(["git", "clone", "-q", "--bare", "--no-tags", "--config", "remote.origin.fetch=+refs/fleet/*:refs/fleet/*",
                    "--", remote, FOLDER / "git"], check=True, stderr=subprocess.DEVNULL)
    fleet = json.loads(read_files("refs/fleet/meta")["meta.json"])["fleet"]
    for ref in git("for-each-ref", "--format=%(refname)", "refs/fleet/log/").decode().split():
        server, state = ref[len("refs/fleet/log/"):], None
        for commit in git("rev-list", "--first-parent", "--reverse", ref).decode().split() if SERVER.fullmatch(server) else []:
            try:
                state, messages = read_batch(server, fleet, state, read_files(commit))
                for message in messages: print(json.dumps(message))
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                refused = True
                print(f"{server} {commit}: refused: {error}".encode("ascii", "backslashreplace").decode(), file=sys.stderr)
    return 1 if refused else 0
if __name__ == "__main__": sys.exit(main(sys.argv[1]))
