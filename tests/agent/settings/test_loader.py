"""Files, conf.d, places, and what the settings are once they are read."""

import os
from pathlib import Path

import pytest

from agent.settings import Overrides, SettingsError, examine, load
from agent.settings.rules import MANY_DEVICES, MOST_DEVICES, MOST_PLANNED
from agent.settings.sources import MAX_FILE_BYTES
from tests.agent.settings.writing import SITE, write


def faults(*paths: Path) -> list[str]:
    return [str(fault) for fault in examine(paths).faults]


def test_defaults(tmp_path: Path) -> None:
    settings = load([write(tmp_path)])
    assert settings.site.name == "bologna"
    assert str(settings.site.zone) == "UTC"
    assert (settings.echo.infrastructure_s, settings.echo.internet_s, settings.echo.endpoint_s) == (1, 5, 10)
    assert (settings.snmp.status_s, settings.snmp.counters_s) == (60, 300)
    assert not settings.mqtt.enabled
    assert (settings.http.host, settings.http.port) == ("127.0.0.1", 8080)
    assert settings.store.path == Path("/var/lib/sonda/sonda.db")
    assert settings.store.max_bytes == 4_000_000_000
    assert [device.id for device in settings.devices] == ["router"]


@pytest.mark.parametrize(
    ("written", "port"),
    [
        ("", 1883),
        ("[mqtt.tls]", 8883),
        ("[mqtt.tls]\nenabled = false", 1883),
        ('transport = "websocket"', 80),
        ('transport = "websocket"\n[mqtt.tls]', 443),
        ("port = 4711\n[mqtt.tls]", 4711),
    ],
)
def test_the_port_of_the_broker_follows_from_how_it_is_reached(tmp_path: Path, written: str, port: int) -> None:
    assert load([write(tmp_path, f'[mqtt]\nhost = "broker"\n{written}\n')]).mqtt.port == port


@pytest.mark.parametrize(
    ("name", "made"), [("Core Switch", "core-switch"), ("Café Süd!", "cafe-sud"), ("x" * 80, "x" * 40)]
)
def test_a_device_gets_its_id_from_its_name(tmp_path: Path, name: str, made: str) -> None:
    settings = load([write(tmp_path, f'[[device]]\nname = "{name}"\nrole = "switch"\naddress = "sw"\n')])
    assert settings.devices[1].id == made


@pytest.mark.parametrize(
    "address", ["10.9.2.7", "2001:db8::7", "fe80::7%eth0", "::1", "switch", "a.example.", "my_host.lan", "7.example"]
)
def test_addresses_that_are_right(tmp_path: Path, address: str) -> None:
    settings = load([write(tmp_path, f'[[device]]\nname = "x"\nrole = "switch"\naddress = "{address}"\n')])
    assert settings.devices[1].address == address


def test_conf_d_adds_devices_and_overrides_single_values(tmp_path: Path) -> None:
    main = write(tmp_path, "[http]\nport = 8081\n[echo]\ninternet_s = 7\n")
    write(tmp_path, '[[device]]\nname = "B"\nrole = "switch"\naddress = "b"\n', "conf.d/20-b.toml", base="")
    write(
        tmp_path,
        '[[device]]\nname = "A"\nrole = "switch"\naddress = "a"\n[http]\nport = 9000\n',
        "conf.d/10-a.toml",
        "",
    )
    write(tmp_path, "[nonsense", "conf.d/30-c.toml.bak", base="")
    write(tmp_path, "[nonsense", "conf.d/.30-d.toml", base="")
    examined = examine([main])
    assert examined.settings is not None
    assert [device.name for device in examined.settings.devices] == ["Router", "A", "B"]
    assert (examined.settings.http.port, examined.settings.echo.internet_s) == (9000, 7)
    assert [file.name for file in examined.files] == ["sonda.toml", "10-a.toml", "20-b.toml"]
    [override] = examined.overrides
    assert (override.setting, str(override.place), str(override.replaced)) == (
        "[http] port",
        f"{tmp_path}/conf.d/10-a.toml:6",
        f"{main}:15",
    )


def test_a_faulty_override_names_both_places(tmp_path: Path) -> None:
    main = write(tmp_path, "[http]\nport = 8081\n")
    later = write(tmp_path, "\n[http]\nport = 0\n", "conf.d/a.toml", base="")
    assert faults(main) == [
        f"{later}:3: [http] port: found 0, expected a whole number from 1 to 65535 (it overrides {main}:15)."
    ]


def test_faults_in_appended_devices_have_their_own_file_and_line(tmp_path: Path) -> None:
    main = write(tmp_path)
    later = write(tmp_path, '\n\n[[device]]\nname = "X"\nrole = "hub"\naddress = "x"\n', "conf.d/a.toml", base="")
    [fault] = faults(main)
    assert fault.startswith(f'{later}:5: [[device]] "X" role: found "hub"')


def test_clashes_across_files_name_both(tmp_path: Path) -> None:
    main = write(tmp_path)
    later = write(tmp_path, '[[device]]\nname = "Router"\nrole = "router"\naddress = "x"\n', "conf.d/a.toml", base="")
    assert faults(main) == [f'{later}:2: [[device]] "Router" name: another device is named "Router" ({main}:11).']


def test_several_files_can_be_named_and_none_counts_twice(tmp_path: Path) -> None:
    main = write(tmp_path)
    more = write(tmp_path, '[[device]]\nname = "A"\nrole = "switch"\naddress = "a"\n', "more.toml", base="")
    settings = load([main, more, main])
    assert [device.name for device in settings.devices] == ["Router", "A"]


def test_a_missing_file_says_what_was_probably_meant(tmp_path: Path) -> None:
    write(tmp_path)
    [fault] = faults(tmp_path / "snoda.toml")
    assert fault == f"{tmp_path}/snoda.toml: there is no such file. Did you mean {tmp_path}/sonda.toml?"
    (tmp_path / "pyproject.toml").touch()
    [fault] = faults(tmp_path / "nope.toml")
    assert "Did you mean" not in fault, "that both end in .toml makes them not alike"
    [fault] = faults(tmp_path / "elsewhere" / "x.toml")
    assert "there is no such file" in fault
    assert "--config" in fault


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    write(tmp_path)
    [fault] = faults(tmp_path)
    assert fault == f"{tmp_path}: a directory, expected a TOML file. Did you mean {tmp_path}/sonda.toml?"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a file that another user may not read")
@pytest.mark.lab
def test_a_file_the_user_may_not_read_says_who_and_how(tmp_path: Path) -> None:
    file = write(tmp_path)
    file.chmod(0o600)
    os.chmod(tmp_path, 0o755)  # noqa: PTH101 - beside seteuid it reads as what it is
    for parent in tmp_path.parents:
        if str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    os.seteuid(65534)
    try:
        [fault] = faults(file)
    finally:
        os.seteuid(0)
    assert fault.startswith(f'{file}: the user "nobody" may not read it. Run this with sudo, or')


def test_a_file_that_is_no_configuration_is_not_swallowed(tmp_path: Path) -> None:
    huge = tmp_path / "huge.toml"
    huge.write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    deep = write(tmp_path, f"x = {'[' * 5000}{']' * 5000}\n", "deep.toml", base="")
    assert [fault.split(": ", 1)[1][:10] for fault in faults(huge)] == ["larger tha"]
    assert faults(deep) == [f"{deep}:1: nested too deeply to be a configuration."]


def test_files_that_cannot_be_read_are_said_together_and_hide_no_other_fault(tmp_path: Path) -> None:
    main = write(tmp_path, "[http]\nport = 0\n")
    write(tmp_path, "x = \n", "conf.d/a.toml", base="")
    (tmp_path / "conf.d" / "b.toml").write_bytes(b"\xff")
    said = faults(main)
    assert [fault.split(": ")[0].removeprefix(f"{tmp_path}/") for fault in said] == [
        "sonda.toml:15",
        "conf.d/a.toml:1",
        "conf.d/b.toml:1",
    ]


def test_what_windows_writes_is_read(tmp_path: Path) -> None:
    file = tmp_path / "sonda.toml"
    file.write_bytes(b"\xef\xbb\xbf" + (SITE + "[http]\nport = 0\n").replace("\n", "\r\n").encode())
    assert faults(file) == [f"{file}:15: [http] port: found 0, expected a whole number from 1 to 65535."]


def test_relative_paths_start_at_the_file_they_stand_in(tmp_path: Path) -> None:
    main = write(tmp_path, '[store]\npath = "a.db"\n')
    assert load([main]).store.path == tmp_path / "a.db"
    write(tmp_path, '[store]\npath = "b.db"\n', "conf.d/a.toml", base="")
    assert load([main]).store.path == tmp_path / "conf.d" / "b.db"


def test_the_command_line_overrides_the_files(tmp_path: Path) -> None:
    main = write(tmp_path, '[mqtt]\nhost = "broker"\n')
    settings = load([main], Overrides(http_port=1, mqtt_port=2))
    assert (settings.http.port, settings.mqtt.port) == (1, 2)


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    settings = load([write(tmp_path)])
    with pytest.raises(ValueError, match="frozen"):
        settings.http.port = 1  # type: ignore[misc]  # the type checker refuses it as well


def test_the_error_says_all(tmp_path: Path) -> None:
    file = write(tmp_path, "[http]\nport = 0\n[log]\nlevel = 1\n")
    with pytest.raises(SettingsError) as caught:
        load([file])
    assert str(caught.value).splitlines() == faults(file)
    assert len(caught.value.faults) == 2


def test_five_hundred_devices_are_read_at_once(tmp_path: Path) -> None:
    """Time grows with the devices: 500 in a chain of parents are no special case."""
    text = "".join(
        f'[[device]]\nname = "d{n}"\nrole = "switch"\naddress = "198.51.{n // 250}.{n % 250 + 1}"\nparents = ["{parent}"]\n'
        for n in range(500)
        for parent in [f"d{n - 1}" if n else "Router"]
    )
    examined = examine([write(tmp_path, text)])
    assert examined.settings is not None
    assert len(examined.settings.devices) == 501
    circle = text.replace('parents = ["Router"]', 'parents = ["d499"]')
    [fault] = faults(write(tmp_path, circle))
    assert "round in a circle" in fault
    assert len(fault) < 500


def devices_text(count: int, more: str = "") -> str:
    return "".join(
        f'[[device]]\nname = "d{n}"\nrole = "switch"\naddress = "198.51.{n // 250}.{n % 250 + 1}"\n{more}'
        for n in range(count - 1)
    )


def test_more_devices_than_one_probe_can_watch_are_refused_and_many_are_warned_of(tmp_path: Path) -> None:
    def lines(count: int) -> list[str]:
        examined = examine([write(tmp_path, devices_text(count))])
        assert (examined.settings is None) == bool(examined.faults)
        return [str(fault).partition(": ")[2] for fault in (*examined.faults, *examined.warnings)]

    assert lines(MANY_DEVICES) == []
    [warning] = lines(MANY_DEVICES + 1)
    assert warning == (
        'warning: [[device]] "d499": this is one of 501 devices: more than 500 need a faster machine than a Raspberry Pi.'
    )
    assert not examine([write(tmp_path, devices_text(MOST_DEVICES))]).faults
    fault = lines(MOST_DEVICES + 1)[0]
    assert fault == (
        '[[device]] "d999": this is one of 1,001 devices, and one probe watches at most 1,000. '
        "Share the site out between several probes."
    )


def test_echoes_that_a_small_machine_cannot_send_are_warned_of(tmp_path: Path) -> None:
    examined = examine([write(tmp_path, devices_text(300, "echo_s = 0.2\n"))])
    [said] = map(str, examined.warnings)
    assert "all devices together get 1,496 echoes a second" in said


def test_planned_times_beyond_what_is_looked_at_are_refused(tmp_path: Path) -> None:
    text = "[[maintenance]]\nstart = 2026-01-01T00:00:00\nend = 2026-01-01T01:00:00\n" * (MOST_PLANNED + 1)
    [fault] = faults(write(tmp_path, text))
    assert "this is one of 501 planned times, and at most 500 are looked at" in fault


def test_a_section_within_one_that_is_not_written(tmp_path: Path) -> None:
    said = faults(write(tmp_path, '[mqtt.tls]\nminimum_version = "1.3"\n'))
    assert len(said) == 1
    assert said[0].startswith(f"{tmp_path}/sonda.toml:14: [mqtt] host is missing")


def test_what_is_set_twice_in_a_file_with_more_that_is_wrong(tmp_path: Path) -> None:
    said = faults(write(tmp_path, "[log]\n[log]]\n"))
    assert said == [
        f"{tmp_path}/sonda.toml:15: sets the same thing twice, or as two different kinds. Keep one of the two."
    ]
