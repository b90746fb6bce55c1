"""The report page: a path or a fitted estimator as one HTML file to look at and to forward.

What is shown is read by :mod:`.subject`, put into numbers and words by :mod:`.content`, and rendered by :mod:`.page`.
The file fetches nothing when it is opened: Bokeh's script is read from the installed package and written into it.
"""

from lassoflow.reports.page import report

__all__ = ["report"]
