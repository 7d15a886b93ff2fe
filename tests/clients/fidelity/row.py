"""One row of the table, and how many are made alike.

Texts name what is in the world: `{key}` is the row's key, `{w.account}` the world's. A member that is None is left out.
"""

import dataclasses

from fidelity import requests as r

ANY = object()  # any message, but one
NOTHING = "00000000-0000-0000-0000-000000000000"


@dataclasses.dataclass
class Row:
    operation: str
    error: str
    message: object
    change: object = dataclasses.field(default_factory=dict)
    kind: str | None = None  # of its key; by default the operation's own
    state: str = "enabled"
    who: str = "administrator"
    trouble: str | None = None  # the world that it is asked in (troubles.py)


def each(operations, error, message, change, **more):
    """The same refusal by many operations; `change` may be a function of the operation's name."""
    for name in operations:
        changed = change(name) if callable(change) else change
        yield Row(name, error, message, changed, **more)


def member(name):
    return r.KEY_MEMBER.get(name, "KeyId")


def named(value):
    """The operation's key is called `value`."""
    return lambda name: {member(name): value}


def broken(path, rule, value=None):
    shown = "Value" if value is None else f"Value {value}"
    return f"1 validation error detected: {shown} at '{path}' failed to satisfy constraint: Member must {rule}"


def lower(name):
    return name[0].lower() + name[1:]


LENGTHS = "Member must have length less than or equal to {}, Member must have length greater than or equal to 1"
FAR_ARN = f"arn:aws:kms:af-south-1:{{w.account}}:key/{NOTHING}"
