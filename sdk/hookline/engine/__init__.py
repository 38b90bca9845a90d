"""The delivery core: what comes in is kept, sent, judged and settled."""

from hookline.engine.config import EngineConfig
from hookline.engine.engine import Engine, Observer

__all__ = ["Engine", "EngineConfig", "Observer"]
