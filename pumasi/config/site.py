"""What a hospital's configuration file may say, as types.

Unknown keys and wrong types are refused here; `pumasi.config.network` reads the files and turns
a refusal into a message that names the file, the field, what it got and what it wants.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from difflib import get_close_matches
from typing import Annotated, Literal, Self, get_args
from urllib.parse import parse_qs, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
    model_validator,
)

from pumasi.omop.cdm import cdm_tables

SourceFormat = Literal["omop_cdm", "fhir_r4", "synthea_csv", "hospital_csv"]
FORMATS: tuple[str, ...] = get_args(SourceFormat)
Connector = Literal["folder", "database", "fhir_bulk"]
CONNECTORS: tuple[str, ...] = get_args(Connector)
EXPORT_PATTERN = r"(Patient/|Group/[A-Za-z0-9.\-]{1,64}/)?\$export"
SITE_ID_PATTERN = r"[a-z][a-z0-9_]*"
# The raw columns whose texts `[values]` may admit: those of kind *value* in the format's contract,
# which the configuration doesn't import; a test holds the two together. The last is the example in
# a new site's file.
VALUE_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "omop_cdm": (
        "person.gender_source_value",
        "person.race_source_value",
        "person.ethnicity_source_value",
        "note.note_source_value",
        "payer_plan_period.payer_source_value",
        "payer_plan_period.plan_source_value",
        "payer_plan_period.sponsor_source_value",
        "payer_plan_period.stop_reason_source_value",
        "episode.episode_source_value",
        "location.state",
        "location.county",
        "location.country_source_value",
        "care_site.care_site_name",
        "care_site.place_of_service_source_value",
        "provider.specialty_source_value",
        "provider.gender_source_value",
        "measurement.value_source_value",
        "observation.value_as_string",
    ),
    "fhir_r4": (
        "patient.gender",
        "organization.name",
        "location.state",
        "location.county",
        "location.country",
        "practitioner.gender",
        "practitioner_role.specialty",
        "observation.value_comparator",
        "observation.value_string",
    ),
    "synthea_csv": (
        "patients.gender",
        "patients.race",
        "patients.ethnicity",
        "organizations.name",
        "providers.gender",
        "providers.speciality",
        "observations.value_text",
    ),
    "hospital_csv": ("patients.sex", "lab_results.value_text"),
}

# TOML has dates and numbers of its own: a quoted one is a mistake, not another spelling.
Day = Annotated[date, Strict()]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
# A check is "<table>.<sentence>", a value list "<raw table>.<column>".
Dotted = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$")]


def _named_variable(name: str) -> str:
    # What it got is not shown: it may be the secret itself.
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError("wants the name of a variable, such as BADA_SECRET, not what it holds")
    return name


# The variable that holds a secret.
Variable = Annotated[Text, AfterValidator(_named_variable)]


class _Section(BaseModel):
    """A table of the file: unknown keys are refused, values can't be changed after reading."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DatabaseConfig(_Section):
    """How a format's tables lie in a schema of PostgreSQL, and how to ask only for what is new.

    `names` says what a table is called there where that isn't its name in the format. A row is new
    if its `watermark`, a column that grows with every change, is above the highest of the delivery
    before; `watermarks` names another column for single tables, and those of `whole`, small ones
    without such a column, come wholly each time. Of times the last `overlap_minutes` are asked for
    again, because a transaction ends after the time that it writes. `timezone` is that of the
    hospital, needed where a column holds instants. The last day covered is `lag_days` before the
    database's today.
    """

    schema_name: Text = Field(description='the schema of the tables, such as "omop"')
    password_env: Variable | None = None
    password_file: Text | None = None
    names: dict[str, Text] = Field(default_factory=dict)
    watermark: Text | None = None
    watermarks: dict[str, Text] = Field(default_factory=dict)
    whole: tuple[str, ...] = ()
    overlap_minutes: Annotated[int, Strict(), Field(ge=0)] = 60
    timezone: Text | None = None
    lag_days: Annotated[int, Strict(), Field(ge=0)] = 1

    @model_validator(mode="after")
    def _one_password(self) -> Self:
        _check_one(self.password_env, self.password_file, "password")
        return self


class FhirBulkConfig(_Section):
    """How a FHIR server is asked for an export (HL7 Bulk Data Access), and what it may be.

    `export` is the operation: of the system, of all patients, or of one group. The token is read
    anew for every request, so another program may renew it. Files are fetched from the server and
    from `file_hosts`, nowhere else. `patience_hours` is how long an export may take.
    The last day covered is `lag_days` before the day of the server's transaction time.
    """

    export: Text = "$export"
    token_env: Variable | None = None
    token_file: Text | None = None
    file_hosts: tuple[Text, ...] = ()
    ca_file: Text | None = None
    tolerate_errors: bool = False
    patience_hours: Annotated[int, Strict(), Field(ge=1)] = 24
    lag_days: Annotated[int, Strict(), Field(ge=0)] = 1

    @model_validator(mode="after")
    def _export_is_one_of_three(self) -> Self:
        if not re.fullmatch(EXPORT_PATTERN, self.export):
            raise ValueError(
                "export: wants $export, Patient/$export or Group/<id>/$export, got something else"
            )
        return self

    @model_validator(mode="after")
    def _one_token(self) -> Self:
        _check_one(self.token_env, self.token_file, "token")
        return self


def _check_one(variable: str | None, file: str | None, what: str) -> None:
    if variable and file:
        raise ValueError(f"got {what}_env and {what}_file, wants one of them")


class SourceConfig(_Section):
    """Where deliveries come from: a folder, or a connector that brings them.

    `as_of` is the day the extract states, `extracted_through` the last day it covers completely;
    None means that the delivery itself says so. `kind` says what absence means: in a full delivery
    a row that is missing was deleted, in an incremental one it didn't change. `encoding` is that of
    the text files; it is stated, never guessed.
    """

    connector: Connector = "folder"
    url: Text = Field(description='the folder or URL of the deliveries, such as "../extract"')
    as_of: Day | None = None
    extracted_through: Day | None = None
    kind: Literal["full", "incremental"] = "full"
    encoding: Literal["utf-8", "cp949"] = "utf-8"
    database: DatabaseConfig | None = None
    fhir_bulk: FhirBulkConfig | None = None

    @model_validator(mode="after")
    def _sections_are_of_the_connector(self) -> Self:
        for name in CONNECTORS:
            if name != self.connector and getattr(self, name, None) is not None:
                raise ValueError(
                    f"got a section [source.{name}] and connector = '{self.connector}', wants "
                    f"connector = '{name}', or no such section"
                )
        if self.connector == "database":
            _check_database(self)
        if self.connector == "fhir_bulk":
            _check_server(self)
        return self

    @model_validator(mode="after")
    def _covers_only_the_past(self) -> Self:
        if self.as_of and self.extracted_through and self.extracted_through > self.as_of:
            raise ValueError(
                f"got extracted_through {self.extracted_through} after as_of {self.as_of}, "
                "wants it on that day or before: an extract can't cover days after it was made"
            )
        return self


def _check_database(source: SourceConfig) -> None:
    if source.database is None:
        raise ValueError("got no section [source.database], wants one that names the schema_name")
    if not source.url.startswith(("postgresql://", "postgres://")):
        raise ValueError("got another url, wants postgresql://<user>@<host>/<database>")
    address = urlsplit(source.url)
    if address.password is not None or "password" in parse_qs(address.query):
        raise ValueError(
            "got a url with a password, wants it without: name the variable or the file "
            "that holds it as password_env or password_file in [source.database]"
        )
    marked = source.database.watermark or source.database.watermarks
    if source.kind == "incremental" and not marked:
        raise ValueError(
            "got kind = 'incremental' and no watermark, wants the column that grows with every "
            "change as watermark in [source.database]"
        )
    if source.kind == "full" and marked:
        raise ValueError(
            "got a watermark and kind = 'full', wants kind = 'incremental': the first delivery is "
            "full all the same, and so is one that is asked for with --full"
        )


def _check_server(source: SourceConfig) -> None:
    if source.as_of or source.extracted_through:
        raise ValueError("got as_of or extracted_through, wants none: the FHIR server states them")
    address = urlsplit(source.url)
    local = address.hostname in ("127.0.0.1", "localhost", "::1")
    if not address.hostname or address.scheme not in (("http", "https") if local else ("https",)):
        raise ValueError(
            "got another url, wants the address of a FHIR server, https://<host>/<path>; http:// "
            "only on this machine, because a token goes with every request"
        )
    if "@" in address.netloc:
        raise ValueError(
            "got a url with a user, wants it without: name a token_file in [source.fhir_bulk]"
        )


class VocabularyConfig(_Section):
    """Where the OMOP vocabulary tables come from.

    The delivery, a folder such as Athena's, or the project: the few hundred concepts that its own
    concept sets and made-up hospitals need (`pumasi/omop/vocabulary`).
    """

    source: Literal["delivery", "folder", "project"] = "delivery"
    url: Text | None = None

    @model_validator(mode="after")
    def _folder_has_a_url(self) -> Self:
        if self.source == "folder" and self.url is None:
            raise ValueError(
                "got source = 'folder' and no url, wants url: the folder of the vocabulary tables"
            )
        if self.source != "folder" and self.url is not None:
            raise ValueError(f"got a url and source = '{self.source}', wants source = 'folder'")
        return self


class MappingConfig(_Section):
    """The hospital's own table of what its codes mean: a CSV file like source_to_concept_map."""

    url: Text = Field(description='the file, such as "bada/source_to_concept_map.csv"')


class Threshold(_Section):
    """A known defect that this hospital accepts: the share of the denominator that may violate."""

    check: Dotted = Field(description='a check, such as "person.gender_is_known"')
    limit: Annotated[float, Strict(), Field(ge=0, le=1)] = Field(
        description="the share that may violate it, such as 0.05"
    )
    reason: Text = Field(description="why it is accepted, in a sentence")
    decided: Day = Field(description="the day of the decision, such as 2024-12-31")


class AlertsConfig(_Section):
    """Where a closed gate is told: the webhook whose address stands in a variable or a file.

    The address is a secret, because whoever has it can write there; it never stands in this file.
    An attempt takes at most about `timeout_seconds`; Dagster ends a sensor after a minute.
    """

    webhook_env: Variable | None = None
    webhook_file: Text | None = None
    timeout_seconds: Annotated[int, Strict(), Field(ge=1, le=20)] = 10

    @model_validator(mode="after")
    def _one_webhook(self) -> Self:
        _check_one(self.webhook_env, self.webhook_file, "webhook")
        if not self.webhook_env and not self.webhook_file:
            raise ValueError("got no webhook, wants webhook_env or webhook_file")
        # What it got is not shown: it may be the address itself.
        if self.webhook_file and "://" in self.webhook_file:
            raise ValueError("webhook_file: wants the path of the file that holds the address")
        return self


class SiteConfig(_Section):
    """One hospital. `id` is the stem of its file; urls are absolute once the file is loaded.

    `real` says whether its persons are: unless the file denies it, they are taken to be.
    `not_recorded` names fields of OMOP tables of which its system holds no value in any row.
    """

    id: Annotated[str, StringConstraints(pattern=rf"^{SITE_ID_PATTERN}$")]
    name: Text = Field(description='a name for people, such as "Bada Hospital"')
    format: SourceFormat = Field(description=f"one of {', '.join(FORMATS)}")
    description: str = ""
    real: Annotated[bool, Strict()] = True
    source: SourceConfig = Field(description="a section [source] with url, as_of and kind")
    vocabulary: VocabularyConfig = VocabularyConfig()
    mapping: MappingConfig | None = None
    values: dict[Dotted, tuple[str, ...]] = Field(default_factory=dict)
    not_recorded: tuple[Dotted, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    alerts: AlertsConfig | None = None

    @model_validator(mode="after")
    def _one_threshold_per_check(self) -> Self:
        checks = [threshold.check for threshold in self.thresholds]
        twice = sorted({check for check in checks if checks.count(check) > 1})
        if twice:
            raise ValueError(
                f"thresholds: got several for {', '.join(twice)}, wants one threshold per check"
            )
        return self

    @model_validator(mode="after")
    def _not_recorded_are_fields(self) -> Self:
        fields = [f"{f.table}.{f.name}" for t in cdm_tables().values() for f in t.fields]
        for name in self.not_recorded:
            if name not in fields:
                near = get_close_matches(name, fields, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise ValueError(f"not_recorded: got {name}, wants a field of OMOP CDM 5.4{hint}")
        return self

    @model_validator(mode="after")
    def _encoding_is_of_text_files(self) -> Self:
        if self.source.encoding != "utf-8" and self.format != "hospital_csv":
            raise ValueError(
                f"source.encoding: got {self.source.encoding}, wants utf-8: only files of format "
                "hospital_csv may be in another encoding"
            )
        return self

    @model_validator(mode="after")
    def _connector_brings_the_format(self) -> Self:
        connector = self.source.connector
        fhir = self.format == "fhir_r4"
        if (connector == "database" and fhir) or (connector == "fhir_bulk" and not fhir):
            raise ValueError(
                f"source.connector: got {connector} for the format {self.format}; database brings "
                "tables (every format but fhir_r4), fhir_bulk brings fhir_r4"
            )
        return self

    @model_validator(mode="after")
    def _values_are_of_text_columns(self) -> Self:
        known = VALUE_COLUMNS[self.format]
        for key in self.values:
            if key not in known:
                near = get_close_matches(key, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}"
                raise ValueError(f"values: got {key}, wants a text column of {self.format}; {hint}")
        return self
