#!/usr/bin/env bash
# BYTE_STREAM_SPLIT with zstd: 12-bit tokens take 15 % more than their bits in a page of 100 kB, and 1 % in one of 4 MB.
#
# Expected: the encoding stores low bytes and high bytes apart, zstd packs the 16 values of the high bytes into 4 bits
# each, so that a 12-bit token takes 12 bits, in pages of any size.
# True: zstd codes the literals of a block of 128 KiB with one table. In a small page a block holds both streams: the
# uniform low bytes hide the high bytes' 16 values, and the page takes 1.15 times the ideal, at levels 1 to 12 alike.
# A page whose streams fill blocks of their own takes 1.01 times. pyarrow also ends a page after 20,000 rows, so that a
# flat column of tokens has small pages whatever `data_page_size` says.
# Why it matters to a codec: token data sets of small shards pay this, and a dictionary is no cure there, since it holds
# nearly every value once.
# Versions: pyarrow 26.0.1, numpy 2.4.4. Date: 2026-11-28.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check pyarrow==26.0.1 numpy==2.4.4
venv/bin/python - <<'PYTHON'
import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def ratio(count, level):
    tokens = np.random.default_rng(0).integers(0, 4096, count).astype(np.uint16)
    stream = io.BytesIO()
    options = {"use_dictionary": False, "column_encoding": "BYTE_STREAM_SPLIT", "data_page_size": 1 << 24, "max_rows_per_page": 1 << 24}
    pq.write_table(pa.table({"tokens": tokens}), stream, compression="zstd", compression_level=level, **options)
    facts = pq.read_metadata(io.BytesIO(stream.getvalue())).row_group(0).column(0)
    return facts.total_compressed_size / (1.5 * count)


small = {level: ratio(25_000, level) for level in (1, 3, 9, 12)}
large = {level: ratio(1 << 20, level) for level in (1, 3)}
for name, found in (("25,000 tokens", small), ("1,048,576 tokens", large)):
    print(f"{name}: " + ", ".join(f"level {level} {value:.3f}" for level, value in found.items()) + " of the ideal bits")
if min(small.values()) > 1.08 and max(large.values()) < 1.03:
    print("holds: small pages lose what the split should bring")
else:
    raise SystemExit("changed: small pages are packed as well as large ones")
PYTHON
