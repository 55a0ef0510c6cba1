"""Superset's settings. Secrets, and what differs between machines, come from the environment."""

import os

SECRET_KEY = os.environ["SUPERSET_SECRET_KEY"]
SQLALCHEMY_DATABASE_URI = os.environ["SUPERSET_METADATA_URI"]

# Superset's default without any other host: its pages would load a tracking pixel from one.
TALISMAN_CONFIG = {
    "content_security_policy": {
        "base-uri": ["'self'"],
        "default-src": ["'self'"],
        "img-src": ["'self'", "blob:", "data:"],
        "worker-src": ["'self'", "blob:"],
        "object-src": "'none'",
        "style-src": ["'self'", "'unsafe-inline'"],
        "script-src": ["'self'", "'strict-dynamic'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    "force_https": False,
    "session_cookie_secure": False,
}

# Okabe and Ito's palette, which people with any kind of color vision can tell apart.
EXTRA_CATEGORICAL_COLOR_SCHEMES = [
    {
        "id": "okabe_ito",
        "label": "Okabe-Ito",
        "description": "For any kind of color vision",
        "isDefault": True,
        "colors": [
            "#0072B2",
            "#D55E00",
            "#009E73",
            "#CC79A7",
            "#E69F00",
            "#56B4E9",
            "#000000",
            "#F0E442",
        ],
    }
]
