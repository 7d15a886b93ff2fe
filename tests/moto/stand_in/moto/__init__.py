"""Stands where moto's tests look for moto: nothing here mocks anything, so that they ask the endpoint that they are given."""


def mock_aws(wrapped=None, **_options):
    """Leaves what it decorates alone."""
    return wrapped if wrapped is not None else lambda inner: inner
