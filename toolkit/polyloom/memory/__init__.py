"""Memory: conversations as models, recalled with reasons, forgotten exactly."""

from polyloom.memory.drift import Drift
from polyloom.memory.recalled import Action, Activation, Forgotten, Part, Recalled
from polyloom.memory.settings import Settings
from polyloom.memory.store import MemoryStore
from polyloom.memory.turn import Turn

__all__ = ["Action", "Activation", "Drift", "Forgotten", "MemoryStore", "Part", "Recalled", "Settings", "Turn"]
