"""The rows that the service model itself calls for: each constraint of each member of each request, broken alone."""

import re

from fidelity.requests import REQUESTS
from fidelity.world import MODEL

# What is refused whatever it holds (`UnsupportedOperationException`), or is looked at elsewhere.
NOT_OFFERED = {"Recipient"}
# Bounds that the model has otherwise than the API reference, and a longer body than is taken at all.
OTHERWISE = {("PendingWindowInDays", 1), ("PendingWindowInDays", 365), ("Policy", 131072)}
# No character of any pattern in the model.
STRANGE = "€"
BOUNDS = re.compile(r"^\d+ validation errors? detected: ")


class Constraint:
    """The message that one constraint is broken; others may be broken with it. The words of an enumeration have no order."""

    def __init__(self, path, rule, words=()):
        self.clause = f"at '{path}' failed to satisfy constraint: Member must {rule}"
        self.words = set(words)

    def matches(self, text):
        before, clause, rest = (text or "").partition(self.clause)
        words = set(rest.partition("]")[0].split(", ")) if self.words else set()
        return bool(clause) and BOUNDS.match(before) is not None and words == self.words

    def __repr__(self):
        return f"{self.clause} {sorted(self.words)}"


def rows():
    """(operation, error, message, change) for each."""
    for operation in REQUESTS:
        shape = MODEL.operation_model(operation).input_shape
        for name, member in (shape.members if shape else {}).items():
            if name in NOT_OFFERED:
                continue
            for message, value in broken(name, member, name in shape.required_members):
                yield operation, "ValidationException", message, {name: value}
            yield operation, "SerializationException", None, {name: mistyped(member)}


def broken(name, member, required):
    path = name[0].lower() + name[1:]
    bounds = [member.metadata.get(bound, 0) for bound in ("min", "max")]
    low, high = [0 if (name, bound) in OTHERWISE else bound for bound in bounds]
    if required:
        yield Constraint(path, "not be null"), None
    match member.type_name:
        case "string":
            if member.enum:
                yield Constraint(path, "satisfy enum value set: [", member.enum), "NONSENSE"
                return
            if low:
                yield Constraint(path, f"have length greater than or equal to {low}"), "a" * (low - 1)
            if high:
                yield Constraint(path, f"have length less than or equal to {high}"), "a" * (high + 1)
            if pattern := member.metadata.get("pattern"):
                yield Constraint(path, f"satisfy regular expression pattern: {pattern}"), STRANGE * max(low, 1)
        case "blob":
            if low:
                yield Constraint(path, f"have length greater than or equal to {low}"), bytes(low - 1)
            if high:
                yield Constraint(path, f"have length less than or equal to {high}"), bytes(high + 1)
        case "integer":
            if low:
                yield Constraint(path, f"have value greater than or equal to {low}"), low - 1
            if high:
                yield Constraint(path, f"have value less than or equal to {high}"), high + 1
        case "list":
            if high and member.member.type_name == "string":
                item = member.member.enum[0] if member.member.enum else "a"
                yield Constraint(path, f"have length less than or equal to {high}"), [item] * (high + 1)


def mistyped(member):
    """A value of another type than the member's."""
    return [] if member.type_name in ("structure", "map") else {"nested": "object"}
