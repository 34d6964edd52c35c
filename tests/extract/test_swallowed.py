"""Rows between two quotation marks are not lost in silence; a text of several lines is one text."""

from pathlib import Path

import pytest

from pumasi.errors import DeliveryError
from tests.extract.extracts import CONDITIONS, OMOP, SYNTHEA, take_in_files

HEADER = SYNTHEA["observations.csv"].splitlines(keepends=True)[0]
TIME = "2019-01-02T10:20:30Z"


def observations(*descriptions: str) -> str:
    rows = [f"{TIME},aaa-1,eee-1,vital-signs,29463-7,{d},61.5,kg,numeric\n" for d in descriptions]
    return HEADER + "".join(rows)


@pytest.mark.parametrize(
    ("descriptions", "line"),
    [
        (['"A', "Weight", 'B"'], 2),
        (["Weight", '"A', 'B"'], 3),
        (["Weight", '"A', '""', 'B"', "Weight"], 3),
        (['"of\ntwo lines"', '"A', 'B"'], 4),
        (['"A', *["Weight"] * 2000, 'B"'], 2),
    ],
)
def test_rows_between_two_quotation_marks_refuse_the_delivery(
    tmp_path: Path, descriptions: list[str], line: int
) -> None:
    files = SYNTHEA | {"observations.csv": observations(*descriptions)}
    with pytest.raises(DeliveryError) as raised:
        take_in_files(tmp_path, files, "synthea_csv")
    message = str(raised.value)
    assert message.startswith(
        f"observations.csv, line {line}: a value of several lines that begins there holds what is "
        "a whole row: is a quotation mark opened there and not closed? Nothing of delivery "
    )
    assert message.endswith(
        " was taken in: mend the line, or have line breaks left out of texts, and export the file "
        "again"
    )


def test_rows_swallowed_by_the_last_column_and_in_another_delimiter(tmp_path: Path) -> None:
    header, *rows = CONDITIONS.splitlines()
    rows[0], rows[1] = f'{rows[0]},"seen', f'{rows[1]},again"'
    lines = [f"{header},note", *rows[:2], *(f"{row}," for row in rows[2:])]
    text = ("\n".join(lines) + "\n").replace(",", ";")
    with pytest.raises(DeliveryError, match=r"^condition_occurrence.csv, line 2: a value of"):
        take_in_files(tmp_path, OMOP | {"condition_occurrence.csv": text})


def test_the_line_is_right_behind_a_row_that_cannot_be_read(tmp_path: Path) -> None:
    text = observations("Weight", '"A', 'B"').replace("Weight,61.5,kg,numeric", "Weight")
    with pytest.raises(DeliveryError, match=r"^observations.csv, line 3: a value of several lines"):
        take_in_files(tmp_path, SYNTHEA | {"observations.csv": text}, "synthea_csv")


@pytest.mark.parametrize(
    "text",
    [
        '"pain, cough, fever\nplan: rest, tea, no work, call, come back"',
        '"one\ntwo, a, b, c, d, e, f, g, h\nthree"',
        '"\n\n,,,\n,,,,,\n,,,,,,,,\n"',
        '"a\r\nb ""c"" d\r\n"',
    ],
)
def test_a_text_of_several_lines_with_commas_is_one_text(tmp_path: Path, text: str) -> None:
    files = SYNTHEA | {"observations.csv": observations("Weight", text, "Height")}
    taken = take_in_files(tmp_path, files, "synthea_csv")
    assert taken.counts("observations") == (3, 3, 0, 0, 0)
