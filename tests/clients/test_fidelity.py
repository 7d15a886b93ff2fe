"""Each refusal that AWS KMS knows, asked for: the table is fidelity/table.py. Ends with what it covers."""

import collections

import pytest
import strongroom
from fidelity.constraints import Constraint
from fidelity.reasons import NOT_ASKED, reason
from fidelity.requests import REQUESTS
from fidelity.table import ANY, TABLE
from fidelity.world import KINDS, MODEL, World

# Errors of any operation, which the model does not list.
COMMON = [
    *("AccessDeniedException", "IncompleteSignatureException", "InvalidSignatureException", "MissingAuthenticationTokenException"),
    *("SerializationException", "ThrottlingException", "UnrecognizedClientException", "ValidationException"),
]
# Keys that rows name besides their own.
OTHERS = {**{kind: (kind, "enabled") for kind in KINDS}, "crowded": ("symmetric", "crowded"), "waiting": ("imported", "waiting")}
# Those that succeed but once on a key, or only in one state.
STATES = {"CancelKeyDeletion": "dying"}
CHANGES = {"RetireGrant", "RevokeGrant", "DeleteAlias", "DisableKey", "ScheduleKeyDeletion", "RotateKeyOnDemand", "PutKeyPolicy",
           "DeleteImportedKeyMaterial", "ReplicateKey", "UpdatePrimaryRegion"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A server of its own, of two regions."""
    running = strongroom.Installation(tmp_path_factory.mktemp("fidelity")).start()
    yield World(running)
    assert running.stop() == 0, running.tail()


class Names(dict):
    """What a row's texts may name: its key, other keys by their kind, and the world."""

    def __init__(self, world, kind, state):
        super().__init__(w=world)
        self["key"] = world.key(kind, state)

    def __missing__(self, name):
        return self["w"].key(*OTHERS[name])


def words(index, row):
    return f"{row.operation}-{row.error}-{index}"


@pytest.mark.parametrize("row", TABLE, ids=[words(index, row) for index, row in enumerate(TABLE)])
def test_a_request_is_refused_as_aws_refuses_it(world, row):
    kind, request = REQUESTS[row.operation]
    names = Names(world, row.kind or kind, row.state)
    if isinstance(row.change, bytes):
        request = row.change
    else:
        changed = {name: value for name, value in {**request, **row.change}.items() if value is not None}
        request = world.resolve(changed, names)
    reply = world.send(row.operation, request, row.who)
    assert reply.status >= 400, f"not refused: {request}"
    assert reply.code == row.error, reply
    if row.message is ANY:
        assert reply.message, reply
    elif isinstance(row.message, Constraint):
        assert row.message.matches(reply.message), f"{row.message}: {reply}"
    else:
        assert reply.message == (row.message and world.resolve(row.message, names)), reply
    assert not reply.faults, reply.faults


@pytest.mark.parametrize("operation", REQUESTS)
def test_the_request_that_the_rows_change_succeeds(world, operation):
    kind, request = REQUESTS[operation]
    state = STATES.get(operation, "enabled")
    if operation in CHANGES:
        state = "fresh"
    reply = world.send(operation, world.resolve(request, Names(world, kind, state)))
    assert (reply.status, reply.faults) == (200, []), reply
    if operation == "CancelKeyDeletion":
        world.ask("ScheduleKeyDeletion", world.resolve(request, Names(world, kind, state)))


def test_every_error_is_in_the_table_or_has_a_reason(capsys):
    rows = {(row.operation, row.error) for row in TABLE}
    known = {
        (name, error)
        for name in MODEL.operation_names
        for error in [*(shape.name for shape in MODEL.operation_model(name).error_shapes), *COMMON]
    } | rows
    lacking = collections.defaultdict(set)
    for operation, error in known - rows:
        lacking[reason(operation, error)].add(f"{operation} {error}")
    unexplained = sorted(lacking.pop(None, ()))
    with capsys.disabled():
        print(f"\nfidelity: {len(rows)} of {len(known)} operation errors covered by {len(TABLE)} requests")
        for why, pairs in sorted(lacking.items()):
            print(f"  {len(pairs):3} not: {why}: {', '.join(shortened(pairs))}")
    assert not unexplained, f"in neither the table nor the reasons: {unexplained}"
    assert not (NOT_ASKED & REQUESTS.keys()), "an operation is asked or it is not"


def shortened(pairs):
    """Pairs gathered by their error, whose operations are counted where they are many."""
    operations = collections.defaultdict(list)
    for pair in sorted(pairs):
        operation, error = pair.split()
        operations[error].append(operation)
    for error, names in operations.items():
        yield f"{error} ({', '.join(names) if len(names) < 12 else f'{len(names)} operations'})"
