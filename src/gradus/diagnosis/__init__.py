"""Why a network does not learn: findings from the record of an experiment."""
