#!/usr/bin/env bash
# safetensors: the same tensors and metadata give other bytes at every save.
#
# Expected: a serialiser without time stamps is deterministic.
# True: the entries of `metadata` are written in the order of a hash map that is seeded anew each time. Eight saves with
# four entries gave seven or eight different files. With one entry, or none, all files are equal.
# Why it matters to a codec: files of models are identified by hashes of their bytes, and reproducible builds compare
# them. One entry that holds JSON is stable.
# Versions: safetensors 0.8.0, numpy 2.4.4. Date: 2026-11-28.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check safetensors==0.8.0 numpy==2.4.4
venv/bin/python - <<'PYTHON'
import hashlib
import json

import numpy as np
from safetensors.numpy import save

tensors = {"a": np.zeros(3, np.float32)}
entries = {"model": "a", "licence": "b", "version": "c", "date": "d"}
several = {hashlib.sha256(save(tensors, metadata=entries)).hexdigest() for _ in range(8)}
one = {hashlib.sha256(save(tensors, metadata={"all": json.dumps(entries)})).hexdigest() for _ in range(8)}
print(f"8 saves: {len(several)} different files with four entries, {len(one)} with one")
if len(several) > 1 and len(one) == 1:
    print("holds: several entries of metadata are written in any order")
else:
    raise SystemExit("changed: the order is fixed")
PYTHON
