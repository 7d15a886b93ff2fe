"""AWS's tagging API: keys by their tags."""

import json
import subprocess
import uuid

import pytest
import users
from conftest import connect

PAGE = {"ResourcesPerPage": 2}


@pytest.fixture(scope="module")
def tagging(server):
    return connect(server, "resourcegroupstaggingapi", parameter_validation=False)


@pytest.fixture
def tagged(make_key):
    """Makes keys: `tagged(team="red")` returns the metadata. `own` is a tag that only this test's keys have."""
    own = f"test-{uuid.uuid4().hex[:12]}"

    def make(**tags):
        given = [{"TagKey": key, "TagValue": value} for key, value in {own: "yes", **tags}.items()]
        return make_key(Tags=given)

    make.own = own
    return make


def found(tagging, **request):
    pages = tagging.get_paginator("get_resources").paginate(**request)
    return sorted(item["ResourceARN"] for page in pages for item in page["ResourceTagMappingList"])


def test_a_key_is_found_by_its_tags(tagging, tagged):
    key = tagged(team="red", stage="")
    [item] = tagging.get_resources(TagFilters=[{"Key": tagged.own}])["ResourceTagMappingList"]
    assert item["ResourceARN"] == key["Arn"]
    assert {tag["Key"]: tag["Value"] for tag in item["Tags"]} == {tagged.own: "yes", "team": "red", "stage": ""}


def test_filters_are_all_of_keys_and_any_of_values(tagging, tagged):
    red, blue = tagged(team="red", stage="one")["Arn"], tagged(team="blue", stage="two")["Arn"]
    own = {"Key": tagged.own}
    assert found(tagging, TagFilters=[own]) == sorted([red, blue])
    assert found(tagging, TagFilters=[own, {"Key": "team", "Values": ["red", "green"]}]) == [red]
    assert found(tagging, TagFilters=[own, {"Key": "team", "Values": ["red"]}, {"Key": "stage", "Values": ["two"]}]) == []
    assert found(tagging, TagFilters=[own], ResourceTypeFilters=["kms:key"]) == sorted([red, blue])
    assert found(tagging, TagFilters=[own], ResourceTypeFilters=["s3"]) == []


def test_the_paginator_finds_every_key_once(tagging, tagged):
    keys = sorted(tagged()["Arn"] for _ in range(5))
    assert found(tagging, TagFilters=[{"Key": tagged.own}], PaginationConfig={"PageSize": 2}) == keys
    first = tagging.get_resources(TagFilters=[{"Key": tagged.own}], **PAGE)
    assert len(first["ResourceTagMappingList"]) == 2 and first["PaginationToken"]


def test_tags_that_change_are_seen_at_once(kms, tagging, tagged):
    key = tagged(team="red")
    kms.tag_resource(KeyId=key["KeyId"], Tags=[{"TagKey": "team", "TagValue": "blue"}])
    assert found(tagging, TagFilters=[{"Key": tagged.own}, {"Key": "team", "Values": ["red"]}]) == []
    kms.untag_resource(KeyId=key["KeyId"], TagKeys=[tagged.own, "team"])
    assert found(tagging, ResourceTypeFilters=["kms"], TagFilters=[{"Key": tagged.own}]) == []


def test_keys_are_named_by_arn(tagging, tagged, key):
    mine = tagged()["Arn"]
    reply = tagging.get_resources(ResourceARNList=[mine, key["Arn"], mine.replace("us-east-1", "eu-west-1"), "arn:aws:s3:::b"])
    assert [item["ResourceARN"] for item in reply["ResourceTagMappingList"]] == [mine]
    assert reply["PaginationToken"] == ""


@pytest.mark.parametrize(
    "request_",
    [
        {"ResourcesPerPage": 101},
        {"TagsPerPage": 99},
        {"ResourcesPerPage": 1, "TagsPerPage": 100},
        {"ResourceARNList": ["arn"], "TagFilters": []},
        {"TagFilters": [{"Key": ""}]},
        {"PaginationToken": "made up"},
        {"IncludeComplianceDetails": True},
    ],
)
def test_what_cannot_be_is_refused_as_a_parameter(tagging, refused, request_):
    with refused("InvalidParameterException"):
        tagging.get_resources(**request_)


def test_a_user_needs_the_permission_and_no_key_policy(server, make_user, tagged, refused):
    def allowing(action):
        return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}

    arn = tagged()["Arn"]
    filters = [{"Key": tagged.own}]
    user, _ = make_user(allowing("tag:GetResources"))
    assert found(connect(server, "resourcegroupstaggingapi", user.credentials), TagFilters=filters) == [arn]
    user, _ = make_user(allowing("kms:*"))
    with refused("AccessDeniedException") as refusal:
        connect(server, "resourcegroupstaggingapi", user.credentials).get_resources(TagFilters=filters)
    assert refusal.text.startswith(f"User: {user.arn} is not authorized to perform: tag:GetResources because ")


def test_the_rest_of_the_api_is_refused(tagging, refused):
    with refused("UnknownOperationException"):
        tagging.get_tag_keys()


def test_a_request_is_in_the_log(server, tagging, tagged):
    tagging.get_resources(TagFilters=[{"Key": tagged.own}])
    environment = server.client_env(server.data.parent)
    command = [users.strongroom.binary(), "audit", "show", "--action", "GetResources", "--limit", "1", "--output", "cloudtrail"]
    event = json.loads(subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout)
    assert (event["eventSource"], event["eventName"], event["readOnly"]) == ("tagging.amazonaws.com", "GetResources", True)


def test_the_command_line_finds_it_by_the_printed_lines(server, tagged, tmp_path):
    arn = tagged()["Arn"]
    command = ["aws", "resourcegroupstaggingapi", "get-resources", "--tag-filters", f"Key={tagged.own}", "--output", "json"]
    done = subprocess.run(command, env=server.client_env(tmp_path), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert [item["ResourceARN"] for item in json.loads(done.stdout)["ResourceTagMappingList"]] == [arn]
