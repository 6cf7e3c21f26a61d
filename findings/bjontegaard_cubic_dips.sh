#!/usr/bin/env bash
# bjontegaard: the cubic BD-rate of a curve that dips by 0.1 dB is -100 %, without a warning.
#
# Expected: a curve whose quality falls once between two rates gets an error, or a figure near that of its neighbours.
# True: the cubic method fits the rate as a polynomial of the quality. With quality values that are not in order the
# polynomial is unbounded: dips of 0.1 to 0.3 dB give -47, +468 and -100 %, without an error or a warning. The methods
# `pchip` and `akima` refuse the same curves.
# Why it matters to a codec: codecs at a few hundred bytes do dip (see jxl_quality_not_monotonic), and tables of
# BD-rates are read by nobody point by point.
# Versions: bjontegaard 1.3.0. Date: 2026-11-28.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check bjontegaard==1.3.0
venv/bin/python - <<'PYTHON'
import warnings

import bjontegaard

warnings.simplefilter("error")
rates, anchor = [100, 200, 400, 800], [20.0, 22.0, 24.0, 26.0]
found = {}
for curve in ([20.5, 22.5, 24.5, 26.5], [20.5, 23.4, 23.3, 26.5], [20.5, 24.6, 24.3, 26.5], [21.0, 21.2, 21.1, 26.5]):
    figures = {}
    for method in ("cubic", "pchip", "akima"):
        try:
            value = bjontegaard.bd_rate(rates, anchor, rates, curve, method=method, require_matching_points=False)
            figures[method] = f"{value:.0f} %"
        except ValueError:
            figures[method] = "refused"
    found[tuple(curve)] = figures
    print(f"{curve} dB against {anchor} dB: {figures}")
first, *dips = found.values()
extreme = [int(one["cubic"].split()[0]) for one in dips if one["cubic"] != "refused"]
if first["cubic"] == first["pchip"] and len(extreme) == 3 and max(map(abs, extreme)) >= 100:
    print("holds: cubic BD-rates of curves with a dip mean nothing")
else:
    raise SystemExit("changed: dips are refused or weighed")
PYTHON
