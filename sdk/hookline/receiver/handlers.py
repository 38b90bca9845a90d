"""Which handler takes an event, and what it asks for."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from hookline.errors import InvalidArgument
from hookline.receiver.contract import Contract
from hookline.receiver.event import ReceivedEvent

Function = Callable[..., Any]
"""A handler: `(event)`, and at will the parameters `data` and `transaction`. Async or not."""
F = TypeVar("F", bound=Function)

EVERY: Final = "*"
DATA: Final = "data"
TRANSACTION: Final = "transaction"
_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """A function, and what it asks for."""

    name: str
    function: Function
    asynchronous: bool
    wants_data: bool
    wants_transaction: bool
    contract: Contract

    def arguments(self, event: ReceivedEvent) -> dict[str, Any]:
        """What it is called with beside the event and the transaction.

        Raises MalformedEvent if the data is not what the handler asks for.
        """
        value = self.contract.check(event)
        if not self.wants_data:
            return {}
        return {DATA: event.json() if self.contract.model is None else value}


def handler(function: Function, contract: Contract) -> Handler:
    """The handler that `function` is. Raises InvalidArgument if it cannot be one."""
    names = _names(function)
    return Handler(
        name=_called(function),
        function=function,
        # An object whose class has an async __call__ is as good as an async function.
        asynchronous=inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__),
        wants_data=DATA in names,
        wants_transaction=TRANSACTION in names,
        contract=contract,
    )


def _names(function: Function) -> frozenset[str]:
    """The names of the parameters after the first, which is the event."""
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters or parameters[0].kind not in _POSITIONAL:
        raise InvalidArgument.of(
            "handler", f"{_called(function)} has no parameter for the event; right is (event), with data or transaction at will"
        )
    unknown = [
        each.name
        for each in parameters[1:]
        if each.name not in {DATA, TRANSACTION}
        and each.default is inspect.Parameter.empty
        and each.kind not in {each.VAR_KEYWORD, each.VAR_POSITIONAL}
    ]
    if unknown:
        raise InvalidArgument.of("handler", f"{_called(function)} asks for {', '.join(unknown)}; right are data and transaction")
    return frozenset(each.name for each in parameters[1:])


def _called(function: Function) -> str:
    return getattr(function, "__qualname__", type(function).__name__)
