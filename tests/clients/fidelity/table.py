"""The table: operation, error, message, what the request differs in from the one that succeeds, and what it needs."""

from fidelity import constraints
from fidelity.families import FAMILIES
from fidelity.row import Row
from fidelity.rows import ROWS
from fidelity.store_rows import ROWS as STORES

TABLE = [row for family in FAMILIES for row in family] + ROWS + STORES + [Row(*row) for row in constraints.rows()]
