"""The syntax of CEL (Common Expression Language, language definition): text to a tree with positions.

The library that evaluates expressions tells too little of them: to refuse what cannot be bounded, and to
say where a type is wrong, one must see the tree. This parser knows the same language, less what is
refused anyway: messages, optional values, quoted names.
"""

import ast
import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

DEEPEST: Final = 24
"""Brackets within each other."""
DEEPEST_TREE: Final = 120
"""Operators that wait for each other's result, as in a long sum."""
MOST_NODES: Final = 600

_TOKENS: Final = re.compile(
    r"""
    (?P<blank>\s+|//[^\n]*)
  | (?P<double>[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|\.[0-9]+(?:[eE][+-]?[0-9]+)?)
  | (?P<uint>(?:0[xX][0-9a-fA-F]+|[0-9]+)[uU])
  | (?P<int>0[xX][0-9a-fA-F]+|[0-9]+)
  | (?P<string>(?:[rR][bB]?|[bB][rR]?)?(?:
        \"\"\"(?:[^\\]|\\.)*?\"\"\"|'''(?:[^\\]|\\.)*?'''
      |"(?:[^"\\\r\n]|\\.)*"|'(?:[^'\\\r\n]|\\.)*'))
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<sign>&&|\|\||[<>=!]=|[-+*/%<>!?:.,()\[\]{}])
    """,
    re.VERBOSE | re.DOTALL,
)
_RESERVED: Final = frozenset(
    {"as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package", "namespace"}
    | {"return", "var", "void", "while"}
)

_LEVELS: Final = (("||",), ("&&",), ("<", "<=", ">=", ">", "==", "!=", "in"), ("+", "-"), ("*", "/", "%"))
MACROS: Final = frozenset({"all", "exists", "exists_one", "map", "filter"})


class ExpressionProblem(Exception):
    """What is wrong with an expression, and where: an offset into its text."""

    def __init__(self, position: int, problem: str) -> None:
        """`problem` says what is wrong and what would be right."""
        super().__init__(problem)
        self.position = position
        self.problem = problem


class Kind(Enum):
    """What a node is; in brackets what `text` and `parts` are."""

    LITERAL = "literal"
    """[the literal's type; nothing]"""
    NAME = "name"
    """[the name; nothing]"""
    SELECT = "select"
    """[the field; the base]"""
    INDEX = "index"
    """[nothing; base and index]"""
    CALL = "call"
    """[the function; its arguments]"""
    METHOD = "method"
    """[the function; the base and its arguments]"""
    OPERATOR = "operator"
    """[the operator; its operands]"""
    LIST = "list"
    MAP = "map"
    """[nothing; keys and values in turn]"""


@dataclass(frozen=True, slots=True)
class Node:
    """A part of an expression; `position` is where an error in it is shown, `size` the length of a literal."""

    kind: Kind
    position: int
    text: str = ""
    parts: tuple["Node", ...] = ()
    size: int = 0
    depth: int = 1


def parse(source: str) -> Node:
    """The tree of an expression. Raises ExpressionProblem."""
    return _Parser(source).whole()


def shown(source: str, position: int, problem: str) -> str:
    """`problem` with its line and column (from 1), and the line with a caret below."""
    start = source.rfind("\n", 0, position) + 1
    end = source.find("\n", position)
    line = source[start : len(source) if end < 0 else end]
    column = position - start
    left = max(0, column - 60)
    window = "".join(letter if letter.isprintable() else " " for letter in line[left : left + 100])
    return f"line {source.count(chr(10), 0, position) + 1}, column {column + 1}: {problem}\n  {window}\n  {' ' * (column - left)}^"


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


def _tokens(source: str) -> list[_Token]:
    found: list[_Token] = []
    position = 0
    while position < len(source):
        match = _TOKENS.match(source, position)
        if match is None:
            letter = source[position]
            said = "a string that does not end" if letter in "'\"" else f"the character {letter!a}, which has no meaning"
            raise ExpressionProblem(position, f"here is {said}")
        kind = match.lastgroup or ""
        if kind != "blank":
            found.append(_Token(kind, match.group(), position))
        position = match.end()
    found.append(_Token("end", "", len(source)))
    return found


class _Parser:
    """Recursive descent; one token of look-ahead."""

    def __init__(self, source: str) -> None:
        self._tokens = _tokens(source)
        self._at = 0
        self._open = 0
        self._nodes = 0

    def whole(self) -> Node:
        found = self._expression()
        if self._token.kind != "end":
            raise self._unexpected("the end, or an operator")
        return found

    @property
    def _token(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _is(self, *texts: str) -> bool:
        token = self._token
        return token.text in texts and token.kind in {"sign", "name"}

    def _accept(self, text: str) -> bool:
        if self._is(text):
            self._at += 1
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._accept(text):
            raise self._unexpected(f"{text!r}")

    def _unexpected(self, right: str) -> ExpressionProblem:
        token = self._token
        here = "the expression ends here" if token.kind == "end" else f"here is {token.text[:40]!a}"
        return ExpressionProblem(token.position, f"{here}; right is {right}")

    def _node(self, kind: Kind, position: int, text: str = "", parts: tuple[Node, ...] = (), size: int = 0) -> Node:
        self._nodes += 1
        depth = 1 + max((part.depth for part in parts), default=0)
        if self._nodes > MOST_NODES or depth > DEEPEST_TREE:
            limit = f"{MOST_NODES} parts, {DEEPEST_TREE} of them within each other"
            raise ExpressionProblem(position, f"the expression is too large; right are at most {limit}")
        return Node(kind, position, text, parts, size, depth)

    def _expression(self) -> Node:
        self._open += 1
        if self._open > DEEPEST:
            raise ExpressionProblem(self._token.position, f"is nested deeper than {DEEPEST} levels")
        found = self._binary(0)
        if self._is("?"):
            position = self._take().position
            yes = self._binary(0)
            self._expect(":")
            found = self._node(Kind.OPERATOR, position, "?:", (found, yes, self._expression()))
        self._open -= 1
        return found

    def _binary(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._unary()
        found = self._binary(level + 1)
        while self._is(*_LEVELS[level]):
            token = self._take()
            found = self._node(Kind.OPERATOR, token.position, token.text, (found, self._binary(level + 1)))
        return found

    def _unary(self) -> Node:
        signs: list[_Token] = []
        while self._is("!", "-"):
            signs.append(self._take())
            if len(signs) > DEEPEST:
                raise ExpressionProblem(signs[0].position, f"here are more than {DEEPEST} signs in a row")
        if signs and signs[-1].text == "-" and self._token.kind in {"int", "double"}:
            found = self._literal(negative=signs.pop().position)
            found = self._members(found)
        else:
            found = self._members(self._primary())
        for sign in reversed(signs):
            found = self._node(Kind.OPERATOR, sign.position, f"unary {sign.text}", (found,))
        return found

    def _members(self, found: Node) -> Node:
        while True:
            if self._accept("."):
                name = self._name(field=True)
                if self._accept("("):
                    found = self._node(Kind.METHOD, name.position, name.text, (found, *self._list(")")))
                else:
                    found = self._node(Kind.SELECT, name.position, name.text, (found,))
            elif self._is("["):
                position = self._take().position
                index = self._expression()
                self._expect("]")
                found = self._node(Kind.INDEX, position, "", (found, index))
            elif self._is("{"):
                raise ExpressionProblem(self._token.position, "messages are not made here; right is a map like {'name': value}")
            else:
                return found

    def _name(self, *, field: bool = False) -> _Token:
        token = self._token
        if token.kind != "name" or (not field and (token.text in _RESERVED or token.text == "in")):
            raise self._unexpected("a name")
        return self._take()

    def _primary(self) -> Node:
        token = self._token
        if token.kind in {"int", "uint", "double", "string"} or token.text in {"true", "false", "null"}:
            return self._literal()
        if self._accept("("):
            found = self._expression()
            self._expect(")")
            return found
        if self._accept("["):
            return self._node(Kind.LIST, token.position, "", self._list("]"))
        if self._accept("{"):
            return self._node(Kind.MAP, token.position, "", self._pairs())
        if token.kind != "name":
            raise self._unexpected("a value: a name, a literal, or something in brackets")
        self._name()
        if self._accept("("):
            return self._node(Kind.CALL, token.position, token.text, self._list(")"))
        return self._node(Kind.NAME, token.position, token.text)

    def _list(self, closing: str) -> tuple[Node, ...]:
        found: list[Node] = []
        while not self._accept(closing):
            if found:
                self._expect(",")
                if closing != ")" and self._accept(closing):
                    break
            found.append(self._expression())
        return tuple(found)

    def _pairs(self) -> tuple[Node, ...]:
        found: list[Node] = []
        while not self._accept("}"):
            if found:
                self._expect(",")
                if self._accept("}"):
                    break
            found.append(self._expression())
            self._expect(":")
            found.append(self._expression())
        return tuple(found)

    def _literal(self, *, negative: int | None = None) -> Node:
        token = self._take()
        position = token.position if negative is None else negative
        match token.kind:
            case "int" | "uint":
                value = int(token.text.rstrip("uU"), 0) if token.text[:2] in {"0x", "0X"} else int(token.text.rstrip("uU"))
                if negative is not None:
                    value = -value
                low, high = (0, 2**64 - 1) if token.kind == "uint" else (-(2**63), 2**63 - 1)
                if not low <= value <= high:
                    raise ExpressionProblem(position, f"the number is outside of 64 bits; right is {low} to {high}")
                return self._node(Kind.LITERAL, position, token.kind, size=8)
            case "double":
                return self._node(Kind.LITERAL, position, "double", size=8)
            case "string":
                head = token.text.partition(token.text[-1])[0].lower()
                return self._node(Kind.LITERAL, position, "bytes" if "b" in head else "string", size=len(token.text.encode()))
            case _:
                return self._node(Kind.LITERAL, position, "null" if token.text == "null" else "bool", size=8)


def literal_text(source: str, node: Node) -> str | None:
    """The value of a plain string literal; None where it is written in a way that only CEL knows."""
    match = _TOKENS.match(source, node.position)
    if match is None or match.lastgroup != "string":
        return None
    try:
        value = ast.literal_eval(match.group())
    except (SyntaxError, ValueError):
        return None
    return value if isinstance(value, str) else None
