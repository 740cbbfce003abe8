"""Failures inside the harness are explained as those of a test file are."""

import pytest

pytest.register_assert_rewrite("harness")
