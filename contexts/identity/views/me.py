"""A customer's own data: profile, addresses, saved cards, devices. Somebody else's is not found."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.identity import queries, usecases
from contexts.identity.interface import AddressNotFound
from contexts.identity.serializers import (
    AddressSchema,
    AddressSerializer,
    ProfileChangeSerializer,
    ProfileSchema,
    SavedCardSchema,
    SavedCardSerializer,
    SessionSchema,
)
from contexts.identity.views.tokens import session_key_of
from ecommerce.clock import now
from ecommerce.http.input import validated
from ecommerce.http.views import APIView


def customer(request: Request) -> UUID:
    """Return who is asking; the permission of every view here has made sure that somebody is."""
    identity = request.user.id
    assert isinstance(identity, UUID)
    return identity


class ProfileView(APIView):
    @extend_schema(summary="Meu perfil", responses=ProfileSchema, tags=["identity"])
    def get(self, request: Request) -> Response:
        row = queries.profile(customer(request))
        if row is None:
            raise usecases.UserNotFound("Conta não encontrada.")
        return Response(row)

    @extend_schema(
        summary="Alterar meu perfil", request=ProfileChangeSerializer, responses=ProfileSchema, tags=["identity"]
    )
    def patch(self, request: Request) -> Response:
        changes = validated(ProfileChangeSerializer, request.data)
        usecases.change_profile(user_id=customer(request), changes=changes, now=now())
        return Response(queries.profile(customer(request)))


class AddressesView(APIView):
    @extend_schema(summary="Meus endereços", responses=AddressSchema(many=True), tags=["identity"])
    def get(self, request: Request) -> Response:
        return Response(queries.addresses(customer(request)))

    @extend_schema(
        summary="Adicionar endereço", request=AddressSerializer, responses={201: AddressSchema}, tags=["identity"]
    )
    def post(self, request: Request) -> Response:
        fields = validated(AddressSerializer, request.data)
        default = fields.pop("is_default", False)
        address = usecases.add_address(user_id=customer(request), fields=fields, default=default)
        return Response(queries.address(customer(request), address.id), status=status.HTTP_201_CREATED)


class AddressView(APIView):
    @extend_schema(summary="Um endereço", responses=AddressSchema, tags=["identity"])
    def get(self, request: Request, address_id: UUID) -> Response:
        row = queries.address(customer(request), address_id)
        if row is None:
            raise AddressNotFound("Endereço não encontrado.")
        return Response(row)

    @extend_schema(summary="Alterar endereço", request=AddressSerializer, responses=AddressSchema, tags=["identity"])
    def patch(self, request: Request, address_id: UUID) -> Response:
        changes = validated(AddressSerializer, request.data, partial=True)
        default = changes.pop("is_default", False)
        usecases.change_address(user_id=customer(request), address_id=address_id, changes=changes, default=default)
        return Response(queries.address(customer(request), address_id))

    @extend_schema(summary="Remover endereço", responses={204: None}, tags=["identity"])
    def delete(self, request: Request, address_id: UUID) -> Response:
        usecases.remove_address(user_id=customer(request), address_id=address_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class CardsView(APIView):
    @extend_schema(summary="Meus cartões", responses=SavedCardSchema(many=True), tags=["identity"])
    def get(self, request: Request) -> Response:
        return Response(queries.cards(customer(request)))

    @extend_schema(
        summary="Guardar cartão",
        description="Recebe o token do provedor de pagamento. Um número de cartão em qualquer campo é recusado.",
        request=SavedCardSerializer,
        responses={201: SavedCardSchema},
        tags=["identity"],
    )
    def post(self, request: Request) -> Response:
        fields = validated(SavedCardSerializer, request.data)
        default = fields.pop("is_default", False)
        card = usecases.save_card(user_id=customer(request), now=now(), default=default, **fields)
        return Response(queries.card(customer(request), card.id), status=status.HTTP_201_CREATED)


class CardView(APIView):
    @extend_schema(summary="Esquecer cartão", responses={204: None}, tags=["identity"])
    def delete(self, request: Request, card_id: UUID) -> Response:
        usecases.remove_card(user_id=customer(request), card_id=card_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class DefaultCardView(APIView):
    @extend_schema(summary="Tornar cartão principal", request=None, responses=SavedCardSchema, tags=["identity"])
    def post(self, request: Request, card_id: UUID) -> Response:
        usecases.make_card_default(user_id=customer(request), card_id=card_id)
        return Response(queries.card(customer(request), card_id))


class SessionsView(APIView):
    @extend_schema(summary="Meus dispositivos", responses=SessionSchema(many=True), tags=["identity"])
    def get(self, request: Request) -> Response:
        current = session_key_of(request.auth)
        return Response(
            [
                {
                    "id": row["id"],
                    "ip": row["ip"],
                    "user_agent": row["user_agent"],
                    "created_at": row["created_at"],
                    "expires_at": row["expire_date"],
                    "is_current": row["session_key"] == current,
                }
                for row in queries.sessions(customer(request), now=now())
            ]
        )


class SessionView(APIView):
    @extend_schema(
        summary="Encerrar um dispositivo",
        description="Seus tokens de atualização deixam de valer na hora; o de acesso, em poucos minutos.",
        responses={204: None},
        tags=["identity"],
    )
    def delete(self, request: Request, session_id: UUID) -> Response:
        usecases.end_session(user_id=customer(request), session_id=session_id)
        return Response(status=status.HTTP_204_NO_CONTENT)
