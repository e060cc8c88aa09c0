"""Bad records, named: where users find it."""

from .input.records import named_errors as named_errors
