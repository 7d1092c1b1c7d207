"""Which texts and names give a secret away, and which only speak of one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.kernels.secret_text import is_secret_name, secret_text, without_secrets

R36 = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0dF3gH6"
"""Random text; the keys below are put together here so that this file holds none."""

SECRETS = [
    ("postgresql://admin:" + "S3cr3tPassw0rd@db.example.com/prod", "URL"),
    ("u = 'https://me:" + "P@$$w0rd!x@host.org/a'".replace("@$$", "$$"), "URL"),
    ("redis://:" + "hunter22@cache:6379/0", "URL"),
    ("AI" + "za" + R36[:35], "Google"),
    ("xox" + "b-1234567890-abcdefghij", "Slack"),
    ("xox" + "p-1234567890-abcdefghij", "Slack"),
    ("h" + f"f_{R36[:34]}", "Hugging Face"),
    ("s" + f"k-{R36}", "API key"),
    ("s" + f"k-proj-{R36}", "API key"),
    ("s" + f"k-ant-api03-{R36}", "API key"),
    ("g" + f"hp_{R36}", "GitHub"),
    ("github" + f"_pat_11ABCDEFG0_{R36}", "GitHub"),
    ("ey" + "JhbGciOiJIUzI1NiJ9.ey" + f"JzdWIiOiIxMjM0In0.{R36}", "web token"),
    ("AK" + "IA" + "ABCDEFGHIJKLMN23", "AWS"),
    ("-----BEGIN OPENSSH PRIVATE" + " KEY-----\nb3Bl", "private key"),
    ("pass" + "word = 'hunter2hunter2'", "password"),
    ("DB_PASS" + 'WORD: str = "correcthorse"', "password"),
    ("connect(user='a', pass" + "word='mysecretpassword')", "password"),
    ('{"dbPass' + 'word": "P@$$w0rd!"}', "password"),
    ("pass" + "wd='password123'", "password"),
    ("Server=db;User Id=ada;Pass" + "word=Tr0ub4dor&3;", "connection string"),
    ("Driver={ODBC};Server=db;UID=ada;P" + "WD=hunter22", "connection string"),
    ("host=db.prod user=ada pass" + "word=hunter22 dbname=mill", "connection string"),
    ("pass" + "word=hunter22 host=db.prod", "connection string"),
    ("Data Source=db;Initial Catalog=m;Pass" + "word='a b-c_d'".replace(" b", "Xb"), "password"),
    ("DefaultEndpointsProtocol=https;AccountName=m;Account" + f"Key={R36}{R36}==", "connection"),
    ("Endpoint=sb://m.servicebus.windows.net/;SharedAccess" + f"Key={R36}=", "connection"),
    ("Authorization: Bea" + f"rer {R36}", "header"),
    ("curl -H 'authorization: Ba" + "sic YWRhOmh1bnRlcjIyMjI='", "header"),
    ("they sent Bea" + f"rer {R36} along", "header"),
    ("https://m.blob.core.windows.net/c/b?sv=2022&s" + f"ig={R36}%3D", "signed URL"),
    ("https://hooks.sl" + "ack.com/services/T00AB12CD/B00AB12CD/" + R36[:24], "webhook"),
    ("np" + f"m_{R36}", "npm"),
    ("aws_secret_access" + f"_key = {R36}{R36[:4]}", "gives random text"),
    ("AWS_SECRET_ACCESS" + f"_KEY={R36}{R36[:4]}", "gives random text"),
    (f"x = 1\nAPI_TOKEN = '{R36}'", "gives random text"),
]
HARMLESS = [
    "password = 'changeme'",
    'password = "<password>"',
    'password = "your-password-here"',
    "password = '...........'",
    "password = 'short'",
    "password = '${DB_PASSWORD}'",
    "password = f'{name}-{suffix}'",
    "password = os.environ['DATABASE_PASSWORD_1']",
    "password = getpass.getpass('Password of the database: ')",
    "if password == 'something-to-compare':",
    "password_file = '/run/keys/database'",
    "password = '/run/keys/database'",
    "PASSWORD = 'password_confirmation_field'",
    "password='test-password'",
    "f'postgresql://{user}:{password}@{host}/db'",
    "postgresql://user:password@localhost/db",
    "https://user:pass@host",
    "postgres://postgres:postgres@localhost:5432/test",
    "http://localhost:8000/a@b",
    "https://example.org/a:b@c",
    "uses sk-learn-style-estimators-with-many-words",
    "hf_hub_download(repo_id, filename)",
    "ghp_" + "x" * 36,
    "sk-" + "X" * 30 + "1",
    "eyJ is how base64 of a brace begins",
    "Server=db;User Id=ada;Password=<password>;",
    "Server=db;User Id=ada;Password=***;",
    "host=db user=ada password=${DB_PASSWORD}",
    "host=localhost user=postgres password=postgres",
    "connect(host=host, user=user, password=password)",
    "connect(host=host, password=settings.password, port=5432)",
    "def f(port=None, username=None, password=None):",
    "    port=None, username=None, password=None,",
    "password = getpass()",
    "a password=secretary is no host",
    "password=hunter22 in a sentence",
    "Server=db;Trusted_Connection=True;Database=m",
    "Authorization: Bearer <token>",
    "Authorization: Bearer YOUR_TOKEN_HERE_PLEASE",
    "headers = {'Authorization': f'Bearer {token}'}",
    "the bearer of bad-news-that-is-long-enough",
    "https://example.org/?sig=none&page=2",
    "because the password rotation host=db.prod is done",
    "AccountKey is in the vault",
    "reset pwd; host=web1",
    "npm_config_registry=https://registry.npmjs.org",
    "tokens = tokenizer.encode(text, max_tokens=4096)",
    "b3:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
]


SECRETS += [
    ("password: hunter2" + "secret9", "gives a password as text"),
    ("  db_password: hunter2" + "secret9  # of the store", "gives a password as text"),
    ("AccountKey=" + "Zk3xQ9" * 14 + "Ab==", "holds the key of an account"),
]
HARMLESS += [
    "password: str8\n", "password: ${DB_PASSWORD_1}", "password: {{ secrets.DB1 }}",
    "def login(password: Secret8[str]) -> None: ...", "password: Text255 = field()",
    "AccountKey=<your account key goes here, base64>", "password: change-me-123",
]  # fmt: skip


@pytest.mark.parametrize(("text", "what"), SECRETS)
def test_a_secret_is_told_with_its_line_and_never_shown(text, what) -> None:
    for placed in (text, f"# one\n# two\n{text}\n"):
        told = secret_text(placed.encode())
        assert what in told
        assert told.startswith("line ")
        assert R36[:8] not in told
    assert told.startswith("line 3" if "\nAPI" not in text else "line 4")


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_speaks_of_a_secret_is_none(text) -> None:
    assert secret_text(text.encode()) == ""


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        ("password", True), ("db_password", True), ("PASSWD", True), ("client-secret", True),
        ("token", True), ("hf_token", True), ("api_key", True), ("apiKey", True),
        ("aws_secret_access_key", True), ("credentials", True), ("private_key", True),
        ("key", False), ("max_tokens", False), ("tokenizer", False), ("n_tokens", False),
        ("until", False), ("primary_key", False), ("secretary", False), ("password_length", False),
    ],
)  # fmt: skip
def test_a_name_is_a_secrets_by_its_last_words(name, is_secret) -> None:
    assert is_secret_name(name) is is_secret


@pytest.mark.parametrize(("text", "what"), SECRETS)
def test_a_secret_is_redacted_and_the_rest_is_kept(text, what) -> None:
    told = without_secrets(f"before {text}\nafter")
    assert secret_text(told.encode()) == "", what
    assert "[redacted]" in told
    assert told.startswith("before ")
    assert told.endswith("\nafter")


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_is_never_redacted(text) -> None:
    assert without_secrets(text) == text


@given(st.text())
def test_redacting_twice_is_redacting_once(text) -> None:
    once = without_secrets(text)
    assert without_secrets(once) == once
