"""Surveillance: rules over the event stream that raise alerts for a person to judge. They never touch an order.

The durable events of a running venue, or of a journal, come in; the rules run in a process of their own.
Alerts go out to `alerts.db`, and the accounts that trade too often go out to the venue's throttle.
"""
