"""Fixtures of data sets."""

from __future__ import annotations

import pytest

pytest.importorskip("pyarrow", reason="data sets need pyarrow")
