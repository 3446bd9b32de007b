"""What is built: each family's architecture as data, beside its network.

Where timm is loaded already, importing this package adds the multiplexed networks to its models;
``import models.zoo.timm_registry`` always does. Commands that only decide load neither.
"""

import sys

if "timm" in sys.modules:
    import models.zoo.timm_registry  # noqa: F401
