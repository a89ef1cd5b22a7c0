"""Civil dates in Hong Kong: what day an instant lies in, and at which instant a day ends. Exact and pure."""

import calendar
from datetime import UTC, date, datetime, time, timedelta, timezone

HKT = timezone(timedelta(hours=8))
"""Hong Kong's time: it has no summer time."""
NS_PER_S = 1_000_000_000


def civil_date(time_ns: int) -> date:
    """The date in Hong Kong at an instant."""
    return datetime.fromtimestamp(time_ns // NS_PER_S, UTC).astimezone(HKT).date()


def lapse_ns(last_day: date) -> int:
    """The instant at which something valid through a day lapses: 00:00 in Hong Kong of the next day."""
    return int(datetime.combine(last_day + timedelta(days=1), time(), HKT).timestamp()) * NS_PER_S


def start_ns(day: date) -> int:
    """00:00 in Hong Kong of a day."""
    return int(datetime.combine(day, time(), HKT).timestamp()) * NS_PER_S


def last_day_of(until_ns: int) -> date:
    """The last civil day on which something counts that lapses at an instant."""
    return civil_date(until_ns - 1)


def add_months(day: date, months: int) -> date:
    """The same day some months later, or the last day of the month when it does not have that day.

    >>> add_months(date(2024, 2, 29), 12), add_months(date(2025, 8, 31), 6)
    (datetime.date(2025, 2, 28), datetime.date(2026, 2, 28))
    """
    count = day.year * 12 + day.month - 1 + months
    year, month = divmod(count, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
