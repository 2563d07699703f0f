"""What a run of the tests makes of the tests that were skipped."""

from pathlib import Path

from hack.run_tests import counts, misses

REPORT = """<testsuites><testsuite tests="4" failures="1" errors="0">
<testcase classname="folder" name="passes"/><testcase classname="folder" name="fails"/>
<testcase classname="folder" name="waits"><skipped message="{first}"/></testcase>
<testcase classname="folder" name="rests"><skipped message="does not apply, the node is kind's"/></testcase>
</testsuite></testsuites>"""


def skipped(folder: Path, first: str) -> list[str]:
    report = folder / "report.xml"
    report.write_text(REPORT.format(first=first))
    passed, failed, sentences = counts(report)
    assert (passed, failed, len(sentences)) == (1, 1, 2)
    return sentences


def test_a_test_that_lacks_something_is_missing(tmp_path: Path) -> None:
    sentences = skipped(tmp_path, "no Chromium here")
    assert sentences[0] == "folder::waits: no Chromium here"
    assert misses(sentences)


def test_a_test_that_does_not_apply_here_is_not_missing(tmp_path: Path) -> None:
    assert not misses(skipped(tmp_path, "does not apply, it is Tuesday"))
    assert not misses([])
