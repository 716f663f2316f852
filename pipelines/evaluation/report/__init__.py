"""The report of an evaluation: its tables, its charts, and how sure its figures are."""

from pipelines.evaluation.report.writing import write_report

__all__ = ["write_report"]
