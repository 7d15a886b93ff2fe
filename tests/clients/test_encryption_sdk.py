"""The AWS Encryption SDK: envelopes whose data keys are ours."""

import os

import aws_encryption_sdk
import pytest
from aws_cryptographic_material_providers.mpl import AwsCryptographicMaterialProviders
from aws_cryptographic_material_providers.mpl.config import MaterialProvidersConfig
from aws_cryptographic_material_providers.mpl.models import (
    CreateAwsKmsKeyringInput,
    CreateMultiKeyringInput,
)
from aws_encryption_sdk.exceptions import AWSEncryptionSDKClientError

CONTEXT = {"app": "tests", "stage": "one"}


@pytest.fixture
def sdk():
    policy = aws_encryption_sdk.CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT
    return aws_encryption_sdk.EncryptionSDKClient(commitment_policy=policy)


@pytest.fixture
def providers():
    return AwsCryptographicMaterialProviders(config=MaterialProvidersConfig())


@pytest.fixture
def keyring(kms, providers):
    def make(*keys):
        rings = [providers.create_aws_kms_keyring(CreateAwsKmsKeyringInput(kms_key_id=k["Arn"], kms_client=kms)) for k in keys]
        if len(rings) == 1:
            return rings[0]
        return providers.create_multi_keyring(CreateMultiKeyringInput(generator=rings[0], child_keyrings=rings[1:]))

    return make


@pytest.mark.parametrize("length", [0, 1, 100_000])
def test_a_message_is_sealed_and_opened(sdk, keyring, key, length):
    message = os.urandom(length)
    sealed, _ = sdk.encrypt(source=message, keyring=keyring(key), encryption_context=CONTEXT)
    opened, header = sdk.decrypt(source=sealed, keyring=keyring(key))
    assert opened == message
    assert CONTEXT.items() <= header.encryption_context.items()


def test_a_message_sealed_under_two_keys_opens_with_either(sdk, keyring, make_key):
    first, second = make_key(), make_key()
    sealed, _ = sdk.encrypt(source=b"m", keyring=keyring(first, second), encryption_context=CONTEXT)
    for key in (first, second):
        assert sdk.decrypt(source=sealed, keyring=keyring(key))[0] == b"m"


def test_a_message_does_not_open_with_another_key_or_once_changed(sdk, keyring, make_key):
    mine, other = make_key(), make_key()
    sealed, _ = sdk.encrypt(source=b"m" * 100, keyring=keyring(mine), encryption_context=CONTEXT)
    with pytest.raises(AWSEncryptionSDKClientError):
        sdk.decrypt(source=sealed, keyring=keyring(other))
    with pytest.raises(Exception):
        sdk.decrypt(source=sealed[:-60] + bytes([sealed[-60] ^ 1]) + sealed[-59:], keyring=keyring(mine))


def test_a_disabled_key_opens_nothing(sdk, kms, keyring, key):
    sealed, _ = sdk.encrypt(source=b"m", keyring=keyring(key), encryption_context=CONTEXT)
    kms.disable_key(KeyId=key["KeyId"])
    with pytest.raises(AWSEncryptionSDKClientError):
        sdk.decrypt(source=sealed, keyring=keyring(key))
