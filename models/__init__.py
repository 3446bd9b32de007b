"""What is built: each family's architecture as data, beside its network.

Where timm is loaded already, importing this package adds the multiplexed networks to its models; ``import models.registry``
always does. Commands that only decide load neither.
"""

import sys

if "timm" in sys.modules:
    import models.registry  # noqa: F401
