"""The keys and users that the table speaks of, made when first asked for, and requests sent as they are written."""

import base64
import json
import os
import socket
import string
import uuid

import strongroom
import users
import wire
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session
from botocore.session import get_session
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from fidelity.stores import Stores

MODEL = get_session().get_service_model("kms")
KINDS = {
    "symmetric": {},
    "sign": {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"},
    "mac": {"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"},
    "agreement": {"KeySpec": "ECC_NIST_P256", "KeyUsage": "KEY_AGREEMENT"},
    "kem": {"KeySpec": "ML_KEM_512", "KeyUsage": "ENCAPSULATE_DECAPSULATE"},
    "rsa": {"KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"},
    # Of origin EXTERNAL, with its material.
    "imported": {"Origin": "EXTERNAL"},
    # A multi-Region primary without replicas, one with a replica abroad, and the replica of a primary abroad.
    "primary": {"MultiRegion": True},
    "replicated": {"MultiRegion": True},
    "replica": {"MultiRegion": True},
}
USES = {"sign": "Sign", "mac": "GenerateMac", "agreement": "DeriveSharedSecret", "kem": "Encapsulate"}
WRAPPING = {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"}
FOR_GOOD = "KEY_MATERIAL_DOES_NOT_EXPIRE"
OPEN = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::%s:root",'
    '"arn:aws:iam::%s:root"]},"Action":"kms:*","Resource":"*"}]}'
)
ALIASES_OF_A_KEY = 50
ROTATIONS_OF_A_KEY = 25


class Reply:
    """A raw reply: its status, error code and message."""

    def __init__(self, operation, response):
        self.status = response.status_code
        headers = {name.lower(): value for name, value in response.headers.items()}
        self.body = json.loads(response.content or b"{}")
        self.code = self.body.get("__type")
        self.message = self.body.get("message")
        known = operation in MODEL.operation_names
        self.faults = known and wire.json_faults(MODEL.operation_model(operation), self.status, headers, response.content)

    def __repr__(self):
        return f"{self.status} {self.body}"


class Key:
    """A key, and what was made with it before its state changed. As a text it is its id."""

    def __init__(self, world, kind, state):
        self._world = world
        policy = {"Policy": OPEN % (world.account, world.open_to)} if world.open_to else {}
        region = world.abroad if kind == "replica" else world.region
        metadata = world.ask("CreateKey", {**KINDS[kind], **policy}, region)["KeyMetadata"]
        self.id, self.arn, self.alias = metadata["KeyId"], metadata["Arn"], f"alias/fidelity/{uuid.uuid4().hex}"
        if kind == "replica":
            made = world.ask("ReplicateKey", {"KeyId": self.id, "ReplicaRegion": world.region}, world.abroad)
            self.arn = made["ReplicaKeyMetadata"]["Arn"]
        self.alias_arn = f"{self.arn.split(':key/')[0]}:{self.alias}"
        self._ask("CreateAlias", KeyId=None, AliasName=self.alias, TargetKeyId=self.id)
        if kind == "imported":
            self._import()
        grant = {"GranteePrincipal": world.arn, "RetiringPrincipal": world.arn, "Operations": [USES.get(kind, "Encrypt")]}
        grant = self._ask("CreateGrant", **grant)
        self.grant, self.token = grant["GrantId"], grant["GrantToken"]
        self._use(kind)
        self._change(state)

    def _ask(self, operation, **request):
        request = {"KeyId": self.id, **request}
        return self._world.ask(operation, {name: value for name, value in request.items() if value is not None})

    def _import(self):
        """Brings material; what brought it brings it again, and `stray` is other material wrapped alike."""
        given = self._ask("GetParametersForImport", **WRAPPING)
        public = serialization.load_der_public_key(base64.b64decode(given["PublicKey"]))
        oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
        self.import_token = given["ImportToken"]
        self.wrapped, self.stray = (
            base64.b64encode(public.encrypt(os.urandom(length), oaep)).decode() for length in (32, 32)
        )
        self.odd = base64.b64encode(public.encrypt(bytes(31), oaep)).decode()
        self._ask(
            "ImportKeyMaterial",
            ImportToken=self.import_token,
            EncryptedKeyMaterial=self.wrapped,
            ExpirationModel=FOR_GOOD,
        )

    def _use(self, kind):
        match kind:
            case "agreement":
                self.public = self._ask("GetPublicKey")["PublicKey"]
            case "kem":
                self.sealed = self._ask("Encapsulate", EncapsulationAlgorithm="ML_KEM")["SharedSecretCiphertextBlob"]
            case "sign":
                self.signature = self._ask("Sign", Message=b"m", SigningAlgorithm="ECDSA_SHA_256")["Signature"]
            case "mac":
                self.mac = self._ask("GenerateMac", Message=b"m", MacAlgorithm="HMAC_SHA_256")["Mac"]
            case "rsa":
                pass
            case _:
                self.blob = self._ask("Encrypt", Plaintext=b"p")["CiphertextBlob"]
        if kind == "replicated":
            self._ask("ReplicateKey", ReplicaRegion=self._world.abroad)

    def _change(self, state):
        match state:
            case "disabled":
                self._ask("DisableKey")
            case "dying":
                self._ask("ScheduleKeyDeletion")
            case "waiting":
                self._ask("DeleteImportedKeyMaterial")
            case "crowded":
                for _ in range(ALIASES_OF_A_KEY - 1):
                    self._ask("CreateAlias", KeyId=None, AliasName=f"alias/fidelity/{uuid.uuid4().hex}", TargetKeyId=self.id)
            case "worn":
                for _ in range(ROTATIONS_OF_A_KEY):
                    self._ask("RotateKeyOnDemand")

    def __str__(self):
        return self.arn if self._world.open_to else self.id


class World(string.Formatter):
    """Sends requests to one server. Texts of requests name what is in it: `{key}`, `{key.arn}`, `{other.blob}`, `{account}`."""

    def __init__(self, server, credentials=None, open_to=None):
        """`credentials` are an environment's, the server's own by default; keys are open to that account, too."""
        self.server, self.open_to = server, open_to
        credentials = credentials or server.env
        self.region, self.abroad = strongroom.REGIONS
        at_once = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
        self._session = URLLib3Session(verify=server.env["AWS_CA_BUNDLE"] or True, socket_options=at_once)
        self._admin = (credentials["AWS_ACCESS_KEY_ID"], credentials["AWS_SECRET_ACCESS_KEY"])
        self._keys, self._user, self.stores = {}, None, Stores(self.ask)
        self.account = self.ask("DescribeKey", {"KeyId": self.ask("CreateKey", {})["KeyMetadata"]["KeyId"]})
        self.account = self.account["KeyMetadata"]["AWSAccountId"]
        self.arn = f"arn:aws:iam::{self.account}:root"
        self.absent = "00000000-0000-0000-0000-000000000000"
        self.prefix = f"arn:aws:kms:{self.region}:{self.account}"

    def key(self, kind, state="enabled"):
        """A key of a kind in a state, the same each time; one that is `fresh` is new, such as `fresh dying`."""
        if state.startswith("fresh"):
            return Key(self, kind, state.removeprefix("fresh").strip() or "enabled")
        if (kind, state) not in self._keys:
            self._keys[kind, state] = Key(self, kind, state)
        return self._keys[kind, state]

    def __getattr__(self, name):
        """A custom key store by what it is called there."""
        if name.startswith("_"):
            raise AttributeError(name)
        return self.stores.get(name)

    def resolve(self, value, names):
        """The value with its `{names}` replaced. A policy, which begins with a brace and a quote, is left alone."""
        if isinstance(value, dict):
            return {name: self.resolve(item, names) for name, item in value.items()}
        if isinstance(value, list):
            return [self.resolve(item, names) for item in value]
        return self.vformat(value, (), names) if isinstance(value, str) and not value.startswith('{"') else value

    def ask(self, operation, request, region=None):
        """What a request that must succeed is answered."""
        reply = self.send(operation, request, region=region)
        assert reply.status == 200, f"{operation} {request}: {reply}"
        return reply.body

    def send(self, operation, request, who="administrator", region=None):
        """Sends a request, or raw bytes, as somebody."""
        body = request if isinstance(request, bytes) else json.dumps(request, default=encode).encode()
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"TrentService.{operation}"}
        http = AWSRequest("POST", self.server.env["AWS_ENDPOINT_URL"], data=body, headers=headers)
        access, secret = self._user_key() if who == "user" else self._admin
        access = "AKIAZZZZZZZZZZZZZZZZ" if who == "stranger" else access
        secret = "wrong" if who == "forger" else secret
        if who != "nobody":
            SigV4Auth(Credentials(access, secret), "kms", region or self.region).add_auth(http)
        if who == "careless":
            http.headers["Authorization"] = http.headers["Authorization"].split(", Signature=")[0]
        return Reply(operation, self._session.send(http.prepare()))

    def _user_key(self):
        if self._user is None:
            self._user = users.make(self.server, f"user-{uuid.uuid4().hex[:12]}")
        return self._user.credentials

    @property
    def user(self):
        """The ARN of a user who may do nothing."""
        self._user_key()
        return self._user.arn


def encode(value):
    """How JSON writes what it has no word for: bytes in base64, a key by its id."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
