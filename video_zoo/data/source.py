"""A split of a shard folder, where users find it."""

from .input.source import Split as Split
