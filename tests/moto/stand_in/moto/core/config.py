"""Settings that moto's tests write and nobody reads."""

default_user_config = {"core": {}}
