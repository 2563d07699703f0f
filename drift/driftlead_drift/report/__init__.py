"""The drift report: a JSON document (`drift-report/v1`), its summary for the operator, and a page for
people.
"""
