"""Networks as tables: rows, temporal plans, and rows as layers."""
