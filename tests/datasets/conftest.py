"""What the modules here need beyond tokcodec itself."""

from __future__ import annotations

import pytest

pytest.importorskip("pyarrow", reason="data sets need pyarrow")
