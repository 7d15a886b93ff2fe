"""Each refusal that AWS KMS knows, asked for: the table is fidelity/table.py. Ends with what it covers."""

import collections

import key_stores
import proxy
import pytest
from fidelity.constraints import Constraint
from fidelity.reasons import NOT_ASKED, reason
from fidelity.requests import KEY_MEMBER, REQUESTS, TAKES_ALIAS, WITH_KEY
from fidelity.row import ANY
from fidelity.table import TABLE
from fidelity.troubles import TROUBLES
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
    folder = tmp_path_factory.mktemp("fidelity")
    outside = proxy.Proxy(folder)
    there = key_stores.manager(proxy.HOST, outside.address, authorities=str(outside.authority))
    running = key_stores.WithClusters(folder, there).start()
    yield World(running)
    assert running.stop() == 0, running.tail()
    outside.stop()


class Troubled:
    """The world in trouble that was asked for last, and the requests of its rows, made before that began."""

    def __init__(self, folder):
        self._folder, self._name, self._trouble = folder, None, None

    def enter(self, name):
        if self._name != name:
            self.leave()
            self._trouble, self._name = TROUBLES[name](self._folder(name)), name
            makers = self._trouble.makers
            self._requests = {
                row.operation: asked(row, Names(makers, REQUESTS[row.operation][0], f"fresh {STATES.get(row.operation, '')}"), makers)
                for row in TABLE
                if row.trouble == name
            }
            self._trouble.begin()
        return self._trouble.world, self._requests

    def leave(self):
        if self._trouble is not None:
            self._trouble.end()
        self._name = self._trouble = None


@pytest.fixture(scope="module")
def troubled(tmp_path_factory):
    worlds = Troubled(tmp_path_factory.mktemp)
    yield worlds
    worlds.leave()


class Names(dict):
    """What a row's texts may name: its key, other keys by their kind, and the world."""

    def __init__(self, world, kind, state):
        super().__init__(w=world)
        self["key"] = world.key(kind, state)

    def __missing__(self, name):
        return self["w"].key(*OTHERS[name])


def asked(row, names, world):
    """What a row asks."""
    if isinstance(row.change, bytes):
        return row.change
    request = {**REQUESTS[row.operation][1], **row.change}
    return world.resolve({name: value for name, value in request.items() if value is not None}, names)


def cases(troubled):
    """The rows of the one world, or those of worlds in trouble, one world after the other."""
    numbered = [(index, row) for index, row in enumerate(TABLE) if bool(row.trouble) == troubled]
    if troubled:
        numbered.sort(key=lambda case: list(TROUBLES).index(case[1].trouble))
    return [pytest.param(row, id=f"{row.operation}-{row.error}-{index}") for index, row in numbered]


@pytest.mark.parametrize("row", cases(troubled=False))
def test_a_request_is_refused_as_aws_refuses_it(world, row):
    names = Names(world, row.kind or REQUESTS[row.operation][0], row.state)
    request = asked(row, names, world)
    check(world.send(row.operation, request, row.who), row, request, names, world)


@pytest.mark.parametrize("row", cases(troubled=True))
def test_a_service_in_trouble_refuses_as_aws_does(troubled, row):
    world, requests = troubled.enter(row.trouble)
    request = requests[row.operation]
    check(world.send(row.operation, request), row, request, {"w": world}, world)


def check(reply, row, request, names, world):
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
    request = world.resolve(request, Names(world, kind, state))
    if operation == "DisconnectCustomKeyStore":
        world.stores.connect(request["CustomKeyStoreId"])
    reply = world.send(operation, request)
    assert (reply.status, reply.faults) == (200, []), reply
    match operation:
        case "CancelKeyDeletion":
            world.ask("ScheduleKeyDeletion", request)
        case "ConnectCustomKeyStore":
            world.ask("DisconnectCustomKeyStore", request)
        case "CreateCustomKeyStore":
            world.ask("DeleteCustomKeyStore", {"CustomKeyStoreId": reply.body["CustomKeyStoreId"]})
        case "DeleteCustomKeyStore":
            world.stores.forget("outside")


# What an operation says that is asked for the same once more; nothing where it does it again.
TWICE = {
    "CancelKeyDeletion": ("KMSInvalidStateException", "{key.arn} is not pending deletion."),
    "CreateAlias": ("AlreadyExistsException", "An alias with the name {key.alias_arn}/new already exists"),
    "CreateGrant": None,
    "DeleteAlias": ("NotFoundException", "Alias {key.alias_arn} is not found."),
    "DeleteImportedKeyMaterial": None,
    "DisableKey": None,
    "DisableKeyRotation": None,
    "EnableKey": None,
    "EnableKeyRotation": None,
    "ImportKeyMaterial": None,
    "PutKeyPolicy": None,
    "ReplicateKey": ("AlreadyExistsException", None),
    "RetireGrant": ("NotFoundException", None),
    "RevokeGrant": ("NotFoundException", None),
    "RotateKeyOnDemand": None,
    "ScheduleKeyDeletion": ("KMSInvalidStateException", "{key.arn} is pending deletion."),
    "TagResource": None,
    "UntagResource": None,
    "UpdateAlias": None,
    "UpdateKeyDescription": None,
    "UpdatePrimaryRegion": ("UnsupportedOperationException", "{key.arn} is not a multi-region primary key."),
}


@pytest.mark.parametrize("operation", TWICE)
def test_the_same_request_once_more_changes_nothing_or_says_why(world, operation):
    kind, request = REQUESTS[operation]
    names = Names(world, kind, f"fresh {STATES.get(operation, '')}")
    if operation == "CreateAlias":
        request = {**request, "AliasName": "{key.alias}/new"}
    request = world.resolve(request, names)
    world.ask(operation, request)
    again = world.send(operation, request)
    if TWICE[operation] is None:
        assert again.status == 200, again
    else:
        error, message = TWICE[operation]
        assert again.code == error and (message is None or again.message == world.resolve(message, names)), again


NAMES = {"id": "{key}", "ARN": "{key.arn}", "alias": "{key.alias}", "ARN of an alias": "{key.alias_arn}"}


@pytest.mark.parametrize(
    ("operation", "name"),
    [(operation, name) for operation in WITH_KEY for name in NAMES if "alias" not in name or operation in TAKES_ALIAS],
)
def test_a_key_is_called_as_aws_lets_it_be_called(world, operation, name):
    kind, request = REQUESTS[operation]
    fresh = operation in CHANGES or operation in STATES or operation == "CreateAlias"
    names = Names(world, kind, f"fresh {STATES.get(operation, '')}" if fresh else "enabled")
    request = {**request, KEY_MEMBER.get(operation, "KeyId"): NAMES[name]}
    if operation == "ReEncrypt":
        request["SourceKeyId"] = NAMES[name]
    if operation == "CreateAlias":
        request["AliasName"] = "{key.alias}/new"
    reply = world.send(operation, world.resolve(request, names))
    assert (reply.status, reply.faults) == (200, []), reply


def test_a_grant_is_the_same_by_its_name_and_all_that_it_says_and_on_its_key_alone(world):
    key, other = world.key("symmetric", "fresh"), world.key("symmetric", "fresh")
    request = {"KeyId": key.id, "GranteePrincipal": world.arn, "Operations": ["Encrypt", "Decrypt"], "Name": "n"}
    made = world.ask("CreateGrant", request)["GrantId"]
    assert world.ask("CreateGrant", request)["GrantId"] == made
    assert world.ask("CreateGrant", {**request, "Operations": ["Decrypt", "Encrypt"]})["GrantId"] == made
    for change in (
        {"KeyId": other.id},
        {"Operations": ["Encrypt"]},
        {"RetiringPrincipal": world.arn},
        {"Constraints": {"EncryptionContextEquals": {"a": "b"}}},
        {"Name": "m"},
    ):
        assert world.ask("CreateGrant", {**request, **change})["GrantId"] != made, change


def test_tags_are_told_apart_by_case_and_no_more_than_fifty_stay(world):
    key = world.key("symmetric", "fresh")
    tags = [{"TagKey": f"k{number}", "TagValue": "v"} for number in range(49)]
    world.ask("TagResource", {"KeyId": key.id, "Tags": tags})
    world.ask("TagResource", {"KeyId": key.id, "Tags": [{"TagKey": "K0", "TagValue": ""}]})
    world.ask("TagResource", {"KeyId": key.id, "Tags": [{"TagKey": "k0", "TagValue": "w"}]})
    more = world.send("TagResource", {"KeyId": key.id, "Tags": [{"TagKey": "more", "TagValue": "v"}]})
    assert (more.code, more.message) == ("TagException", "Too many tags")
    listed = {tag["TagKey"]: tag["TagValue"] for tag in world.ask("ListResourceTags", {"KeyId": key.id})["Tags"]}
    assert (len(listed), listed["k0"], listed["K0"]) == (50, "w", "")


def test_an_alias_is_of_one_region_and_told_apart_by_case(world):
    key = world.key("symmetric", "fresh")
    abroad = world.ask("CreateKey", {}, world.abroad)["KeyMetadata"]["KeyId"]
    world.ask("CreateAlias", {"AliasName": key.alias, "TargetKeyId": abroad}, world.abroad)
    world.ask("CreateAlias", {"AliasName": key.alias.upper().replace("ALIAS/", "alias/"), "TargetKeyId": key.id})
    assert world.ask("DescribeKey", {"KeyId": key.alias})["KeyMetadata"]["KeyId"] == key.id
    assert world.ask("DescribeKey", {"KeyId": key.alias}, world.abroad)["KeyMetadata"]["KeyId"] == abroad


def test_every_key_is_listed_once_whatever_the_length_of_a_page(world):
    whole = world.ask("ListKeys", {"Limit": 1000})
    assert not whole["Truncated"]
    for limit in (1, 7):
        listed, marker = [], {}
        while marker is not None:
            page = world.ask("ListKeys", {"Limit": limit, **marker})
            listed += page["Keys"]
            marker = {"Marker": page["NextMarker"]} if page["Truncated"] else None
        assert listed == whole["Keys"]
    assert world.ask("ListKeys", {"Limit": 1000, "ResourceOwners": ["SELF"]})["Keys"] == whole["Keys"]
    assert world.ask("ListKeys", {"ResourceOwners": ["OTHER_ACCOUNTS_VIA_RAM"]})["Keys"] == []


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
