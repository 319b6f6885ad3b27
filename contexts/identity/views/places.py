"""Postal codes."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.identity import usecases
from contexts.identity.serializers import PlaceSchema
from ecommerce.http.throttling import DefaultThrottle, Scoped
from ecommerce.http.views import APIView


class CepView(APIView):
    permission_classes = ()
    throttle_classes = (DefaultThrottle, Scoped("lookup"))

    @extend_schema(
        summary="Buscar CEP",
        description="Sem serviço de busca a resposta é 503 `cep_lookup_unavailable`: peça o endereço ao cliente.",
        responses=PlaceSchema,
        tags=["identity"],
    )
    def get(self, request: Request, cep: str) -> Response:
        return Response(usecases.look_up_cep(cep=cep))
