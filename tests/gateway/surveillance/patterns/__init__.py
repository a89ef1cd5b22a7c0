"""Thirty patterns of trading as generated order flow through the real engine: 20 abusive ones, 10 innocent ones."""
