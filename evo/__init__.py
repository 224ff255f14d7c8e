"""Neural networks whose topology evolves: a network is a matrix, mutation is linear algebra on it.

Data goes one way: :class:`Genome` → operators (:mod:`evo.operators.registry`, chosen by :mod:`evo.policies.policies`)
→ :class:`Phenotype` → trainer (:func:`cnn.train`) → fitness → tables (:mod:`evo.storage.tables`).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
