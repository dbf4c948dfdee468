"""New settings with what differs, or faults and the old ones stay."""

from pathlib import Path

from agent.settings import Overrides, load
from agent.settings.models import Settings
from agent.settings.reload import Difference, Rejected, Reloaded, reload
from tests.agent.settings.writing import SITE, write

DEVICES = """
[[device]]
name = "A"
role = "switch"
address = "a"
snmp = "lab"
[[device]]
name = "B"
role = "switch"
address = "b"
[[credential]]
name = "lab"
version = "2c"
community = { file = "community" }
"""


def start(tmp_path: Path) -> tuple[Settings, Path]:
    (tmp_path / "community").write_text("one")
    (tmp_path / "community").chmod(0o600)
    file = write(tmp_path, DEVICES)
    return load([file]), file


def again(old: Settings, file: Path) -> Reloaded:
    result = reload(old, [file])
    assert isinstance(result, Reloaded), result
    return result


def test_nothing_changed(tmp_path: Path) -> None:
    old, file = start(tmp_path)
    result = again(old, file)
    assert not result.difference
    assert result.difference.sentence() == "Nothing changed."
    assert result.settings == old


def test_devices_come_go_and_change(tmp_path: Path) -> None:
    old, _ = start(tmp_path)
    text = DEVICES.replace('"B"', '"C"').replace('address = "a"', 'address = "a2"')
    result = again(old, write(tmp_path, text))
    assert result.difference == Difference(added=("c",), removed=("b",), changed=("a",))
    assert result.difference.sentence() == "Devices: 1 added (c), 1 removed (b), 1 changed (a)."
    assert [device.address for device in result.settings.devices] == ["10.9.100.1", "a2", "b"]


def test_ports_that_become_fast_change_their_device(tmp_path: Path) -> None:
    old, _ = start(tmp_path)
    first, second = DEVICES.split('[[device]]\nname = "B"')
    text = f'{first}ports = {{ fast = ["uplink*"] }}\n[[device]]\nname = "B"{second}'
    result = again(old, write(tmp_path, text))
    assert result.difference == Difference(changed=("a",))
    assert result.settings.devices[1].ports.fast == ("uplink*",)
    assert not again(result.settings, write(tmp_path, text)).difference


def test_a_new_secret_behind_the_same_reference_changes_its_devices(tmp_path: Path) -> None:
    old, file = start(tmp_path)
    (tmp_path / "community").write_text("zwei")
    result = again(old, file)
    assert result.difference == Difference(changed=("a",))
    assert result.settings.credentials[0].community is not None
    assert result.settings.credentials[0].community.reveal() == "zwei"
    assert "zwei" not in repr(result)


def test_what_counts_at_once_and_what_at_the_next_start(tmp_path: Path) -> None:
    old, _ = start(tmp_path)
    base = SITE.replace('"bologna"', '"ferrara"').replace("[network]", 'language = "it"\n[network]')
    more = '[echo]\ninternet_s = 9\n[mqtt]\nhost = "b"\n[http]\nport = 1234\n[store]\nmax_bytes = "1 GB"\n[log]\nlevel = "debug"\n'
    result = again(old, write(tmp_path, DEVICES + more, base=base))
    assert result.difference.sections == {"site", "echo", "mqtt", "log"}
    assert result.difference.at_start == ("[site] site", "[http] port", "[store] max_bytes")
    new = result.settings
    assert (new.site.site, new.http.port, new.store.max_bytes) == ("bologna", 8080, 4_000_000_000)
    assert (new.site.language, new.echo.internet_s, new.mqtt.host, new.log.level) == ("it", 9, "b", "debug")
    assert "[http] port" in result.difference.sentence()


def test_a_new_password_of_the_broker_counts(tmp_path: Path) -> None:
    mqtt = '[mqtt]\nhost = "b"\nusername = "u"\npassword = { file = "community" }\n'
    (tmp_path / "community").write_text("one")
    file = write(tmp_path, mqtt)
    old = load([file])
    (tmp_path / "community").write_text("two")
    assert again(old, file).difference == Difference(sections=frozenset({"mqtt"}))


def test_a_faulty_file_keeps_the_old_settings(tmp_path: Path) -> None:
    old, _ = start(tmp_path)
    result = reload(old, [write(tmp_path, "[http]\nport = 0\n")])
    assert isinstance(result, Rejected)
    assert [fault.place and fault.place.line for fault in result.faults] == [15]


def test_the_command_line_still_counts(tmp_path: Path) -> None:
    _, file = start(tmp_path)
    overrides = Overrides(http_port=1234)
    old = load([file], overrides)
    result = reload(old, [file], overrides)
    assert isinstance(result, Reloaded)
    assert not result.difference
