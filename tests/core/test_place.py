"""Places as settings name them: paths, and URLs that never hold a secret."""

import pytest

from tidemill.core.errors import InvalidInputError
from tidemill.core.place import refuse_secret, scheme_of
from tidemill.core.settings import resolve_settings

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("place", "scheme"),
    [
        ("postgresql://db/mill", "postgresql"), ("s3://bucket/prefix?region=x", "s3"),
        ("ledger.db", ""), ("/srv/a:b/ledger.db", ""), ("C:/ledger.db", ""), ("a//b", ""),
    ],
)  # fmt: skip
def test_the_scheme_of_a_place_is_what_stands_before_its_slashes(place, scheme) -> None:
    assert scheme_of(place) == scheme


@pytest.mark.parametrize(
    "place",
    [
        f"postgresql://ada:{SECRET}@db/mill", f"postgresql://ada:{SECRET}/@db/mill",
        f"postgresql://db/mill?password={SECRET}", f"postgresql://db/mill?a=1&sslpassword={SECRET}",
        f"s3://bucket/x?secret_access_key={SECRET}", f"s3://bucket?aws_session_token={SECRET}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("setting", ["record.ledger", "record.objects"])
def test_a_secret_in_a_url_is_refused_and_not_repeated(place, setting) -> None:
    section, key = setting.split(".")
    variable = f"TIDEMILL_{section}_{key}".upper()
    for file, environment in (({section: {key: place}}, {}), ({}, {variable: place})):
        with pytest.raises(InvalidInputError) as caught:
            resolve_settings(file, environment)
        assert SECRET not in str(caught.value)
        assert setting in caught.value.what
        assert "environment" in caught.value.fix


@pytest.mark.parametrize(
    "place",
    [
        "postgresql://ada@db:5432/mill?schema=one&sslmode=require", "postgresql:///mill",
        "postgresql://[::1]:5432/mill", "ledger.db", "postgresql://a,b/mill", "odd:name@x/ledger",
    ],
)  # fmt: skip
def test_a_place_without_a_secret_passes(place) -> None:
    refuse_secret(place, "record.ledger", "tidemill.toml")


def test_a_scheme_that_no_ledger_has_is_refused_with_those_that_it_may_be() -> None:
    with pytest.raises(InvalidInputError, match=r"a path.* or postgresql://USER@HOST/DATABASE"):
        resolve_settings({"record": {"ledger": "mysql://db/mill"}}, {})
