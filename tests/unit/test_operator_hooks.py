"""Which webhook calls are believed: MLflow's own signatures, and nothing else."""

import time

import pytest
from mlflow.webhooks.delivery import _generate_hmac_signature

from driftlead_operator.registry.hooks import HookError, read, verify

SECRET = "the webhook's secret"
BODY = b'{"entity": "model_version_alias", "action": "created", "data": {}}'
NOW = 1_800_000_000.0


def headers(
    *, secret: str = SECRET, body: bytes = BODY, at: float = NOW, delivery: str = "d1"
) -> dict[str, str]:
    timestamp = str(int(at))
    signature = _generate_hmac_signature(secret, delivery, timestamp, body.decode())
    return {
        "X-MLflow-Signature": signature,
        "X-MLflow-Timestamp": timestamp,
        "X-MLflow-Delivery-Id": delivery,
    }


def refusal(sent: dict[str, str], body: bytes = BODY) -> str:
    with pytest.raises(HookError) as error:
        verify(SECRET.encode(), sent, body, NOW)
    return error.value.result


def test_what_mlflow_signs_is_believed() -> None:
    assert verify(SECRET.encode(), headers(), BODY, NOW) == "d1"


def test_one_right_signature_among_several_is_enough_while_a_secret_rotates() -> None:
    sent = headers()
    sent["X-MLflow-Signature"] = f"v1,wrong {sent['X-MLflow-Signature']}"
    assert verify(SECRET.encode(), sent, BODY, NOW) == "d1"


def test_another_secret_is_refused() -> None:
    assert refusal(headers(secret="guess")) == "unsigned"


def test_another_body_under_the_same_signature_is_refused() -> None:
    assert refusal(headers(), BODY.replace(b"created", b"deleted")) == "unsigned"


def test_another_delivery_id_under_the_same_signature_is_refused() -> None:
    assert refusal(headers() | {"X-MLflow-Delivery-Id": "d2"}) == "unsigned"


@pytest.mark.parametrize("missing", ["X-MLflow-Signature", "X-MLflow-Timestamp", "X-MLflow-Delivery-Id"])
def test_a_call_without_one_of_the_headers_is_refused(missing: str) -> None:
    sent = headers()
    del sent[missing]
    assert refusal(sent) == "unsigned"


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_signature_from_another_time_is_refused(seconds: float) -> None:
    assert refusal(headers(at=NOW + seconds)) == "stale"


def test_a_timestamp_that_is_no_number_is_refused() -> None:
    sent = headers()
    signature = _generate_hmac_signature(SECRET, "d1", "soon", BODY.decode())
    assert refusal(sent | {"X-MLflow-Timestamp": "soon", "X-MLflow-Signature": signature}) == "stale"


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"entity": "x"}', b"\xff"])
def test_a_signed_body_that_is_no_webhook_is_malformed(body: bytes) -> None:
    with pytest.raises(HookError) as error:
        read(body)
    assert error.value.result == "malformed"


def test_checking_takes_no_clock_of_its_own() -> None:
    assert abs(time.time() - NOW) > 301  # else the tests above would prove nothing
