"""How files are read: what can be read in one way is read and recorded, the rest is asked for by naming an option."""

from __future__ import annotations

import datetime as dt
import io
import re
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import ews
from ews.cli.commands import app
from ews.errors import ArgumentError, DuplicatedTimesError, EWSError, MissingValuesError, UnknownNameError

MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
TWENTY = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4]


def read(content: str | bytes, **options):
    return ews.read_table(io.StringIO(content) if isinstance(content, str) else io.BytesIO(content), **options)


def values(content: str | bytes, **options) -> list[float]:
    (series,) = read(content, **options).values()
    return series.tolist()


def times(content: str | bytes, **options) -> list[str]:
    (series,) = read(content, **options).values()
    return [str(time) for time in series.index]


def refused(content: str | bytes, *said: str, **options) -> str:
    with pytest.raises(ArgumentError) as caught:
        read(content, **options)
    message = str(caught.value)
    for words in said:
        assert words in message, message
    return message


def cli(*arguments: object):
    return CliRunner().invoke(app, [str(one) for one in arguments], prog_name="ews", env={"COLUMNS": "120"})


# ---- separators and rows --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", " "])
def test_separators_are_found(separator):
    rows = [["year", "chl", "temp"], ["1900", "20.5", "50"], ["1901", "21", "51.25"], ["1902", "22", "52"]]
    text = "\n".join(separator.join(row) for row in rows)
    table = read(text, time="year", value="chl")
    assert table["chl"].tolist() == [20.5, 21, 22]
    assert table.recognised.separator == separator


@pytest.mark.parametrize(
    ("text", "sep", "expected"),
    [
        ("a(((b\n1(((2\n", "(((", [2]),
        ("a b\n1 2\n", "space", [2]),
        ("a\tb\n1\t2\n", "tab", [2]),
        ("a::b\n1::2\n", "::", [2]),
        ("a.*b\n1.*2\n", ".*", [2]),
        ('a;"b;c"\n1;2\n', ";", [2]),
    ],
)
def test_a_named_separator_is_text_and_no_pattern(text, sep, expected):
    table = read(text, value=read(text, sep=sep, value="*").frame.columns[-1], sep=sep)
    assert next(iter(table.values())).tolist() == expected


@pytest.mark.parametrize("sep", ["", '"', "\n", "a", "1", "."])
def test_a_separator_that_cannot_be_one_is_refused(sep):
    refused("a,b\n1,2\n", "sep: got", sep=sep)


def test_a_separator_after_each_row_moves_no_column():
    assert values("year,chl,temp\n1900,20,50,\n1901,21,51,\n", value="chl") == [20, 21]
    assert values("year;chl;temp;\n1900;20;50;\n1901;21;51;\n", value="chl") == [20, 21]


def test_rows_that_are_longer_than_the_heading_are_refused():
    refused("year,chl\n1900,20\n1901,21,5\n", "3 cells in line 3", "2 columns", value="chl")
    refused("x\n1,5\n2,75\n3,1\n", "one column", "decimal=','")
    refused("t,x\n1,1,5\n2,2,7\n", "3 cells in line 2", value="x")  # decimal commas between commas
    assert values("x\n1,5\n2,75\n3,1\n", decimal=",") == [1.5, 2.75, 3.1]


def test_rows_that_are_shorter_are_missing_values_and_said():
    table = read("year,chl,temp\n1900,20,50\n1901,21\n", time="year", value="temp")
    assert np.isnan(table["temp"].iloc[1])
    assert "1 row (line 3) with fewer cells than the heading" in " ".join(table.notes)


def test_row_names_that_r_writes_are_told_apart():
    text = '"year" "chl"\n"1" 1990 3.5\n"2" 1991 4\n"3" 1992 5\n'
    assert values(text, time="year") == [3.5, 4, 5]


def test_names_with_separators_quotation_marks_and_line_breaks():
    text = 'year,"chl, µg/L","a ""b""","two\nlines"\n1900,1,2,3\n1901,2,3,4\n'
    assert list(read(text, value="*", time="year")) == ["chl, µg/L", 'a "b"', "two lines"]
    refused('t,x\n1,"2\n2,3\n3,4\n', "line 2 that is never closed")


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r", "\r\r\n"])
def test_line_ends_of_any_kind(ends):
    assert values(ends.join(["t,x", "1,2", "2,3", ""]).encode(), time="t") == [2, 3]
    assert values(f"t,x{ends}1,2\n2,3\r\n3,4\r".encode(), time="t") == [2, 3, 4]


def test_blank_lines_and_empty_rows():
    table = read("t,x\n\n1,2\n\n2,3\n,\n3,4\n,\n,\n", time="t")
    assert table["x"].tolist() == [2, 3, 4]
    assert "2 blank lines" in " ".join(table.notes)
    assert "1 empty row left out" in " ".join(table.notes)
    assert np.isnan(values("x\n1\n\n3\n")[1])  # in a single column it is a value that is missing


# ---- headings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "above",
    [
        "Chlorophyll of Lake Mendota\n",
        "Chlorophyll of Lake Mendota\n\nStation 5, depth 3 m\n",
        "# made by hand\n# from two files\n",
        "sep=;\n",
        '"# exported"\n',
        "Lake Mendota;;\nStation;5;\nDepth;3,5;\n",
    ],
)
def test_lines_above_the_heading_are_left_out_and_said(above):
    table = read(above + "year;chl;temp\n1900;2,5;1\n1901;3;2\n", time="year", value="chl")
    assert table["chl"].tolist() == [2.5, 3]
    assert table.recognised.left_out
    assert values("what;this;is\n" + "year;chl;temp\n1900;2,5;1\n", skip=1, value="chl", time="year") == [2.5]


def test_a_heading_that_is_a_comment():
    table = read("# a run\n# time x\n0 1.5\n1 2.5\n", time="time")
    assert table["x"].tolist() == [1.5, 2.5]
    assert "taken for the heading" in " ".join(table.notes)


def test_comments_of_another_kind_are_named():
    assert values("% one\nt,x\n1,2 % odd\n2,3\n", comment="%", time="t") == [2, 3]
    for wrong in ("", " ", '"', 3):
        refused("t,x\n1,2\n", "comment: got", comment=wrong)


def test_errors_of_a_spreadsheet_are_no_comments():
    assert np.isnan(values("x,t\n#N/A,1\n2,2\n", time="t")[0])
    refused("x,t\n1,1\n#DIV/0!,2\n", "'#DIV/0!' in column 'x', row 2", "na='#DIV/0!'", time="t", value="x")


@pytest.mark.parametrize("units", ["yr,µg/L", ",µg/L", "(a),(mg m-3)", "-,%"])
def test_a_row_of_units_is_left_out_and_said(units):
    table = read(f"year,chl\n{units}\n1900,2\n1901,3\n", time="year")
    assert table["chl"].tolist() == [2, 3]
    assert "line 2 below the heading, without a number" in " ".join(table.notes)


def test_a_first_row_with_a_value_below_detection_is_no_row_of_units():
    refused("lake,chl\nPeter,<0.5\nPeter,2\nPeter,3\n", "'<0.5' in column 'chl', row 1")


def test_a_heading_that_repeats_within_the_table_is_left_out():
    table = read("t,chl\n1,2\n2,3\nt,chl\n3,4\n", time="t")
    assert table["chl"].tolist() == [2, 3, 4]
    assert "line 4) that repeats the heading" in " ".join(table.notes)


def test_columns_of_one_name_are_refused_where_they_are_used():
    refused("t,chl,chl\n1,2,3\n2,3,4\n", "'chl', the name of columns 2 and 3", value="chl")
    refused("t,chl,chl\n1,2,3\n2,3,4\n", "columns 2 and 3", value="c*")
    refused("t,t,chl\n1,2,3\n2,3,4\n", "columns 1 and 2", time="t", value="chl")
    assert values("t,flag,chl,flag\n1,0,3,0\n2,0,4,1\n", time="t", value="chl") == [3, 4]


def test_columns_without_a_name():
    assert values(",year,chl\n0,1900,2\n1,1901,3\n", time="year", value="chl") == [2, 3]


@pytest.mark.parametrize("heading", ["t,x1", "2015,x", "NA", "x"])
def test_a_name_among_numbers_makes_a_heading(heading):
    body = heading.replace("t", "1").replace("x", "2").replace("NA", "3")
    columns = heading.split(",")
    assert list(read(f"{heading}\n{body}\n", value=columns)) == columns


@pytest.mark.parametrize("end", ["Source: NOAA\n", "\n\nnote,\n", "Total,5\n", "mean,2.5\n"])
def test_notes_and_totals_below_the_table_are_left_out_and_said(end):
    table = read("t,x\n1,2\n2,3\n" + end, time="t")
    assert table["x"].tolist() == [2, 3]
    assert "below the table" in " ".join(table.notes)


def test_a_last_value_that_is_the_sum_of_the_others_is_said():
    assert "the sum of all others" in " ".join(read("x\n" + "\n".join(map(str, [*TWENTY, sum(TWENTY)]))).notes)
    assert "all others" not in " ".join(read("x\n" + "\n".join(map(str, TWENTY))).notes)


# ---- encodings and what is no table ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "named"),
    [
        ("utf-8", "UTF-8"), ("utf-8-sig", "UTF-8"), ("utf-16", "UTF-16"), ("utf-16-le", "UTF-16-LE"),
        ("utf-16-be", "UTF-16-BE"), ("utf-32", "UTF-32"), ("cp1252", "Windows-1252"), ("latin-1", "Windows-1252"),
    ],
)  # fmt: skip
def test_encodings_that_are_clear_are_read_and_recorded(encoding, named):
    content = "Datum;Chl µg/L;Größe °C\n2015-05-01;1,5;3\n2015-05-02;2,25;4\n".encode(encoding)
    table = read(content, time="Datum", value=["Chl µg/L", "Größe °C"])
    assert table["Chl µg/L"].tolist() == [1.5, 2.25]
    assert table.recognised.encoding == named
    assert ("encoding='latin-1'" in " ".join(table.notes)) == (named == "Windows-1252")


def test_an_encoding_that_is_not_clear_is_asked_for():
    content = "год;хлорофилл\n1999;1,5\n2000;2,5\n".encode("cp1251")
    refused(content, "line 1", "encoding='cp1251'")
    assert values(content, encoding="cp1251", time="год") == [1.5, 2.5]
    refused(content, "encoding: got 'utf-8', which does not fit the bytes of line 1", encoding="utf-8")
    for wrong in ("utf-9", "rot13", "base64", "a\0b", ""):
        refused(content, "encoding: got", encoding=wrong)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"t\0,x\n1,2\n", "a NUL character in line 1"),
        (b"\x89PNG\r\n\x1a\n", "picture"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"CDF\x01abc", "netCDF"),
        (b"\xd0\xcf\x11\xe0abc", ".xls"),
        (b"PK\x03\x04 something", "zip"),
        (b"PK\x03\x04 xl/workbook.xml", "cannot be read"),
        ('{"a": [1, 2]}', "no table"),
        ("t,x\n1,2\n" + "y" * 200_000 + ",3\n", "near line 3"),
        ("<!DOCTYPE html><html>", "no table"),
        ("", "without any cell"),
        ("\n\n,,\n", "without any cell"),
        ("a,b\n", "without any rows"),
        ("2001,1.5\n2002,2\n", "without a heading"),
    ],
)
def test_what_is_no_table_is_named(content, said):
    refused(content, "path: got", said)


def test_what_is_no_path_is_refused(tmp_path):
    for wrong in (3, None, ["a.csv"], "a,b\n1,2\n", "a\0b", tmp_path):
        with pytest.raises(ArgumentError, match="path: got"):
            ews.read_table(wrong)
    with pytest.raises(FileNotFoundError):
        ews.read_table(tmp_path / "nowhere.csv")


# ---- numbers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1,5", "2,25"], [1.5, 2.25]),
        (["1.234,5", "984"], [1234.5, 984]),
        (["1,234.5", "984"], [1234.5, 984]),
        (["1.234.567", "984"], [1234567, 984]),
        (["1,234,567", "1,001"], [1234567, 1001]),
        (["1'234.5", "2'345"], [1234.5, 2345]),
        (["1 234,5", "2 345"], [1234.5, 2345]),
        (["1\u00a0234,5", "12\u202f345"], [1234.5, 12345]),
        (["1,5e3", "2E-1"], [1500, 0.2]),
        (["1e5", "-3"], [1e5, -3]),
        (["−1,5", "–2"], [-1.5, -2]),
        (["0,123", "1,456"], [0.123, 1.456]),
        (["1234,567", "1,456"], [1234.567, 1.456]),
        ([",5", "+1,0"], [0.5, 1]),
        (["5.", ".25"], [5, 0.25]),
        (["12 %", "3,5%"], [12, 3.5]),
        (["TRUE", "false"], [1, 0]),
    ],
)
@pytest.mark.parametrize("separator", [";", "\t"])
def test_notations_of_numbers(cells, expected, separator):
    text = f"t{separator}x\n" + "".join(f"{t}{separator}{cell}\n" for t, cell in enumerate(cells))
    assert values(text, time="t", value="x") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "decimal", "thousands"),
    [
        ('year\tchl\n1900\t984\n1901\t"1,001"\n', 1.001, 1001),
        ("year\tchl\n1900\t984\n1901\t1.001\n", 1001, 1.001),
        ("year;chl\n1900;984\n1901;1,001\n", 1.001, 1001),
        ("year;chl\n1900;984\n1901;1.001\n", 1001, 1.001),
        ('year,chl\n1900,984\n1901,"1,001"\n', 1.001, 1001),
        ("year,chl\n1900,984\n1901,1.001\n", 1001, 1.001),
    ],
)
def test_a_sign_that_may_be_decimal_or_not_is_asked_for(text, decimal, thousands):
    """`decimal` is the second value where the comma is decimal, `thousands` where it separates thousands."""
    refused(text, "'1", "row 2", "decimal=','", "thousands=','", time="year")
    assert values(text, time="year", decimal=",") == [984, decimal]
    assert values(text, time="year", thousands=",") == [984, thousands]
    assert values(text, time="year", decimal=".") == [984, thousands]


def test_both_signs_alike_are_refused_until_one_cell_tells():
    text = "year;a;b\n1900;1.001;1,001\n1901;1.002;1,003\n"
    refused(text, "sign may be decimal", time="year", value=["a", "b"])
    refused("t;x\n1;1.001\n2;1,001\n", "'1.001' (row 1) and '1,001' (row 2)", time="t")
    refused("t;x\n1;1.5\n2;1,5\n", "'1.5' (row 1) and '1,5' (row 2)", time="t")
    told = read(text.replace("1,003", "1,5"), time="year", value=["a", "b"])
    assert told["a"].tolist() == [1001, 1002]
    assert told["b"].tolist() == [1.001, 1.5]
    assert (told.recognised.decimal, told.recognised.thousands) == (",", ".")


def test_decimal_points_of_three_digits_between_commas_need_no_question():
    assert values("t,x\n1,7.123\n2,8.250\n3,9.456\n4,0\n", time="t") == [7.123, 8.25, 9.456, 0]
    assert values("t,x\n1,7.123\n2,8\n3,9.45\n", time="t") == [7.123, 8, 9.45]
    table = read("t\tx\n1\t7.123\n2\t8.250\n", time="t")
    assert table["x"].tolist() == [7.123, 8.25]
    assert "three digits follow every '.'" in " ".join(table.notes)
    assert values("t;x\n1;7,123\n2;8,250\n", time="t") == [7.123, 8.25]


def test_one_dash_among_decimal_commas_is_the_cell_that_is_blamed():
    refused("t;x\n1;1,5\n2;2,5\n3;-\n4;2,75\n", "'-' in column 'x', row 3 (line 4", "na='-'", time="t")
    assert np.isnan(values("t;x\n1;1,5\n2;2,5\n3;-\n4;2,75\n", time="t", na="-")[2])


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("<0.5", "na='<*'"), (">100", "na='>*'"), ("≤ 3", "na='≤*'"), ("~4", "na='~*'"), ("12%", "per cent"),
        ("0x1F", "hexadecimal"), ("banana", "na='banana'"), ("n.d.", "na='n.d.'"), ("1,5,2", "numbers"),
        ("2015-05-01", "dates"), ("inf", "na='inf'"), ("1e999", "numbers"), ("1.2.3", "numbers"), ("5-", "numbers"),
        ("1,00,000", "thousands=','"),
        ("#VALUE!", "spreadsheet"), ("1_000", "numbers"), ("(5)", "numbers"), ("١٢", "numbers"), ("NA*", "numbers"),
    ],
)  # fmt: skip
def test_a_cell_that_is_no_number_stops_the_reading(cell, said):
    text = "time\tchl\n" + "".join(f"{t}\t{cell if t == 7 else t % 3 + 0.5}\n" for t in range(1, 12))
    refused(text, f"{cell!r} in column 'chl', row 7 (line 8 of the file)", said, time="time", value="chl")
    refused(text, f"{cell!r} in ", "row 7")  # nor is another column taken in its place


@pytest.mark.parametrize("cell", ["", "0x1F", "zz", "<LOD", "NA"])
@pytest.mark.parametrize("name", ["time", "year", "t", "depth", "age"])
def test_times_are_never_taken_for_values(cell, name):
    text = f"{name},chl\n" + "".join(f"{t},{cell}\n" for t in range(1900, 1912))
    refused(text, "value: got no column", "'chl'")
    refused(
        text, "value: got a file without a column of numbers" if cell != "0x1F" else "'0x1F'", time=name, ages=False
    )


@pytest.mark.parametrize("cell", ["NA", "N/A", "n/a", "n.a.", "NaN", "nan", "null", "NULL", "None", "#N/A", ""])
def test_cells_that_say_so_are_missing(cell):
    table = read(f"t,x\n1,2\n2,{cell}\n3,4\n", time="t")
    assert np.isnan(table["x"].iloc[1])
    assert table.recognised.missing == {cell or "empty": 1}


@pytest.mark.parametrize(
    "code", ["-999", "-9999", "999", "9999", "-99.9", "1e20", "-999.0", "-99", "9.96921e36", "-32768", "-9"]
)
def test_usual_codes_far_outside_the_others_are_asked_for(code):
    text = "t,x\n" + "".join(f"{t},{code if t == 6 else value}\n" for t, value in enumerate(TWENTY))
    refused(text, f"got {code} in 1 cell of column 'x' (the first in row 7)", f"na='{code}'", "na=''", time="t")
    assert np.isnan(values(text, time="t", na=code)[6])
    assert np.isnan(values(text, time="t", na=[float(code), "?"])[6])
    refused(text, f"got {code}", time="t", na="-7")
    kept = read(text, time="t", na="")
    assert kept["x"].iloc[6] == float(code)
    assert "far from the other values" in " ".join(kept.notes)


def test_codes_within_the_others_and_single_extremes_are_values():
    text = "t,x\n" + "".join(f"{t},{value}\n" for t, value in enumerate([999, 99, *range(400, 1600, 100)]))
    assert values(text, time="t")[:2] == [999, 99]
    assert max(values("t,x\n" + "".join(f"{t},{v}\n" for t, v in enumerate([*TWENTY, 55])), time="t")) == 55


def test_a_whole_code_among_values_with_decimals_is_said():
    text = "t,x\n" + "".join(f"{t},{-999 if t in (3, 9) else 400 * value - 1500.5}\n" for t, value in enumerate(TWENTY))
    assert "-999 stands in 2 cells of column 'x'" in " ".join(read(text, time="t").notes)


def test_another_value_that_repeats_far_outside_is_said():
    text = "t,x\n" + "".join(f"{t},{5555 if t in (3, 9) else value}\n" for t, value in enumerate(TWENTY))
    assert "5555 stands in 2 cells of column 'x'" in " ".join(read(text, time="t").notes)


def test_several_codes_are_asked_for_together():
    text = "t,x\n" + "".join(
        f"{t},{-999 if t == 3 else 9999.0 if t == 9 else value}\n" for t, value in enumerate(TWENTY)
    )
    refused(text, "-999 and 9999.0 in 2 cells", "na=('-999', '9999.0')", time="t")
    assert np.flatnonzero(np.isnan(values(text, time="t", na=("-999", "9999.0")))).tolist() == [3, 9]


def test_numbers_and_patterns_as_codes():
    text = "t;x\n1;-999,0\n2;<0,5\n3;tr.\n4;1,5\n"
    assert np.isnan(values(text, time="t", na=[-999, "<*", "tr."])[:3]).all()
    for wrong in (True, {"a": 1}, [None], b"x"):
        refused(text, "na: got", na=wrong)


def test_options_that_are_no_signs_are_refused():
    for options in ({"decimal": "x"}, {"thousands": "ab"}, {"thousands": "5"}, {"decimal": ",", "thousands": ","}):
        refused("t,x\n1,2\n", **options)
    refused("t,x\n1,2\n", "skip: got 9", skip=9)
    refused("t,x\n1,2\n", "skip: got -1", skip=-1)
    refused("t,x\n1,2\n", "sheet: got 'a'", sheet="a")


# ---- times ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "first"),
    [
        (["2015-05-01", "2015-05-02"], "2015-05-01 00:00:00"),
        (["2015-5-1", "2015-5-12"], "2015-05-01 00:00:00"),
        (["2015-05", "2015-06"], "2015-05-01 00:00:00"),
        (["2015/05/01", "2015/05/02"], "2015-05-01 00:00:00"),
        (["2015.05.01", "2015.05.02"], "2015-05-01 00:00:00"),
        (["31/12/1999", "01/01/2000"], "1999-12-31 00:00:00"),
        (["12/31/1999", "01/01/2000"], "1999-12-31 00:00:00"),
        (["31.12.1999", "1.1.2000"], "1999-12-31 00:00:00"),
        (["31-12-1999", "01-01-2000"], "1999-12-31 00:00:00"),
        (["31/12/1999 13:45", "01/01/2000 01:00"], "1999-12-31 13:45:00"),
        (["12/31/1999 1:45 PM", "01/01/2000 12:00 AM"], "1999-12-31 13:45:00"),
        (["1 Jan 1999", "2 Feb 1999"], "1999-01-01 00:00:00"),
        (["01-Jan-1999", "02-Feb-1999"], "1999-01-01 00:00:00"),
        (["January 1999", "February 1999"], "1999-01-01 00:00:00"),
        (["Jan 5, 1999", "Sept. 6, 1999"], "1999-01-05 00:00:00"),
        (["1999Q2", "1999Q3"], "1999-04-01 00:00:00"),
        (["Q2 1999", "Q3 1999"], "1999-04-01 00:00:00"),
        (["20150501", "20150502"], "2015-05-01 00:00:00"),
        (["2015-05-01T12:00:00+02:00", "2015-05-01T11:00:00Z"], "2015-05-01 10:00:00"),
        (["1990.5", "1990.6"], "1990.5"),
        (["1990,5", "1990,6"], "1990.5"),
        (["1990", "1991"], "1990.0"),
        (["02/1999", "3/1999"], "1999-02-01 00:00:00"),
        (["02.1999", "12.1999"], "1999-02-01 00:00:00"),
        (["2.1999", "12.1999"], "2.1999"),
        (["1999-W05", "1999-W06"], "1999-02-01 00:00:00"),
        (["1999M2", "1999M3"], "1999-02-01 00:00:00"),
        (["FY1999", "FY2000"], "1999.0"),
        (["wy 1999", "wy 2000"], "1999.0"),
        (["999 AD", "1000 AD"], "999.0"),
    ],
)
def test_times_that_can_be_read_in_one_way(cells, first):
    text = "when;x\n" + "".join(f"{cell};{place}\n" for place, cell in enumerate(cells))
    assert times(text, time="when", value="x")[0] == first


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["03/04/2001", "04/04/2001"], "date_format='%d/%m/%Y' or date_format='%m/%d/%Y'"),
        (["03.04.2001", "04.04.2001"], "date_format='%d.%m.%Y'"),
        (["13/04/2001", "04/14/2001"], "the day first in every row"),
        (["31/12/99", "01/01/00"], "date_format='%d/%m/%y'"),
        (["Jan-99", "Feb-99"], "date_format='%b-%y'"),
        (["99-Jan", "99-Feb"], "date_format='%y-%b'"),
        (["31DEC1999", "01JAN2000"], "date_format='%d%b%Y'"),
        (["A1999001", "A1999009"], "date_format='A%Y%j'"),
        (["1999", "1999-02-01", "1999-03-01"], "'1999' in column 'when', row 1"),
        (["1999-01-01", "1999-02", "1999-03-01"], "'1999-02' in column 'when', row 2"),
        (["1999-01", "1999-02-01", "1999-03"], "'1999-02-01' in column 'when', row 2"),
        (["1999-01-01 12:00", "1999-02-01", "1999"], "'1999' in column 'when', row 3"),
        (["2015-05-01", "yesterday"], "'yesterday' in column 'when', row 2"),
        (["2015-05-01", "2015-02-30"], "'2015-02-30' in column 'when', row 2"),
        (["2015-05-01", "1500-01-01"], "'1500-01-01'"),
        (["2015-05-01", ""], "no time in column 'when', row 2 (line 3"),
        (["1", "n.a."], "no time in column 'when', row 2"),
        (["one", "two"], "numbers, or dates such as"),
        (["2015-05-01 10:00+02:00", "2015-05-01 11:00"], "without a time zone"),
        (["13/13/2001", "01/01/2001"], "row 1"),
        (["2001/02", "2002/03", "2003/04"], "years that begin in another month"),
        (["2001-02", "2002-03", "2003-04"], "date_format='%Y-%m'"),
        (["1990/91", "1991/92"], "years that begin"),
        (["31 déc 1999", "1 jan 2000"], "read in English"),
        (["Fri 31 Dec 1999", "Sat 1 Jan 2000"], "date_format='%a %d %b %Y'"),
        (["12:00", "13:00"], "numbers, or dates"),
    ],
)
def test_times_that_cannot_are_refused(cells, said):
    text = "when;x\n" + "".join(f"{cell};{place}\n" for place, cell in enumerate(cells))
    refused(text, "time: got", said, time="when", value="x")


def test_a_format_that_is_named():
    text = "when;x\n03/04/01;1\n04/04/01;2\n"
    assert times(text, time="when", date_format="%m/%d/%y")[0] == "2001-03-04 00:00:00"
    refused(text, "date_format: got '%Y', which does not fit '03/04/01'", time="when", date_format="%Y")
    for wrong in ("x", "%Q", 3, ""):
        refused(text, "date_format: got", time="when", date_format=wrong)
    refused(text, "date_format: got", date_format="%Y", value="x")
    assert times("m;x\n199901;1\n199902;2\n", time="m", date_format="%Y%m", value="x")[1] == "1999-02-01 00:00:00"


@pytest.mark.parametrize(
    ("heading", "rows", "last"),
    [
        ("year,month", ["1990,11", "1990,12"], "1990-12-01 00:00:00"),
        ("month,year", ["11,1990", "12,1990"], "1990-12-01 00:00:00"),
        ("Year,Mon", ["1990,Jan", "1990,Feb"], "1990-02-01 00:00:00"),
        ("Jahr,Monat", ["1990,1", "1990,2"], "1990-02-01 00:00:00"),
        ("year,quarter", ["1990,1", "1990,2"], "1990-04-01 00:00:00"),
        ("year,month,day", ["1990,2,27", "1990,3,1"], "1990-03-01 00:00:00"),
        ("Year,DoY", ["2016,60", "2016,61"], "2016-03-01 00:00:00"),
        ("year,day", ["2016,60", "2016,366"], "2016-12-31 00:00:00"),
        ("y,m,d,hour", ["1990,2,27,1", "1990,3,1,13"], "1990-03-01 13:00:00"),
        ("date,time", ["31/12/1999,13:45", "01/01/2000,01:15:30"], "2000-01-01 01:15:30"),
        ("year,month", ["-500,1", "-500,7"], "-499.5"),
    ],
)
def test_several_columns_make_one_time(heading, rows, last):
    text = f"{heading},x\n" + "".join(f"{row},{place}\n" for place, row in enumerate(rows))
    table = read(text, time=heading.split(","), value="x")
    assert str(table["x"].index[-1]) == last
    assert table.recognised.dates is not None


@pytest.mark.parametrize(
    ("heading", "rows"),
    [("a,b", ["1990,1", "1990,2"]), ("year,month", ["1990,13", "1990,14"]), ("year,depth", ["1990,1", "1990,2"]),
     ("year,month,day", ["1990,2,30", "1990,3,1"]), ("year,month", ["1990,1.5", "1990,2"])],
)  # fmt: skip
def test_columns_that_make_no_time_are_refused(heading, rows):
    text = f"{heading},x\n" + "".join(f"{row},{place}\n" for place, row in enumerate(rows))
    refused(text, "time: got", time=heading.split(","), value="x")


@pytest.mark.parametrize(
    "name", ["age_BP", "Age", "ageBP", "Age (ka)", "yr BP", "cal BP", "kyr", "age_kaBP", "Ma", "b2k", "years_ago",
             "Years before present", "Alter", "Edad", "âge", "depth", "Depth (cm)", "mcd"]
)  # fmt: skip
def test_a_name_that_speaks_of_ages_is_asked_about(name):
    text = f"{name},x\n" + "".join(f"{15000 - 50 * i},{TWENTY[i]}\n" for i in range(20))
    refused(text, "speaks of ages", "ages=True", "ages=False", time=name, value="x")
    (forward,) = read(text, time=name, value="x", ages=True).values()
    assert forward.index.is_monotonic_increasing
    assert forward.index[0] == -15000
    (backward,) = read(text, time=name, value="x", ages=False).values()
    assert backward.index[0] == 15000
    answered = ews.detect(read(text, time=name, value="x", ages=False), n_surrogates=0)
    assert "CAUTION" not in " ".join(answered.series.notes)
    turned = ews.detect(read(text, time=name, value="x", ages=True), n_surrogates=0, until=14100)
    assert (turned.series.time[-1], turned.series.time_name) == (-14100, name)


def test_a_missing_value_is_told_by_its_row_in_the_file():
    text = "age,x\n" + "".join(f"{i},{'' if i == 5 else TWENTY[i % 20]}\n" for i in range(40))
    with pytest.raises(MissingValuesError, match="1 missing value, the first in row 6;"):
        ews.detect(read(text, time="age", ages=True), missing="raise", n_surrogates=0)
    long = "g,t,x\n" + "".join(f"{'ab'[i % 2]},{i // 2},{'' if i == 5 else TWENTY[i % 20]}\n" for i in range(80))
    with pytest.raises(MissingValuesError, match="series, column 'b': got 1 missing value, the first in row 6;"):
        ews.detect(read(long, time="t", by="g", value="x"), missing="raise", n_surrogates=0)


@pytest.mark.parametrize("name", ["stage", "lambda", "sample", "page", "time", "BPM"])
def test_other_names_are_not(name):
    assert read(f"{name},x\n1,2\n2,5\n3,4\n", time=name, value="x").recognised.dates == "numbers"


def test_ages_need_times_that_are_numbers():
    refused("t,x\n1,2\n2,3\n", "ages: got no time", ages=True, value="x")
    refused("t,x\n2015-05-01,2\n2015-05-02,3\n", "ages: got dates", ages=True, time="t")
    refused("t,x\n1,2\n2,3\n", "ages: got 1", ages=1, time="t")


@pytest.mark.parametrize(
    ("heading", "rows", "time", "said"),
    [
        ("Year,Month,x", ["2000,1,5", "2000,2,6"], "Year", "'Month' may belong to it: time=('Year', 'Month')"),
        ("YEAR,DOY,x", ["2000,1,5", "2001,1,6"], "DOY", "'YEAR' may belong to it: time=('YEAR', 'DOY')"),
        ("year,qtr,x", ["2000,1,5", "2000,2,6"], "year", "time=('year', 'qtr')"),
        ("date,Hour,x", ["2000-01-01,1,5", "2000-01-01,2,6"], "date", "by='Hour'"),
        ("Year,Lake,x", ["2000,a,5", "2000,b,6"], "Year", "by='Lake'"),
    ],
)
def test_a_column_that_belongs_to_the_time_is_named(heading, rows, time, said, tmp_path):
    table = read(heading + "\n" + "\n".join(rows) + "\n", time=time, value="x")
    assert said in " ".join(table.notes)
    with pytest.raises(DuplicatedTimesError, match=re.escape(said)):
        ews.detect(table, n_surrogates=0)


def test_no_time_is_proposed_as_values():
    for heading in ("Year,Month,chl,ox", "chl,Year,ox,Month", "age_BP,doy,chl,day"):
        rows = "".join(",".join(str(7 * row % 11) for _ in heading.split(",")) + "\n" for row in range(9))
        refused(f"{heading}\n{rows}", "as in value='chl'")


def test_a_column_of_times_that_is_not_used_is_named():
    for heading, cells, expected in (
        ("when", ["2015-05-01", "2015-05-02"], "when"),
        ("when", ["31/12/1999", "01/01/2000"], "when"),
        ("Year", ["1900", "1901"], "Year"),
        ("age_BP", ["200", "100"], "age_BP"),
        ("my date", ["2015", "x"], None),
        ("year", ["3", "2"], None),
        ("count", ["1", "2"], None),
    ):
        table = read(f"{heading},x\n" + "".join(f"{cell},5\n" for cell in cells), value="x")
        assert table.overlooked == expected
        assert any("consecutive" in note for note in table.notes) == (expected is not None)
    assert read("year,x\n1,1\n2,2\n", time="year", value="x").overlooked is None
    assert read("year,x\n1,1\n2,2\n", value="year").overlooked is None


# ---- tables of other shapes -----------------------------------------------------------------------------------------


def test_a_row_for_each_year_and_a_column_for_each_month():
    body = "".join(f"{y},{','.join(str((y * m) % 7) for m in range(1, 13))},9\n" for y in (1901, 1900, 1902))
    table = read(f"Year,{','.join(MONTHS)},Annual\n{body}")
    (series,) = table.values()
    assert series.size == 36
    assert (str(series.index[0])[:10], str(series.index[-1])[:10]) == ("1900-01-01", "1902-12-01")
    assert series.iloc[:12].tolist() == [(1900 * m) % 7 for m in range(1, 13)]
    assert "left out: 'Annual'" in " ".join(table.notes)
    assert read(f"Year,{','.join(MONTHS)},Annual\n{body}", time="Year", value="Jan")["Jan"].size == 3


@pytest.mark.parametrize("first", [100, 1659, 1678, 2242, 2250])  # years that dates reach all, in part, or not at all
def test_years_of_months_have_times_of_one_kind(first):
    body = "".join(f"{y},{','.join(str((y * m) % 7) for m in range(1, 13))}\n" for y in range(first, first + 20))
    text = f"Year,{','.join(MONTHS)}\n{body}"
    (series,) = read(text, time="Year").values()
    long = "".join(f"{y},{m},{(y * m) % 7}\n" for y in range(first, first + 20) for m in range(1, 13))
    in_rows = read(f"Year,Month,x\n{long}", time=("Year", "Month"))["x"]
    assert (series.index.dtype.kind, series.tolist()) == (in_rows.index.dtype.kind, in_rows.tolist())
    assert (series.index == in_rows.index).all()
    tested = ews.detect(read(text, time="Year"), n_surrogates=0)
    assert str(tested.series.time[0]).startswith(str(first))


@pytest.mark.parametrize("first", [100, 1659, 1990])
@pytest.mark.parametrize("time", [None, "Year"])
def test_years_of_months_are_neither_ages_nor_written_otherwise(first, time):
    body = "".join(f"{y},{','.join(str((y * m) % 7) for m in range(1, 13))}\n" for y in range(first, first + 20))
    text = f"Year,{','.join(MONTHS)}\n{body}"
    refused(text, "ages: got a table with years in column 'Year'", "a time column of numbers", time=time, ages=True)
    refused(text, "date_format: got '%d.%m.%Y'", "'%Y' or none", time=time, date_format="%d.%m.%Y")
    plain = read(text, time=time)["value"]
    assert plain.equals(read(text, time=time, ages=False, date_format="%Y")["value"])


def test_months_that_have_not_come_are_left_out():
    body = "".join(
        f"{y} {' '.join(str(m) if (y, m) < (1903, 5) else '-99.9' for m in range(1, 13))}\n" for y in range(1895, 1904)
    )
    (series,) = read(f"YEAR {' '.join(MONTHS).upper()}\n{body}", na=-99.9).values()
    assert series.size == 100
    refused(f"YEAR {' '.join(MONTHS).upper()}\n{body}", "na='-99.9'")


@pytest.fixture
def lakes() -> str:
    rows = [
        (lake, year, day)
        for lake in ("Peter", "Paul", "Tuesday")
        for year in (2013, 2014, 2015)
        for day in range(150, 190)
    ]
    return "Lake,Year,DoY,treatment,BGA\n" + "".join(
        f"{lake},{year},{day},{'control' if lake == 'Paul' else 'added'},{(day * 7 + year + len(lake)) % 11}\n"
        for lake, year, day in rows
    )


def test_columns_that_tell_rows_apart_are_named(lakes, tmp_path):
    table = read(lakes, time="DoY", value="BGA")
    assert table.telling == ("Lake", "Year")
    with pytest.raises(DuplicatedTimesError, match="columns 'Lake' and 'Year' tell them apart"):
        ews.detect(table, n_surrogates=0)
    averaged = ews.detect(table, n_surrogates=0, duplicates="mean")
    assert "columns 'Lake' and 'Year' tell them apart" in " ".join(averaged.series.notes)
    path = tmp_path / "lakes.csv"
    path.write_text(lakes)
    said = cli("detect", path, "--time", "DoY", "--value", "BGA", "--n-surrogates", 0)
    assert said.exit_code == 2
    assert "--by Lake --by Year makes one series of each group, --where Lake=… --where Year=… takes one" in said.stderr
    assert read(lakes, time=["Year", "DoY"], value="BGA").telling == ("Lake",)


def test_groups_below_each_other_are_said_where_rows_are_consecutive(lakes):
    assert "column 'Lake' groups them: by='Lake'" in " ".join(read(lakes, value="BGA").notes)
    assert "groups them" not in " ".join(read(lakes, value="BGA", where="Lake=Paul").notes)
    by_year = read(lakes, time="DoY", value="BGA", by="Year")
    assert by_year.telling == ("Lake",)
    with pytest.raises(DuplicatedTimesError, match="column 'Lake' tells them apart: by='Lake'"):
        ews.detect(by_year, n_surrogates=0)


def test_groups_become_series_in_order(lakes):
    table = read(lakes, time=("Year", "DoY"), value="BGA", by="Lake")
    assert list(table) == ["Paul", "Peter", "Tuesday"]
    assert [one.size for one in table.values()] == [120, 120, 120]
    assert list(read(lakes, time="DoY", value="BGA", by=["Lake", "Year"]))[:2] == ["Paul 2013", "Paul 2014"]
    assert list(read("g,t,x,z\n10,1,1,5\n9,1,2,6\n", time="t", by="g", value="?")) == ["x 9", "z 9", "x 10", "z 10"]
    refused("g,t,x\na,1,1\n,2,2\n", "nothing in column 'g', row 2", time="t", by="g", value="x")
    refused(lakes, "value: got 'Year'", time="DoY", by="Year", value="Year")
    refused(lakes, "by: got 'DoY'", time="DoY", by="DoY", value="BGA")
    panel = ews.detect(read(lakes, time="DoY", value="BGA", by="Lake", where="Year=2015"), n_surrogates=0)
    assert list(panel) == ["Paul", "Peter", "Tuesday"]


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ("Lake=Paul", 120), (["Lake=Paul", "Year=2015"], 40), (["Lake=Paul", "Lake=Peter", "Year=2015"], 80),
        ("Lake!=Paul", 240), ("Year>2013", 240), ("Year>=2014", 240), ("Year<2014.5", 240), ("DoY<=150", 9),
        ({"Lake": "Paul", "Year": 2015}, 40), ({"Lake": ["Paul", "Peter"]}, 240), ("Year == 2015", 120),
        ("treatment=control", 120),
    ],
)  # fmt: skip
def test_conditions_choose_rows(lakes, where, rows):
    table = read(lakes, value="BGA", where=where)
    assert table["BGA"].size == rows
    assert table.recognised.rows_used == rows
    assert "rows with" in " ".join(table.notes)


@pytest.mark.parametrize(
    ("where", "error"),
    [
        ("Lake=Pau", UnknownNameError), ("Lak=Paul", UnknownNameError), ("Lake", ArgumentError), (3, ArgumentError),
        ("Year>2020", ArgumentError), ("Year>x", ArgumentError), (["Lake=Paul", "treatment=added"], ArgumentError),
    ],
)  # fmt: skip
def test_conditions_that_fit_nothing_are_refused(lakes, where, error):
    with pytest.raises(error, match="where: got"):
        read(lakes, value="BGA", where=where)


def test_values_by_pattern():
    text = "t,chl_1,chl_2,chl [note],temp\n1,2,3,a,5\n2,3,4,b,6\n"
    table = read(text, time="t", value="chl*")
    assert list(table) == ["chl_1", "chl_2"]
    assert "'chl [note]'" in " ".join(table.notes)
    assert list(read(text, time="t", value=["temp", "*_2"])) == ["temp", "chl_2"]
    assert list(read("t,x [mg]\n1,2\n", value="x [mg]")) == ["x [mg]"]
    for wrong in ("chk*", "ch", ["temp", "temp"], "t", "chl [note]", 3, {"a"}, [3], ""):
        refused(text, "value: got", time="t", value=wrong)
    refused("t,a1,a2\n1,-,3\n2,-,4\n3,-,6\n4,5,7\n", "'-' in column 'a1', row 1", value="a*", time="t")
    refused("t,a1,a2\n1,-,3\n2,-,4\n3,-,6\n4,5,7\n", "the file has several", "'-' in row 1", time="t")
    refused("t,a1,a2\n1,2,3\n2,<0.5,4\n3,5,6\n", "'<0.5' in column 'a1', row 2", value="a*", time="t")


@pytest.mark.parametrize("ending", ["xlsx", "ods"])
def test_workbooks(tmp_path, ending):
    path = tmp_path / f"lake.{ending}"
    days = [dt.datetime(2015, 5, day) for day in range(1, 5)]
    table = pd.DataFrame({"day": days, "chl": [984, 1.001, None, 2.5], "note": ["a", "b", "c", "<3"]})
    with pd.ExcelWriter(path) as book:
        pd.DataFrame().to_excel(book, sheet_name="empty")
        table.to_excel(book, sheet_name="data", index=False, startrow=2)
    found = ews.read_table(path, time="day", value="chl")
    assert found["chl"].fillna(-1).tolist() == [984, 1.001, -1, 2.5]
    assert str(found["chl"].index[0]) == "2015-05-01 00:00:00"
    assert found.recognised.sheet == "data"
    with pytest.raises(ArgumentError, match="'a' in column 'note', row 1 and 3 more like it \\(row 4 of the sheet\\)"):
        ews.read_table(path, time="day", value="note")
    with pd.ExcelWriter(path) as book:
        table.to_excel(book, sheet_name="one", index=False)
        table.to_excel(book, sheet_name="two", index=False)
    with pytest.raises(
        ArgumentError, match="sheet: got none, and several sheets hold something; allowed: one of 'one', 'two'"
    ):
        ews.read_table(path)
    assert ews.read_table(path, sheet="two", time="day", value="chl").recognised.sheet == "two"
    assert ews.read_table(path, sheet=1, time="day", value="chl").recognised.sheet == "one"
    text = pd.DataFrame({"day": days, "chl": [984, 1.001, 2.5, "1.234,5"]})
    text.to_excel(path, index=False)  # one cell of text among numbers
    with pytest.raises(ArgumentError, match=r"'1\.234,5' in column 'chl', row 4 .*decimal=','"):
        ews.read_table(path, time="day")
    assert ews.read_table(path, time="day", decimal=",")["chl"].tolist() == [984, 1.001, 2.5, 1234.5]
    with pd.ExcelWriter(path) as book:
        table.to_excel(book, sheet_name="one", index=False)
        table.to_excel(book, sheet_name="two", index=False)
    with pytest.raises(UnknownNameError, match="did you mean 'two'"):
        ews.read_table(path, sheet="twoo")


def test_a_workbook_without_its_reader_names_the_extra(tmp_path, monkeypatch):
    path = tmp_path / "x.xlsx"
    pd.DataFrame({"t": [1, 2], "x": [3, 4]}).to_excel(path, index=False)
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(ArgumentError, match=r"pip install 'earlywarning\[excel\]'"):
        ews.read_table(path)


# ---- what is done with it -------------------------------------------------------------------------------------------


def test_a_table_goes_to_detect_with_its_times_and_notes():
    text = "# by hand\nday;chl;temp\n" + "".join(f"{i + 1:02d}.05.2015;{TWENTY[i]},5;{TWENTY[-i]}\n" for i in range(20))
    table = read(text, time="day", value=["chl", "temp"])
    both = ews.detect(table, n_surrogates=0)
    assert list(both) == ["chl", "temp"]
    one = both["chl"]
    assert one.series.time_name == "day"
    assert one.series.step_unit == "days"
    assert one.series.notes[: len(table.notes)] == table.notes
    report = re.sub(r"\s+", " ", one.summary())
    assert "cells separated by semicolons, decimal comma, times: dates written as %d.%m.%Y, 20 rows." in report
    with pytest.raises(ArgumentError, match="time: got"):
        ews.detect(table, time="day")
    assert table.frame.shape == (20, 2)
    assert table.frame.index.name == "day"


def test_series_with_other_times_stand_side_by_side():
    table = read("g,t,x\na,1,5\na,2,6\nb,2,7\nb,3,8\n", time="t", by="g", value="x")
    assert table.frame.loc[2.0].tolist() == [6, 7]
    assert table.frame.shape == (3, 2)
    with pytest.raises(DuplicatedTimesError):
        read("g,t,x\na,1,5\na,1,6\nb,2,7\n", time="t", by="g", value="x").frame  # noqa: B018
    with pytest.raises(UnknownNameError):
        table["c"]
    assert "a" in table
    assert repr(table) == "<Table of 2 series ('a', 'b') from a buffer>"


def test_options_of_the_command_line(tmp_path):
    path = tmp_path / "lake.csv"
    rows = "".join(
        f"{2000 + i // 12};{i % 12 + 1};{'ab'[i % 2]};{-999 if i == 6 else TWENTY[i % 20]},5\n" for i in range(80)
    )
    path.write_bytes(("Größe\nyear;month;lake;chl µ\n" + rows.replace("-999,5", "-999")).encode("latin-1"))
    done = cli(
        "detect", path, "--time", "year", "--time", "month", "--value", "chl*", "--where", "lake=a", "--na", "-999",
        "--encoding", "latin-1", "--skip", 1, "--sep", ";", "--decimal", ",", "--missing", "drop", "--n-surrogates", 0,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    report = re.sub(r"\s+", " ", done.stdout)
    assert "encoding LATIN-1, cells separated by semicolons, decimal comma, times: year-month in columns" in report
    assert "cells without a value: 1 × '-999'" in report
    assert "the first line" in report
    said = cli("detect", path, "--time", "year", "--time", "month", "--value", "chl*").stderr
    assert "--na -999" in said
    assert '--na "" too if it was measured' in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("t,x\n1,2\n2,<0.5\n3,4\n", '--na "<*"'),
        ("t\tx\n1\t984\n2\t1,001\n", "--thousands ,"),
        ("t,x\n03/04/2001,1\n04/04/2001,2\n", "--date-format %d/%m/%Y"),
        ("t,x\n1,2\n", "error: --value: got no column, and the file has several"),
    ],
)
def test_remedies_are_options_on_the_command_line(tmp_path, content, said):
    path = tmp_path / "x.csv"
    path.write_text(content)
    options = () if "no column" in said else ("--time", "t", "--value", "x")
    done = cli("detect", path, *options)
    assert done.exit_code == 2
    assert said in done.stderr
    age = tmp_path / "age.csv"
    age.write_text("age BP,x\n1,2\n2,3\n3,5\n")
    assert "--ages if larger is earlier, --no-ages if" in cli("detect", age, "--time", "age BP").stderr


def test_remedies_in_a_report_are_options_on_the_command_line(tmp_path):
    path = tmp_path / "x.csv"
    months = pd.date_range("2000", periods=120, freq="MS").strftime("%Y-%m")
    warm = np.random.default_rng(0).normal(20 + 5 * np.sin(np.arange(120) * np.pi / 6), 1)
    warm[[5, 60]] = 5555
    path.write_text("t,x\n" + "".join(f"{month},{x:.2f}\n" for month, x in zip(months, warm, strict=True)))
    report = " ".join(cli("detect", path, "--time", "t", "--n-surrogates", 0, "--until", "2009-12").stdout.split())
    assert "--na 5555 if it is a code" in report
    report = " ".join(cli("detect", path, "--time", "t", "--n-surrogates", 0, "--na", 5555, "--missing", "interpolate")
                      .stdout.split())  # fmt: skip
    assert "give --season 12 (with --detrend stl, or any other)" in report


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.lists(
        st.lists(
            st.sampled_from(
                ["", "1", "2.5", "1,001", "1.001", "<3", "NA", "-999", "x", "2015-05-01", "03/04/2001", '"', "#", "%",
                 "1e400", "0x1", "year", "Jan", "age", "\u00e9", "nan", "=", "(((", "9" * 400, "Total", "12:00"]
            ),
            max_size=4,
        ),
        max_size=8,
    ),
    st.sampled_from([",", ";", "\t", " ", "|"]),
    st.sampled_from([{}, {"time": "year"}, {"value": "*"}, {"decimal": ","}, {"na": "x"}, {"by": "x"}, {"skip": 1}]),
)  # fmt: skip
def test_any_cells_are_read_or_refused_in_words(rows, separator, options):
    text = "\n".join(separator.join(row) for row in [["year", "chl", "x"], *rows])
    try:
        table = read(text, **options)
    except EWSError:
        return
    assert table.notes
    assert all(one.dtype == np.float64 for one in table.values())


# ---- what people of other places write ------------------------------------------------------------------------------


def test_a_year_and_a_week_are_a_week_and_no_day_of_the_year():
    rows = "".join(f"{2001 + i // 52};{i % 52 + 1};{one}\n" for i, one in enumerate(TWENTY * 4))
    for names in ("Jahr;KW", "year;week", "année;semaine", "yr;wk no.", "YYYY;ISO week"):
        found = times(f"{names};Wert\n{rows}", time=names.split(";"), value="Wert")
        assert found[0] == "2001-01-01 00:00:00", names
        assert found[51] == "2001-12-24 00:00:00"
        assert found[52] == "2001-12-31 00:00:00"
    assert times("year,day,x\n2001,1,3\n2001,60,4\n", time=["year", "day"], value="x")[1] == "2001-03-01 00:00:00"
    refused("year,week,x\n2001,53,1\n2002,1,3\n", "week 53 in row 1", "ISO 8601", time=["year", "week"], value="x")


def test_text_in_a_sheet_is_no_number_of_thousands_in_silence():
    pytest.importorskip("openpyxl")

    def sheet(cells: list[object]) -> bytes:
        file = io.BytesIO()
        pd.DataFrame({"year": range(1950, 1970), "x": cells}).to_excel(file, index=False)
        return file.getvalue()

    three = [f"1{one},12{one}" for one in TWENTY]
    refused(sheet(three), "'13,123'", "decimal=','", time="year")
    assert values(sheet(three), time="year", decimal=",")[0] == 13.123
    assert values(sheet(three), time="year", thousands=",")[0] == 13_123
    assert values(sheet([*three[:-1], "7,5"]), time="year")[-2:] == [18.128, 7.5]
    assert values(sheet([*three[:-1], "1,234,567"]), time="year")[-1] == 1_234_567
    assert values(sheet([*three[:-1], 7.5]), time="year")[0] == 13_123  # a point that the sheet itself wrote
    assert values(sheet([one + 0.125 for one in TWENTY]), time="year")[0] == 3.125


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        ("month;x\nJan 1990;1\nFeb 1990;2\nMär 1990;3\nApr 1990;4\n", {"time": "month"}, "read in English"),
        ("date,x\njanvier 1990,1\nfévrier 1990,2\n", {"time": "date"}, "read in English"),
        ("date,x\n1.I.2001,1\n1.XII.2001,2\n", {"time": "date"}, "read in English"),
        ("year,x\n100 BC,1\n99 BC,2\n", {"time": "year"}, "negative numbers"),
        ("year,x\n1950-1951,1\n1951-1952,2\n", {"time": "year"}, "two years each"),
        ("year,x\n1950–51,1\n1951–52,2\n", {"time": "year"}, "two years each"),
        ("year,x\n1950/51,1\n1951/52,2\n", {"time": "year"}, "may be months"),
        ("date,x\n2001-01-01,3 mg/L\n2001-01-02,4 mg/L\n", {"time": "date"}, "'3 mg/L' in row 1"),
        ("date,x\n2001-01-01,3±1\n2001-01-02,4±1\n", {"time": "date"}, "'3±1' in row 1"),
        ("Lake, north\nof 2001\ndate,x\n2001-01-01,3\n2001-01-02,4\n", {"time": "date"}, "skip=2, if line 3"),
        ("Lake,7\ndate,x\n2001-01-01,3\n2001-01-02,4\n", {"value": "x"}, "skip=1, if line 2"),
        ("site,1990,1991,1992,1993,1994\nA,1,2,3,4,5\n", {}, "turn the table"),
        ("site,X1990,X1991,X1992,X1993,X1994\nA,1,2,3,4,5\n", {}, "turn the table"),
        ("site,2001-01,2001-02,2001-03,2001-04,2001-05\nA,1,2,3,4,5\n", {}, "turn the table"),
        ('"time","x"\n"1",1950,3\n"2",1951,4\n', {"time": "time"}, "as R writes them"),
    ],
)
def test_the_way_out_is_named(content, options, said):
    refused(content, said, **options)
