"""The JSON schema of a profile, for editors: `python -m agent.profiles.reference config/profiles/schema.json`.

A test fails while the file is older than the models.
"""

import json
import sys
from pathlib import Path

from agent.profiles.schema import ProfileModel


def json_schema() -> str:
    """The text of config/profiles/schema.json."""
    return json.dumps(ProfileModel.model_json_schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json_schema(), encoding="utf-8")
