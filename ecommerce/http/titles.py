"""The titles of problem documents, in both languages: the same for every occurrence of a code."""

from __future__ import annotations

from ecommerce.errors import DomainError, Kind
from ecommerce.http.language import Language

Title = tuple[str, str]
"""In Portuguese and in English."""

BY_CODE: dict[str, Title] = {
    "authentication_failed": ("Credenciais inválidas", "Invalid credentials"),
    "bad_request": ("Requisição inválida", "Bad request"),
    "csrf_failed": ("Verificação CSRF falhou", "CSRF check failed"),
    "idempotency_in_flight": ("Requisição em andamento", "Request in flight"),
    "idempotency_key_missing": ("Idempotency-Key ausente ou inválida", "Idempotency-Key missing or invalid"),
    "idempotency_key_reused": ("Idempotency-Key usada em outra requisição", "Idempotency-Key used by another request"),
    "internal_error": ("Erro interno", "Internal error"),
    "invalid_cursor": ("Cursor inválido", "Invalid cursor"),
    "invalid_token": ("Token inválido ou expirado", "Invalid or expired token"),
    "method_not_allowed": ("Método não permitido", "Method not allowed"),
    "missing_scope": ("Permissão insuficiente", "Insufficient permission"),
    "not_acceptable": ("Formato não disponível", "Not acceptable"),
    "not_authenticated": ("Autenticação necessária", "Authentication required"),
    "not_found": ("Não encontrado", "Not found"),
    "parse_error": ("JSON malformado", "Malformed JSON"),
    "permission_denied": ("Acesso negado", "Permission denied"),
    "precondition_failed": ("O recurso mudou", "The resource has changed"),
    "precondition_required": ("If-Match obrigatório", "If-Match required"),
    "throttled": ("Muitas requisições", "Too many requests"),
    "too_large": ("Requisição grande demais", "Request too large"),
    "unsupported_media_type": ("Tipo de conteúdo não suportado", "Unsupported media type"),
    "validation_error": ("Dados inválidos", "Invalid data"),
}

BY_KIND: dict[Kind, Title] = {
    Kind.NOT_FOUND: ("Não encontrado", "Not found"),
    Kind.CONFLICT: ("Conflito com o estado atual", "Conflict with the current state"),
    Kind.INVALID: ("Operação não permitida por uma regra", "Refused by a rule"),
    Kind.UNAUTHORIZED: ("Autenticação necessária", "Authentication required"),
    Kind.FORBIDDEN: ("Acesso negado", "Permission denied"),
    Kind.UNAVAILABLE: ("Serviço indisponível no momento", "Service unavailable for now"),
    Kind.PAYMENT_REQUIRED: ("Pagamento recusado", "Payment refused"),
    Kind.PRECONDITION_FAILED: ("O recurso mudou", "The resource has changed"),
    Kind.PRECONDITION_REQUIRED: ("Precondição obrigatória", "Precondition required"),
}


def title_of_error(error: DomainError, language: Language) -> str:
    return _in(language, BY_CODE.get(error.code) or BY_KIND[error.kind])


def title_of_code(code: str, language: Language) -> str:
    return _in(language, BY_CODE.get(code) or BY_CODE["bad_request"])


def _in(language: Language, title: Title) -> str:
    return title[1] if language == "en" else title[0]
