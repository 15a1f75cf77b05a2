"""Whole analyses, one folder a question; files by role: run, result, text, figure, page."""
