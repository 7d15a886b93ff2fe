"""The account that moto's tests expect."""

DEFAULT_ACCOUNT_ID = "123456789012"
