"""Secrets by reference: a file, an environment variable or a systemd credential; never in the configuration itself.

The value is a SecretStr from the moment it is read; no repr, fault, log line or difference ever shows it.
"""

import difflib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from agent.settings.sources import user_name, without_waiting
from agent.settings.types import ConfigPath, refuse

BY_FILE = '{ file = "/etc/sonda/secrets/NAME" }'
"""How secrets are named; the other two ways are for where there is no such folder (`sonda help secrets`)."""
EXPECTED = '{ file = "..." }, { env = "..." } or { credential = "..." }'
MAX_SECRET_BYTES = 65536


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What secrets are read from, beside files. ``credentials_required`` False lets { credential } pass unread,
    with a warning: `sonda check` in a shell has no credentials directory, the service has."""

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    credentials_required: bool = True


class Secret(BaseModel):
    """A reference to a secret, and the secret. Write one of the three."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    file: ConfigPath | None = Field(None, description="A file that holds the secret in one line.")
    env: str | None = Field(None, description="An environment variable of the agent's process.")
    credential: str | None = Field(
        None, description="A systemd credential: LoadCredential= in the unit, read from $CREDENTIALS_DIRECTORY."
    )
    _value: SecretStr = PrivateAttr(default=SecretStr(""))
    _warnings: tuple[str, ...] = PrivateAttr(default=())

    @model_validator(mode="before")
    @classmethod
    def _not_plain(cls, value: Any) -> Any:
        if isinstance(value, str):
            refuse(
                "found the secret itself as text, expected a reference",
                f"Put it in a file of its own, and write {BY_FILE}.",
            )
        if isinstance(value, dict) and len([name for name in ("file", "env", "credential") if name in value]) != 1:
            refuse(f"expected exactly one of {EXPECTED}")
        return value

    @model_validator(mode="after")
    def _read(self, info: ValidationInfo) -> Self:
        around = info.context if isinstance(info.context, Surroundings) else Surroundings()
        if self.file is not None:
            self._from_file(self.file)
        elif self.env is not None:
            text = around.environ.get(self.env)
            if not text:
                state = "is empty" if text is not None else "is not set"
                refuse(f"the environment variable {self.env} {state}", "Set it in the service's EnvironmentFile=.")
            self._value = SecretStr(text)
        elif self.credential is not None:
            self._from_credential(self.credential, around)
        return self

    def _from_credential(self, name: str, around: Surroundings) -> None:
        folder = around.environ.get("CREDENTIALS_DIRECTORY")
        if folder:
            self._from_file(Path(folder) / name, hint=f"Write LoadCredential={name}:/path/of/the/secret in the unit.")
        elif around.credentials_required:
            refuse(
                f'the systemd credential "{name}" cannot be read: CREDENTIALS_DIRECTORY is not set',
                f"Run the agent as a systemd service with LoadCredential={name}:/path/of/the/secret.",
            )
        else:
            self._warnings = (f'the systemd credential "{name}" was not checked: only the service can read it',)

    def _from_file(self, file: Path, hint: str = "") -> None:
        try:
            with open(file, "rb", opener=without_waiting) as stream:
                raw = stream.read(MAX_SECRET_BYTES + 1)
        except FileNotFoundError:
            near = _near(file)
            write = hint or "Write the secret into it, in one line."
            refuse(f"there is no file {file}", f"Did you mean {near}? Else: {write}" if near else write)
        except IsADirectoryError:
            refuse(f"{file} is a directory, expected a file with the secret in one line", hint)
        except PermissionError:
            refuse(
                f'the user "{user_name()}" may not read {file}',
                hint or f"Let it: sudo chgrp sonda {file} && sudo chmod g+r {file}.",
            )
        except OSError as error:
            refuse(f"{file} cannot be read: {error.strerror or error}", hint)
        self._value = SecretStr(_one_line(raw, file))
        if others_may_read(file):
            self._warnings = (f"everybody on this machine can read {file}: sudo chmod o-r {file}",)

    @property
    def known(self) -> bool:
        """False where a check passed a systemd credential unread."""
        return bool(self._value.get_secret_value())

    @property
    def warnings(self) -> tuple[str, ...]:
        return self._warnings

    def reveal(self) -> str:
        """The secret itself, for the one call that sends it."""
        return self._value.get_secret_value()

    def reveal_bytes(self) -> bytes:
        """The secret as UTF-8 octets."""
        return self.reveal().encode()


def _near(file: Path) -> Path | None:
    """A file beside it whose name is nearly the same; None where there is none, or nobody may look."""
    try:
        names = [entry.name for entry in file.parent.iterdir() if entry.is_file()]
    except OSError:
        return None
    near = difflib.get_close_matches(file.name, names, n=1, cutoff=0.75)
    return file.parent / near[0] if near else None


def others_may_read(file: Path) -> bool:
    """Whether every user of this machine may read it: by its own mode, and by those of the folders on the way."""
    try:
        real = file.resolve(strict=True)
        ways = [folder.stat().st_mode & stat.S_IXOTH for folder in real.parents]
        return bool(real.stat().st_mode & stat.S_IROTH) and all(ways)
    except OSError:
        return False


def secrets_in(value: object) -> Iterator[Secret]:
    """Every secret that settings, or a part of them, refer to."""
    if isinstance(value, Secret):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from secrets_in(getattr(value, name))
    elif isinstance(value, tuple):
        for item in value:
            yield from secrets_in(item)


def read_secret(file: Path) -> str:
    """A secret in one line of a file, as settings read it. Raises ValueError with a sentence that has no secret."""
    try:
        return Secret.model_validate({"file": file}).reveal()
    except ValidationError as error:
        context = error.errors(include_url=False, include_input=False)[0].get("ctx", {})
    raise ValueError(context.get("message", "the file cannot be read"))


def _one_line(raw: bytes, file: Path) -> str:
    if len(raw) > MAX_SECRET_BYTES:
        refuse(f"{file} is larger than {MAX_SECRET_BYTES} bytes, expected a secret in one line")
    try:
        text = raw.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        refuse(f"{file} is not UTF-8 text, expected a secret in one line")
    if not text:
        refuse(f"{file} is empty, expected a secret in one line")
    if "\n" in text:
        refuse(f"{file} has {text.count(chr(10)) + 1} lines, expected a secret in one line")
    return text
