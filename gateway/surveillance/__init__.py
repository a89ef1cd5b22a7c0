"""Surveillance: rules over the event stream that raise alerts for a person to judge. They never touch an order."""
