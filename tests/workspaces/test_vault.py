"""Secrets at rest."""

from typing import Any

import pytest

from workspaces.errors import Unavailable
from workspaces.vault import seal, unseal


def test_a_sealed_secret_is_not_readable_and_comes_back() -> None:
    sealed = seal("schlüssel")
    assert "schlüssel" not in sealed
    assert sealed != seal("schlüssel")
    assert unseal(sealed) == "schlüssel"


def test_another_secret_key_cannot_open_it(settings: Any) -> None:
    sealed = seal("secret")
    settings.SECRET_KEY = "another"
    with pytest.raises(Unavailable, match="another secret key"):
        unseal(sealed)


@pytest.mark.parametrize("damaged", ["", "x", "é"])
def test_damage_is_said(damaged: str) -> None:
    with pytest.raises(Unavailable):
        unseal(damaged)
