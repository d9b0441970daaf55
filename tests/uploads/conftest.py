"""The app with short waits, and an uploader that tells of what it uploads."""

from __future__ import annotations

import pytest

from tests.uploads.scene import UploadScene


@pytest.fixture(scope="package")
async def uploads(tmp_path_factory):
    """The app on its local stack; a database is quiet after a second, and given up after an hour."""
    async with UploadScene(tmp_path_factory.mktemp("uploads")) as scene:
        yield scene


@pytest.fixture(scope="package")
async def impatient(tmp_path_factory):
    """The same, giving up after a second and a half."""
    async with UploadScene(tmp_path_factory.mktemp("impatient"), SHARDWARM_UPLOAD_GIVE_UP_SECONDS="1.5") as scene:
        yield scene
