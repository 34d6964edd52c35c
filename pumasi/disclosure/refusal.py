"""Why nothing leaves: a code is all that the hub is told, never a number."""

from enum import StrEnum


class Refusal(StrEnum):
    """The codes."""

    REQUEST = "no_request_of_this_version"
    APP = "app_not_installed_here"
    QUERY = "query_not_registered_or_wrong_parameters"
    SUBJECT = "task_or_study_not_known"
    NOT_APPROVED = "not_approved"
    EXPIRED = "approval_expired"
    REVOKED = "approval_revoked"
    KIND = "kind_of_query_not_approved"
    NO_PROTOCOL = "no_locked_protocol_approved"
    RELEASE = "release_not_open"
    OTHER_RELEASE = "release_not_approved"
    CONTRIBUTORS = "contributors_not_approved_or_keys_not_known"
    MINIMUM = "fewer_persons_to_be_shown_than_approved"
    CLEAR = "addends_in_clear"
    REPLAYED = "exchange_answered_before"
    PARAMETERS = "parameters_do_not_fit"
    FEW_PERSONS = "too_few_persons"
    AIMED = "aimed_at_few_persons"
    MANY_NUMBERS = "too_many_numbers"
    DIFFERENCE = "differs_from_an_earlier_answer_in_few_persons"
    NOT_ADDITIVE = "query_is_no_sum"
    NOT_OWN = "query_is_answered_in_sums_only"
    KEYS = "persons_chosen_otherwise_than_by_the_task"
    BUDGET = "privacy_budget_spent"
    NOT_PRIVATE = "query_can_not_be_answered_with_noise"
    AUDIT = "audit_log_not_written"
    FAULT = "could_not_be_computed"


class RefusedError(Exception):
    """Nothing leaves; `refusal` says why."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal
