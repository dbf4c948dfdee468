"""Whatever stands in the files: settings, or sentences with file and line. Nothing else is raised, and nothing waits."""

import os
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from agent.profiles import SHIPPED, examine_library
from agent.settings import Fault, Settings, SettingsError, Surroundings, examine, load
from agent.settings.convert import broker, snmp_credential, store_limits
from agent.settings.reload import Rejected, Reloaded, reload
from agent.site import host_names, plan_site
from tests.agent.settings.mutations import spoilt
from tests.agent.settings.writing import SITE, write

HERE = Path(__file__).parents[2]
SECRETS = Surroundings(environ={"SONDA_TEST": "correct horse", "SONDA_TEST_SECRET": "hunter2-hunter2"})
WHOLE = (
    SITE.replace("[network]", 'timezone = "Europe/Rome"\n[network]')
    + """
[echo]
infrastructure_s = 1.0
[snmp]
timeout_s = 2.0
retries = 2
[[device]]
name = "Core switch"
role = "switch"
address = "core.example.net"
parents = ["Router"]
snmp = "lab"
status_s = 30
ports = { include = ["ge*"], fast = ["uplink*"] }
[[credential]]
name = "lab"
version = "3"
user = "sonda"
auth = "sha256"
auth_secret = { env = "SONDA_TEST" }
priv = "aes128"
priv_secret = { env = "SONDA_TEST" }
[[maintenance]]
devices = ["Core switch"]
start = 2026-03-01T22:00:00
end = 2026-03-02T02:00:00+01:00
[mqtt]
host = "broker.example.net"
username = "probe"
password = { env = "SONDA_TEST" }
[mqtt.tls]
minimum_version = "1.2"
[http]
port = 8405
[store]
max_bytes = "2 GB"
keep_minute_days = 2
"""
)
LONGEST = 2000
"""Characters of one sentence, with the path of its file."""


def bases() -> list[bytes]:
    written = [WHOLE, SITE]
    files = [*sorted((HERE / "bad_config").glob("*.toml")), HERE.parent / "config" / "example.toml"]
    return [*(text.encode() for text in written for _ in range(20)), *(file.read_bytes() for file in files)]


def agree(faults: Sequence[Fault], files: Sequence[Path]) -> None:
    """Each is a sentence of one line about one of the files."""
    assert faults
    for fault in faults:
        said = str(fault)
        assert said.endswith((".", "?")) and "\n" not in said and len(said) < LONGEST, said
        assert fault.message and fault.place is not None and fault.place.file in files, said
        said.encode()


def tried(file: Path, old: Settings) -> bool:
    """Whether these settings can be used; then all of them is used as the agent does."""
    examined = examine([file], surroundings=SECRETS)
    answer = reload(old, [file], surroundings=SECRETS)
    if examined.settings is None:
        agree(examined.faults, examined.files or [file])
        assert isinstance(answer, Rejected)
        return False
    assert isinstance(answer, Reloaded) and answer.difference.sentence()
    if examined.warnings:
        agree(examined.warnings, examined.files)
    settings = answer.settings
    plan = plan_site(settings, (), dict.fromkeys(host_names(settings), "10.9.2.9"))
    assert len(plan.devices) >= len(settings.devices)
    broker(settings.mqtt), store_limits(settings.store)
    for credential in settings.credentials:
        snmp_credential(credential)
    return True


def many(folder: Path, rounds: int, seed: int) -> tuple[int, int]:
    """(accepted, refused) of so many spoilt configurations."""
    old = examine([write(folder, base=WHOLE)], surroundings=SECRETS).settings
    assert old is not None
    file, random, texts = folder / "spoilt" / "sonda.toml", Random(seed), bases()
    file.parent.mkdir()
    accepted = 0
    for _ in range(rounds):
        file.write_bytes(spoilt(random.choice(texts), random))
        accepted += tried(file, old)
    return accepted, rounds - accepted


def test_three_hundred_spoilt_configurations_are_sentences_or_settings(tmp_path: Path) -> None:
    accepted, refused = many(tmp_path, 300, seed=1)
    assert accepted and refused


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(10))
def test_ten_thousand_spoilt_configurations_are_sentences_or_settings(tmp_path: Path, seed: int) -> None:
    accepted, refused = many(tmp_path, 1000, seed=100 + seed)
    assert accepted and refused


def profiles(folder: Path, rounds: int, seed: int) -> int:
    """How many spoilt profiles of a user's own are left out; the others are as good as before."""
    random, left_out = Random(seed), 0
    texts = [file.read_bytes() for file in sorted(SHIPPED.glob("*.toml")) if file.stat().st_size < 3000]
    for _ in range(rounds):
        file = folder / "own-device.toml"
        file.write_bytes(spoilt(random.choice(texts), random))
        library = examine_library(SHIPPED, folder, thorough=False)
        mine = [fault for fault in library.faults if fault.place is None or fault.place.file == file]
        if mine:
            agree(mine, [file])
        left_out += file.stem not in library.heads
        library.profile("own-device" if "own-device" in library.heads else None)
    return left_out


def test_thirty_spoilt_profiles_are_left_out_with_a_sentence(tmp_path: Path) -> None:
    assert profiles(tmp_path, 30, seed=2)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_thousand_spoilt_profiles_are_left_out_with_a_sentence(tmp_path: Path) -> None:
    assert profiles(tmp_path, 1000, seed=3)


# -- the examples -------------------------------------------------------------------------------------------------------


def faults_of(file: Path) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        load([file])
    return [str(fault) for fault in refused.value.faults]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (f"[http]\nport = {'9' * 5000}\n", 15, "a number of more digits than any setting has."),
        (f"[http]\nport = 0x{'f' * 5000}\n", 15, '"port": holds a number of more digits than any setting has.'),
        ("[http]\nport = 9223372036854775808\n", 15, '"port": holds a number of more digits than any setting has.'),
        (f"x = {'[' * 200}{']' * 200}\n", 14, "nested too deeply to be a configuration."),
        (f"x = {'{a = ' * 400}1{'}' * 400}\n", 14, "nested too deeply to be a configuration."),
        (f"{'a.' * 300_000}a = 1\n", 14, "nested too deeply to be a configuration."),
        (f"[{'a.' * 100}a]\n", 14, "nested too deeply to be a configuration."),
    ],
)
def test_what_no_parser_likes_is_a_sentence_with_its_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    file = write(tmp_path, text)
    assert faults_of(file) == [f"{file}:{line}: {said}"]


def test_sizes_and_homes_that_cannot_be_are_sentences(tmp_path: Path) -> None:
    text = f'[store]\nmax_bytes = "{"9" * 400} GB"\npath = "~nobody-of-this-name/x"\n'
    sizes, homes = faults_of(write(tmp_path, text))
    assert "expected a size that a disk can have." in sizes
    assert homes.endswith("and whose home that is cannot be known. Write the path from / on.")


@pytest.mark.parametrize("zone", ["UTC", "Europe/Rome", "America/New_York", "Asia/Tokyo"])
def test_planned_work_at_the_ends_of_the_calendar_can_be_planned(tmp_path: Path, zone: str) -> None:
    text = "[[maintenance]]\nstart = 0001-01-01T00:00:00\nend = 9999-12-31T23:59:59\n"
    base = SITE.replace("[network]", f'timezone = "{zone}"\n[network]')
    settings = load([write(tmp_path, text, base=base)])
    assert plan_site(settings, (), {}).maintenance


def test_what_is_no_file_in_conf_d_is_said_and_waited_for_by_nobody(tmp_path: Path) -> None:
    file = write(tmp_path)
    folder = tmp_path / "conf.d"
    (folder / "a.toml").mkdir(parents=True)
    (folder / "b.toml").symlink_to(folder / "c.toml")
    (folder / "c.toml").symlink_to(folder / "b.toml")
    (folder / "d.toml").symlink_to(tmp_path / "gone.toml")
    os.mkfifo(folder / "e.toml")
    (folder / "f.toml").symlink_to("/dev/zero")
    (folder / "g.toml").symlink_to("/dev/null")
    (folder / os.fsdecode(b"h\xff.toml")).write_text("x")
    said = [fault.removeprefix(f"{folder}/").partition(": ") for fault in faults_of(file)]
    assert [(name, text.partition(",")[0].partition(".")[0]) for name, _, text in said] == [
        ("a.toml", "a directory"),
        ("b.toml", "cannot be read: Too many levels of symbolic links"),
        ("c.toml", "cannot be read: Too many levels of symbolic links"),
        ("d.toml", "there is no such file"),
        ("e.toml", "is no ordinary file"),
        ("f.toml", "is no ordinary file"),
        ("h\\udcff.toml:1", "not TOML: expected '=' after a key in a key/value pair"),
    ]


def test_a_secret_in_a_pipe_that_nobody_writes_into_is_empty(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    text = '[mqtt]\nhost = "b"\nusername = "u"\npassword = { file = "pipe" }\n'
    assert [
        fault
        for fault in faults_of(write(tmp_path, text))
        if fault.endswith("is empty, expected a secret in one line.")
    ]
