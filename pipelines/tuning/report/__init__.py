"""The report of a campaign: its tables, its pictures, and where the two disagree."""

from pipelines.tuning.report.writing import write_report

__all__ = ["write_report"]
