"""Networks stored as matrices: genomes, mutation operators, training, evolution."""
