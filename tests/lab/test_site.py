"""The whole: `sonda run` watches a site of namespaces; API and broker show the same figures, and they are right."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.site import ROOT, Site
from tests.programs import need_lab

pytestmark = pytest.mark.lab


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    need_lab("snmpd", "mosquitto", "mosquitto_sub", "ping")
    with Site(tmp_path) as made:
        yield made


def test_the_site_is_as_drawn(site: Site) -> None:
    answered = {
        address: "1 received" in site.probe.run("ping", "-n", "-c1", "-W0.3", address, check=False)
        for address in ("10.20.0.1", "10.20.1.2", "10.20.2.2", "10.20.0.99", "10.20.1.99")
    }
    assert list(answered.values()) == [True, True, True, False, False]
    with site.probe.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP):
        pass
    broker = ["mosquitto_pub", "-h", "10.20.2.2", "-p", str(site.broker.port), "-u", "probe-1", "-P", "broker's secret"]
    site.probe.run(*broker, "-t", f"{ROOT}/status", "-m", "online")
    site.probe.run(*broker, "-t", "somewhere/else", "-m", "not recorded")
    assert [message.topic for message in site.recorder.wait(1)] == [f"{ROOT}/status"]
