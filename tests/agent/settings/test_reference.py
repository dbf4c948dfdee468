"""config/README.md and config/example.toml say what the models say."""

import re
from pathlib import Path

from agent.settings import examine
from agent.settings.models import Settings
from agent.settings.reference import renewed
from agent.settings.wording import fields, model_of

CONFIG = Path(__file__).parents[3] / "config"


def test_the_page_is_as_new_as_the_models() -> None:
    page = (CONFIG / "README.md").read_text()
    assert renewed(page) == page, "run: python -m agent.settings.reference config/README.md"


def test_every_setting_has_a_type_and_a_meaning() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| ([^|]+) \| ([^|]*) \| ([^|]*) \| ([^|]+) \|$", (CONFIG / "README.md").read_text(), re.MULTILINE
    )
    assert not [row for row in rows if not row[1].strip() or not row[4].strip().endswith(".")]
    known = [name for info in fields(Settings).values() if (model := model_of(info)) for name in fields(model)]
    missing = set(known) - {row[0] for row in rows} - {"ports", "tls"}
    assert not missing


def test_the_example_is_right_and_nothing_in_it_is_worth_a_warning() -> None:
    examined = examine([CONFIG / "example.toml"])
    assert [str(fault) for fault in (*examined.faults, *examined.warnings)] == []
    assert examined.settings is not None
    assert examined.settings.store.path == CONFIG.parent / "var" / "sonda.db"
    assert all(device.address.startswith("127.") or device.address == "::1" for device in examined.settings.devices)


def test_the_example_is_right_with_all_that_is_commented_out(tmp_path: Path) -> None:
    text = (CONFIG / "example.toml").read_text()
    text = re.sub(r"^# (?=\[|\w+ = )", "", text, flags=re.MULTILINE).replace("/etc/sonda/secrets", str(tmp_path))
    for name in ("snmp-auth", "snmp-priv", "mqtt"):
        (tmp_path / name).write_text("correct horse")
        (tmp_path / name).chmod(0o600)
    (tmp_path / "sonda.toml").write_text(text)
    examined = examine([tmp_path / "sonda.toml"])
    assert [str(fault) for fault in (*examined.faults, *examined.warnings)] == []
    assert examined.settings is not None
    assert examined.settings.mqtt.port == 8883
    assert examined.settings.devices[1].snmp == "site"
