"""`make openapi`: write docs/openapi.json from the models."""

import json

from local import ROOT
from shared.http.openapi import document
from shared.http.routes import ROUTES

OPENAPI = ROOT / "docs" / "openapi.json"

if __name__ == "__main__":
    OPENAPI.write_text(json.dumps(document(ROUTES), indent=2) + "\n")
    print(f"wrote {OPENAPI.relative_to(ROOT)}")
