"""A pytest plugin: gives moto's own KMS tests a server of ours, and knows which of them we fail on purpose."""

import json
import os
import re
import shutil
import tomllib
from pathlib import Path

import boto3
import botocore.session
import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from strongroom import Installation

# Every region that the tests ask for.
REGIONS = ["us-east-1", "us-east-2", "us-west-1", "us-west-2", "eu-central-1", "eu-west-1", "ap-northeast-1"]
ON_PURPOSE = Path(__file__).with_name("on_purpose.toml")
# Tests of moto's own code, not of an endpoint.
NOT_OF_AN_ENDPOINT = ("::TestKMSPolicyValidator::",)


class Purpose:
    """Why tests fail, and what their failure must show to be that one."""

    def __init__(self, group):
        self.reason = group["reason"]
        self.shows = re.compile(group["shows"])
        self.tests = set(group["tests"])

    def covers(self, item):
        return bool({name_of(item), name_of(item).partition("[")[0]} & self.tests)


def name_of(item):
    """`file::test[parameters]`"""
    return f"{item.path.name}::{item.nodeid.partition('::')[2]}"


def purposes():
    return [Purpose(group) for group in tomllib.loads(ON_PURPOSE.read_text())["group"]]


def pytest_collection_modifyitems(config, items):
    known = purposes()
    config.stash[UNSEEN] = {test for purpose in known for test in purpose.tests}
    left_out = [item for item in items if any(part in item.nodeid for part in NOT_OF_AN_ENDPOINT)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
    for item in items:
        for purpose in known:
            if purpose.covers(item):
                item.stash[PURPOSE] = purpose
                config.stash[UNSEEN] -= {name_of(item), name_of(item).partition("[")[0]}


PURPOSE = pytest.StashKey()
UNSEEN = pytest.StashKey()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A test that fails on purpose has to, and in the way that is listed."""
    report = yield
    purpose = item.stash.get(PURPOSE, None)
    if purpose is None or report.when != "call":
        return report
    if report.passed:
        report.outcome, report.longrepr = "failed", f"passes, though it is listed: {purpose.reason}"
    elif purpose.shows.search(str(report.longrepr)):
        report.outcome, report.wasxfail = "skipped", purpose.reason
    return report


def pytest_sessionfinish(session):
    if unseen := session.config.stash.get(UNSEEN, set()):
        session.config.pluginmanager.get_plugin("terminalreporter").write_line(f"\nlisted, but not there: {sorted(unseen)}")
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter, config):
    count = {kind: len(terminalreporter.stats.get(kind, [])) for kind in ("passed", "failed", "error", "xfailed")}
    terminalreporter.write_line(f"requests sent without a policy that AWS refuses: {len(MENDED)}")
    unexpected = count["failed"] + count["error"] + len(config.stash.get(UNSEEN, set()))
    terminalreporter.write_line(f"moto: {count['passed']} passed, {count['xfailed']} failed on purpose, {unexpected} unexpected")


MENDED = []


def without_impossible_policy(params, **_rest):
    """moto takes any text as a policy, and most of its tests give one that is none; without it their other promises can be tried."""
    try:
        json.loads(params.get("Policy", "{}"))
    except ValueError:
        MENDED.append(params.pop("Policy"))


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """An installation that does not serve yet, and a copy of its data before there was any key."""
    folder = tmp_path_factory.mktemp("moto")
    installation = Installation(folder, account=DEFAULT_ACCOUNT_ID, regions=REGIONS).start()
    assert installation.stop() == 0, installation.tail()
    shutil.copytree(installation.data, folder / "empty")
    return installation, folder / "empty"


@pytest.fixture(autouse=True)
def server(made, monkeypatch):
    """Serves with no keys, for each test anew: moto forgets everything between them."""
    installation, empty = made
    shutil.rmtree(installation.data)
    shutil.copytree(empty, installation.data)
    installation.start()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in installation.env.items():
        if name.startswith("AWS_") and "REGION" not in name:
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    session = botocore.session.get_session()
    session.register("provide-client-params.kms.CreateKey", without_impossible_policy)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", boto3.Session(botocore_session=session))
    yield installation
    assert installation.stop() == 0, installation.tail()
