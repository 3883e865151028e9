"""Widgets and figures that the pages share."""
