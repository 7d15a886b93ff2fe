"""An issuer of tokens, as a Kubernetes cluster is one: a key made here, and service accounts' tokens signed by it."""

import base64
import json
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

AUDIENCE = "sts.amazonaws.com"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value):
    return base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class Issuer:
    """Signs tokens by RSA, as `url`."""

    def __init__(self, url):
        self.url = url
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @property
    def name(self):
        return self.url.removeprefix("https://")

    def keys(self):
        public = self.key.public_key().public_numbers()
        key = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "1", "n": number(public.n), "e": number(public.e)}
        return json.dumps({"keys": [key]})

    def token(self, subject, audience=AUDIENCE, lasts=600, **more):
        now = int(time.time())
        claims = {"iss": self.url, "sub": subject, "aud": [audience], "iat": now - 5, "exp": now + lasts, **more}
        head = {"alg": "RS256", "kid": "1"}
        text = ".".join(base64url(json.dumps(part).encode()) for part in (head, claims))
        signature = self.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{text}.{base64url(signature)}"
