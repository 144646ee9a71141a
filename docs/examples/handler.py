#!/usr/bin/env python3
"""Answers a message with the free space of the disk; refuses what it does not understand with exit code 3."""
import json
import shutil
import sys

message = json.load(sys.stdin)
words = message["body"].split()
if words[:1] != ["disk"]:
    print("I understand: disk [PATH]")
    sys.exit(3)
path = words[1] if len(words) > 1 else "/"
try:
    usage = shutil.disk_usage(path)
except OSError as trouble:
    print(f"cannot look at {path!r}: {trouble.strerror}", file=sys.stderr)
    print(f"there is no {path}")
    sys.exit(4)
print(f"{path}: {usage.free // 2**20} MiB of {usage.total // 2**20} MiB free")
