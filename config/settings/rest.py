"""REST framework and the description of the API."""

from typing import Any

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_RENDERER_CLASSES": ["ecommerce.http.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["ecommerce.http.parsers.JSONParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": ["ecommerce.http.authentication.JWTAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["ecommerce.http.permissions.Authenticated"],
    "DEFAULT_THROTTLE_CLASSES": ["ecommerce.http.throttling.DefaultThrottle"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "ecommerce.http.negotiation.JSONFirst",
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "ecommerce.http.schema.AutoSchema",
    "EXCEPTION_HANDLER": "ecommerce.http.errors.exception_handler",
    "UNAUTHENTICATED_USER": "ecommerce.http.authentication.anonymous",
    "UNAUTHENTICATED_TOKEN": None,
    "URL_FORMAT_OVERRIDE": None,
    "COERCE_DECIMAL_TO_STRING": True,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Loja",
    "DESCRIPTION": (
        "API de comércio eletrônico: seis contextos, um endereço. Dinheiro é um texto decimal com a moeda, horários "
        "são RFC 3339 em UTC, páginas têm cursor, toda recusa é `application/problem+json` com um `code` estável.\n\n"
        "Para testar aqui: obtenha um token em `POST /_allauth/app/v1/auth/login` e informe-o em *Authorize*."
    ),
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_URLCONF": "config.api_urls",
    "SERVE_PERMISSIONS": [],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {
        "deepLinking": True,
        "persistAuthorization": True,
        "displayRequestDuration": True,
        "filter": True,
        "validatorUrl": None,
    },
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": ["ecommerce.http.schema.add_problems"],
    "TAGS": [
        {"name": "identity", "description": "Conta, endereços, cartões, dispositivos, privacidade"},
        {"name": "catalog", "description": "Produtos, busca, estoque, avaliações"},
        {"name": "cart", "description": "Carrinho"},
        {"name": "promotion", "description": "Cupons e campanhas"},
        {"name": "order", "description": "Pedidos, pagamentos, entregas"},
        {"name": "notification", "description": "Mensagens e preferências"},
    ],
}
