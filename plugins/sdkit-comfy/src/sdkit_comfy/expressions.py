"""Arithmetic in a text, computed without running it as Python: numbers, names, operators and a few functions."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from sdkit.errors import RequestError

MOST_POWER = 4000
"""Highest exponent; beyond it numbers fill the memory."""
LONGEST = 4000
"""So many letters an expression may have."""
MOST_BITS = 100_000
"""Longest whole number that is computed with."""

Value = Any


def evaluate(expression: str, names: Mapping[str, Value]) -> Value:
    """The value of an expression such as `"max(a, b) * 2 + 1"`; `names` may be used in it.

    Knows + - * / // % ** comparisons, and, or, not, `x if y else z`, indexing, lists, and FUNCTIONS. Raises
    RequestError, which shows the expression, for everything else and for what cannot be computed.
    """
    if len(expression) > LONGEST:
        raise RequestError(f"an expression of {len(expression)} letters is too long; {LONGEST} at most")
    try:
        tree = ast.parse(expression.strip(), mode="eval")
        return _value(tree.body, names)
    except SyntaxError as error:
        raise RequestError(f"the expression {expression!r} cannot be read: {error.msg}") from error
    except RecursionError:
        raise RequestError(f"the expression {expression[:60]!r}… is nested too deeply") from None
    except (ArithmeticError, TypeError, ValueError, LookupError) as error:
        raise RequestError(f"the expression {expression!r} cannot be computed: {error}") from error


def _power(base: Value, exponent: Value) -> Value:
    if abs(exponent) > MOST_POWER or (isinstance(base, int) and base.bit_length() * abs(exponent) > MOST_BITS):
        raise ValueError(f"{base} to the power of {exponent} is too large")
    return base**exponent


def _product(first: Value, second: Value) -> Value:
    if isinstance(first, int) and isinstance(second, int) and first.bit_length() + second.bit_length() > MOST_BITS:
        raise ValueError("the number is too large")
    return first * second


def _quotient(first: Value, second: Value) -> Value:
    return first / second


def _whole_quotient(first: Value, second: Value) -> Value:
    return first // second


def _sum(*values: Value) -> Value:
    """Of several numbers, or of one list of them."""
    return sum(values) if len(values) != 1 or isinstance(values[0], int | float) else sum(values[0])


FUNCTIONS: Mapping[str, Callable[..., Value]] = MappingProxyType(
    {
        "sum": _sum,
        "min": min,
        "max": max,
        "abs": abs,
        "round": round,
        "pow": _power,
        "sqrt": math.sqrt,
        "ceil": math.ceil,
        "floor": math.floor,
        "log": math.log,
        "log2": math.log2,
        "log10": math.log10,
        "sin": math.sin,
        "cos": math.cos,
        "tan": math.tan,
        "int": int,
        "float": float,
    }
)
"""What may be called in an expression."""

_OPERATORS: Mapping[type[ast.AST], Callable[..., Value]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: _product,
    ast.Div: _quotient,
    ast.FloorDiv: _whole_quotient,
    ast.Mod: operator.mod,
    ast.Pow: _power,
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Not: operator.not_,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def _value(tree: ast.expr, names: Mapping[str, Value]) -> Value:
    match tree:
        case ast.Constant(value=bool() | int() | float() as value):
            return value
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.Name(id=name):
            raise LookupError(f"there is no {name!r}; it may use {', '.join(names) or 'no names'}")
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(operand, names))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            first, second = _value(left, names), _value(right, names)
            return _OPERATORS[type(op)](_number(first), _number(second))
        case ast.BoolOp(op=op, values=values):
            result: Value = isinstance(op, ast.And)
            for each in values:
                result = _value(each, names)
                if bool(result) != isinstance(op, ast.And):
                    break
            return result
        case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in _OPERATORS for op in ops):
            return _compared(_value(left, names), ops, [_value(each, names) for each in others])
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return _value(body if _value(test, names) else orelse, names)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS:
            return FUNCTIONS[name](*(_value(each, names) for each in args))
        case ast.Subscript(value=inner, slice=index):
            return _value(inner, names)[_value(index, names)]
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return [_value(each, names) for each in elements]
        case _:
            raise ValueError(f"{ast.unparse(tree)!r} is not allowed; functions are {', '.join(FUNCTIONS)}")


def _number(value: Value) -> Value:
    if not isinstance(value, int | float):
        raise TypeError(f"{type(value).__name__} is no number")
    return value


def _compared(first: Value, ops: list[ast.cmpop], others: list[Value]) -> bool:
    for op, other in zip(ops, others, strict=True):
        if not _OPERATORS[type(op)](first, other):
            return False
        first = other
    return True
