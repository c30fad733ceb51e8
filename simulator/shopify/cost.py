"""Shopify's calculated query cost and its leaky bucket, on an injected clock.

The published rules: a scalar costs 0, an object 1, an interface the most expensive selection, a
connection as many nodes as it may return; a mutation 10. The requested cost must fit in the bucket and
under 1,000; what was not used is given back. Whether a mutation with many items costs more is not
published, so `item_cost` lets a benchmark measure both.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_leaf_type,
    value_from_ast_untyped,
)

MUTATION_COST = 10
SINGLE_QUERY_LIMIT = 1000


class Bucket:
    """A bucket of `size` points that refills at `restore_rate` points a second; thread-safe."""

    def __init__(self, size: float, restore_rate: float, clock: Callable[[], float]) -> None:
        self.size = size
        self.restore_rate = restore_rate
        self._clock = clock
        self._level = size
        self._at = clock()
        self._lock = threading.Lock()
        self.points_used = 0.0
        self.throttled = 0

    def take(self, points: float) -> bool:
        """Take `points` if they are there."""
        with self._lock:
            self._refill()
            if points > self._level:
                self.throttled += 1
                return False
            self._level -= points
            self.points_used += points
            return True

    def give_back(self, points: float) -> None:
        with self._lock:
            self._level = min(self.size, self._level + points)
            self.points_used -= points

    def empty(self) -> None:
        """Leave nothing, for a test or a throttle dial."""
        with self._lock:
            self._refill()
            self._level = 0.0

    def status(self) -> dict[str, float]:
        with self._lock:
            self._refill()
            return {
                "maximumAvailable": self.size,
                "currentlyAvailable": math.floor(self._level),
                "restoreRate": self.restore_rate,
            }

    @property
    def minimum_s(self) -> float:
        """Seconds that the points used so far take at least, starting from a full bucket."""
        return max(0.0, (self.points_used - self.size) / self.restore_rate)

    def _refill(self) -> None:
        now = self._clock()
        self._level = min(self.size, self._level + (now - self._at) * self.restore_rate)
        self._at = now


class CostModel:
    """Computes what an operation may cost (`requested`) and what it did (`actual`)."""

    def __init__(self, schema: GraphQLSchema, item_cost: float) -> None:
        self._schema = schema
        self.item_cost = item_cost

    def requested(
        self,
        operation: OperationDefinitionNode,
        fragments: dict[str, FragmentDefinitionNode],
        variables: dict[str, Any],
    ) -> float:
        root = self._schema.get_root_type(operation.operation)
        assert root is not None
        if operation.operation.value == "mutation":
            fields = [node for node in operation.selection_set.selections if isinstance(node, FieldNode)]
            items = sum(_items(_arguments(node, variables)) for node in fields)
            return MUTATION_COST * len(fields) + self.item_cost * items
        return self._selections(operation.selection_set, root, fragments, variables)

    def actual(self, requested: float, data: dict[str, Any] | None, is_mutation: bool) -> float:
        if is_mutation or data is None:
            return requested
        return min(requested, sum(_objects(value) for value in data.values()))

    def _selections(
        self,
        selections: SelectionSetNode,
        parent: Any,
        fragments: dict[str, FragmentDefinitionNode],
        variables: dict[str, Any],
    ) -> float:
        own = 0.0
        alternatives = 0.0
        for node in selections.selections:
            if isinstance(node, FieldNode):
                own += self._field(node, parent, fragments, variables)
            elif isinstance(node, InlineFragmentNode | FragmentSpreadNode):
                found = fragments[node.name.value] if isinstance(node, FragmentSpreadNode) else node
                condition = found.type_condition
                inner = self._schema.get_type(condition.name.value) if condition else parent
                cost = self._selections(found.selection_set, inner, fragments, variables)
                alternatives = max(alternatives, cost)
        return own + alternatives

    def _field(
        self,
        node: FieldNode,
        parent: Any,
        fragments: dict[str, FragmentDefinitionNode],
        variables: dict[str, Any],
    ) -> float:
        if not isinstance(parent, GraphQLObjectType) and not hasattr(parent, "fields"):
            return 0.0
        definition = parent.fields.get(node.name.value)
        if definition is None or node.selection_set is None:
            return 0.0
        kind: Any = get_named_type(definition.type)
        if is_leaf_type(kind):
            return 0.0
        inside = self._selections(node.selection_set, kind, fragments, variables)
        name = node.name.value
        if name == "pageInfo":
            return 0.0
        if name in ("nodes", "edges") and parent.name.endswith("Connection"):
            # The edge is a wrapper; its node is an object and counted where `node` is selected.
            return inside if name == "edges" else inside + 1
        arguments = _arguments(node, variables)
        if kind.name.endswith("Connection"):
            return inside * float(arguments.get("first") or arguments.get("last") or 1)
        if "ids" in arguments:
            return (inside + 1) * len(arguments["ids"])
        return inside + 1


def _arguments(node: FieldNode, variables: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for argument in node.arguments or ():
        value = argument.value
        if isinstance(value, VariableNode):
            found[argument.name.value] = variables.get(value.name.value)
        else:
            found[argument.name.value] = value_from_ast_untyped(value, variables)
    return found


def _items(arguments: dict[str, Any]) -> int:
    """How many items a mutation carries: the longest list in its arguments."""
    lists = [value for value in arguments.values() if isinstance(value, list)]
    for value in arguments.values():
        if isinstance(value, dict):
            lists += [inner for inner in value.values() if isinstance(inner, list)]
    return max((len(value) for value in lists), default=0)


def _objects(value: Any) -> int:
    """Objects in an answer, wrappers of connections aside."""
    if isinstance(value, list):
        return sum(_objects(one) for one in value)
    if not isinstance(value, dict):
        return 0
    if "nodes" in value:
        return _objects(value["nodes"])
    if "edges" in value:
        return sum(_objects(edge["node"]) for edge in value["edges"])
    return 1 + sum(_objects(one) for key, one in value.items() if key != "pageInfo")
