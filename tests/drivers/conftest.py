"""Let what the suite for drivers asserts be told in full."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("noljima.testing.conformance")
