"""Search: genome operators, ask/tell algorithms, fitness and Pareto fronts. Values only, without torch."""
