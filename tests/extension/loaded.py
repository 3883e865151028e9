"""The plug-in module that ``WZROI_PLUGINS`` names in the tests: importing it adds every row."""

from tests.extension.plugin import add_rows

add_rows()
