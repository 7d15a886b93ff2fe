"""Stands where moto's tests look for freezegun, which they use on a mock only (TEST_SERVER_MODE)."""

freeze_time = None
