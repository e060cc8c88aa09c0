"""What a conversion will take, where users find it."""

from .conversion.estimate import estimate as estimate
