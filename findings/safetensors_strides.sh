#!/usr/bin/env bash
# safetensors: a transposed or sliced NumPy array is saved with its numbers in the wrong places.
#
# Expected: what is saved is what is loaded, or an error as with torch tensors that are not contiguous.
# True: `safetensors.numpy.save` writes the memory under the array, not the array: a transposed, reversed, strided or
# Fortran-ordered array comes back with the right shape and other numbers, without an error or a warning.
# Why it matters to a codec: weights that are transposed for a layer (convolutions to matrices) are such views. A model
# exported this way loads without complaint and draws noise. `np.ascontiguousarray` before saving is the cure.
# Versions: safetensors 0.8.0, numpy 2.4.4. Date: 2026-11-28.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check safetensors==0.8.0 numpy==2.4.4
venv/bin/python - <<'PYTHON'
import numpy as np
from safetensors.numpy import load, save

array = np.arange(12, dtype=np.float32).reshape(3, 4)
views = {
    "contiguous": array,
    "transposed": array.T,
    "every second column": array[:, ::2],
    "reversed rows": array[::-1],
    "Fortran order": np.asfortranarray(array),
}
equal = {}
for name, view in views.items():
    loaded = load(save({"a": view}))["a"]
    equal[name] = loaded.shape == view.shape and bool(np.array_equal(loaded, view))
    print(f"{name}: {'equal' if equal[name] else 'other numbers'}")
if equal.pop("contiguous") and not any(equal.values()):
    print("holds: arrays that are not contiguous are saved wrongly, in silence")
else:
    raise SystemExit("changed: some of them are right")
PYTHON
